// The phases of an exchange: their names, and bars that show them.
import { make, setAttribute } from "./dom.js";
import { duration } from "./format.js";

/** In the order in which they usually come: the status's word, and what people read. */
export const PHASES = new Map([
  ["reading", "read"],
  ["routing", "route"],
  ["waiting", "wait"],
  ["retrying", "retry pause"],
  ["connecting", "connect"],
  ["first_byte", "first byte"],
  ["streaming", "stream"],
]);

const LONG = new Map([
  ["reading", "reading the request's body"],
  ["routing", "asking the autoscaler for a worker"],
  ["waiting", "waiting for a worker"],
  ["retrying", "pausing before another worker is tried"],
  ["connecting", "connecting to the worker"],
  ["first_byte", "waiting for the first byte"],
  ["streaming", "passing the answer on"],
]);

/** What an exchange does in that phase, in a few words. */
export const doing = (phase) => LONG.get(phase) ?? phase;

/** Whether its answer is a worker's: the time to the first byte of an error of the proxy's own says nothing of workers. */
export const isOfWorker = (exchange) => Boolean(exchange.worker) && exchange.outcome !== "refused";

/** How long an exchange has taken by now, and each of its phases. `clock` is in milliseconds, as `exchange.received` is. */
export function soFar(exchange, clock = performance.now()) {
  if (exchange.phase === "done") return { total: exchange.seconds, phases: exchange.phases };
  const since = Math.max(0, (clock - exchange.received) / 1000);
  const phases = { ...exchange.phases };
  phases[exchange.phase] = (phases[exchange.phase] ?? 0) + since;
  return { total: exchange.seconds + since, phases };
}

/** `wait 12.3 s · route 31 ms · stream 3.2 s`: the phases that took any time worth naming. */
export function breakdown(phases) {
  const named = [...PHASES].filter(([name]) => phases[name] >= 0.0005);
  return named.map(([name, label]) => `${label} ${duration(phases[name])}`).join(" · ") || "no time at all";
}

/** A bar; {@link paint} fills it. */
export function makeBar() {
  return make("div", { class: "bar", role: "img" }, make("div", { class: "fill" }));
}

/** Show the phases on a bar whose whole width is `scale` seconds, or their sum. The label is for screen readers. */
export function paint(bar, phases, label, scale) {
  const stops = [];
  let at = 0;
  const total = Object.values(phases).reduce((sum, seconds) => sum + seconds, 0) || 1;
  for (const name of PHASES.keys()) {
    const seconds = phases[name] ?? 0;
    if (seconds <= 0) continue;
    const end = at + (seconds / total) * 100;
    stops.push(`var(--${name}) ${at.toFixed(2)}% ${end.toFixed(2)}%`);
    at = end;
  }
  const fill = bar.firstElementChild;
  fill.style.inlineSize = `${Math.min(100, (total / (scale ?? total)) * 100).toFixed(2)}%`;
  fill.style.backgroundImage = stops.length ? `linear-gradient(to right, ${stops.join(", ")})` : "none";
  setAttribute(bar, "aria-label", label);
}

/** The colours' names, for the legend. */
export function fillLegend(list) {
  for (const [name, label] of PHASES) {
    list.append(make("li", {}, make("span", { class: "swatch", "data-phase": name, "aria-hidden": "true" }), label));
  }
}
