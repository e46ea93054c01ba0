// The first line: what the proxy waits for at this moment, and the sums.
import { byId, setAttribute, setText } from "../base/dom.js";
import { ago, count, duration, plural, running as seconds, short } from "../base/format.js";
import { PHASES, doing, isOfWorker, soFar } from "../base/phases.js";

// Where several phases go on at once, what people wait for most goes first.
const BY_WEIGHT = ["waiting", "retrying", "first_byte", "connecting", "routing", "streaming", "reading"];
const SAID = {
  waiting: "Waiting for a worker",
  retrying: "A worker failed; another is tried",
  first_byte: "Waiting for the worker's first byte",
  connecting: "Connecting to the worker",
  routing: "Asking the autoscaler for a worker",
  streaming: "Passing answers on",
  reading: "Reading what a client sends",
};
const SPEAK_EVERY = 3000;

export function makeNow() {
  const line = byId("now-line");
  const more = byId("now-more");
  const timer = byId("now-seconds");
  const spoken = byId("now-live");
  const section = line.closest("section");
  let lastSpoken = -SPEAK_EVERY;

  return {
    draw(model, connection) {
      const seen = connection.state === "live" && model.status ? what(model) : unconnected(connection);
      setAttribute(section, "data-phase", seen.phase);
      setText(line, seen.line);
      setText(timer, seen.seconds === undefined ? "" : seconds(seen.seconds));
      setText(more, seen.more || "\u00a0");
      setText(document.querySelector("title"), title(model, seen));
      if (performance.now() - lastSpoken >= SPEAK_EVERY && spoken.textContent !== seen.line) {
        spoken.textContent = seen.line;
        lastSpoken = performance.now();
      }
      if (model.status) drawSums(model);
    },
  };
}

function unconnected({ state, detail }) {
  if (state === "waiting") return { phase: "lost", line: "Not connected to the proxy", more: `Because ${detail.problem}. It is tried again.` };
  return { phase: "lost", line: state === "paused" ? "Paused while nobody looks" : "Connecting to the proxy", more: "" };
}

function what(model) {
  const { endpoint, proxy } = model.status;
  const exchanges = [...model.running.values()];
  if (proxy.stopping) return { phase: "lost", line: "The proxy is stopping", more: inWords(exchanges) };
  if (!endpoint.key.good) return { phase: "bad", line: "The endpoint's key is refused", more: endpoint.key.trouble };
  if (endpoint.autoscaler.reached === false) {
    return { phase: "bad", line: "The autoscaler can't be reached", more: endpoint.autoscaler.trouble };
  }
  if (!exchanges.length) return idle(model);
  const phase = BY_WEIGHT.find((name) => exchanges.some((exchange) => exchange.phase === name));
  const there = exchanges.filter((exchange) => exchange.phase === phase);
  const longest = Math.max(...there.map((exchange) => soFar(exchange).phases[phase]));
  const told = phase === "waiting" && model.said;
  return {
    phase,
    line: SAID[phase] ?? doing(phase),
    seconds: longest,
    more: [inWords(exchanges), told && toldInWords(told)].filter(Boolean).join(". "),
  };
}

// What the proxy says of the autoscaler isn't in its words.
function toldInWords(told) {
  return told.startsWith("the autoscaler") ? `T${told.slice(1)}` : `The autoscaler says: ${told}`;
}

function idle(model) {
  const last = model.recent[0];
  if (!last) return { phase: "idle", line: "Nothing is in progress", more: "No request has come yet." };
  const when = ago(model.now - last.phase_since);
  return { phase: "idle", line: "Nothing is in progress", more: `The last request, #${last.number}, ended ${when}: ${last.in_words}` };
}

function inWords(exchanges) {
  const counts = [...PHASES].map(([name, label]) => [exchanges.filter((exchange) => exchange.phase === name).length, label]);
  const parts = counts.filter(([number]) => number).map(([number, label]) => `${count(number)} in “${label}”`);
  const all = plural(exchanges.length, "request");
  return parts.length > 1 ? `${all}: ${parts.join(", ")}` : all;
}

function title(model, seen) {
  const name = model.status?.endpoint.name ?? "Vespa Client";
  return model.running.size || seen.phase === "lost" || seen.phase === "bad" ? `${seen.line} · ${name}` : name;
}

function drawSums(model) {
  const { totals } = model.status;
  const firsts = model.recent.filter((exchange) => isOfWorker(exchange) && exchange.time_to_first_byte !== null);
  setText(byId("stat-requests"), short(totals.requests));
  setText(byId("stat-failed"), short(totals.failures));
  setAttribute(byId("stat-failed"), "data-tone", totals.failures ? "bad" : null);
  setText(byId("stat-retried"), short(totals.retries));
  setText(byId("stat-first"), duration(median(firsts.map((exchange) => exchange.time_to_first_byte))));
  // Streams often don't tell it.
  setText(byId("stat-in"), short(totals.tokens_in || (totals.tokens_out ? null : 0)));
  setText(byId("stat-out"), short(totals.tokens_out));
}

function median(numbers) {
  if (!numbers.length) return null;
  return numbers.sort((one, other) => one - other)[Math.floor((numbers.length - 1) / 2)];
}
