// One exchange, whole.
import { make } from "../base/dom.js";
import { bytes, count, duration, rate } from "../base/format.js";
import { PHASES } from "../base/phases.js";

/** Everything that the record says of an exchange that is over. There is no body and no key in it. */
export function detailOf(exchange) {
  const parts = [make("p", { class: "words" }, `${exchange.in_words}.`.replace(/\.\.$/, "."))];
  if (exchange.error?.hint) parts.push(make("p", { class: "hint" }, exchange.error.hint));
  parts.push(phaseList(exchange));
  if (exchange.retries.length) parts.push(retryList(exchange.retries));
  parts.push(factList(exchange));
  return make("div", { class: "inner" }, ...parts);
}

function phaseList(exchange) {
  const list = make("ul", { class: "phases", "aria-label": "Where the time went" });
  for (const [name, label] of PHASES) {
    const seconds = exchange.phases[name];
    if (seconds < 0.0005) continue;
    const swatch = make("span", { class: "swatch", "data-phase": name, "aria-hidden": "true" });
    list.append(make("li", {}, swatch, `${label} `, make("b", { class: "num" }, duration(seconds))));
  }
  return list;
}

function retryList(retries) {
  const items = retries.map((retry) => make("li", {}, make("code", {}, retry.worker), ` did not take it: ${retry.reason}`));
  return make("ol", { class: "retries", "aria-label": "Workers that failed before" }, ...items);
}

function factList(exchange) {
  const tokens =
    exchange.tokens_out === null
      ? null
      : `${count(exchange.tokens_in)} in, ${count(exchange.tokens_out)} out, ${rate(exchange.tokens_per_second)} a second (by ${exchange.tokens_from})`;
  const events = exchange.events
    ? `${count(exchange.events)}, ${duration(exchange.between_events_mean)} apart in the mean, ${duration(exchange.between_events_max)} at most`
    : null;
  const rows = [
    ["Worker", exchange.worker],
    ["Model", exchange.model],
    ["Tokens", tokens],
    ["Events", events],
    ["Bytes", `${bytes(exchange.bytes_in)} in, ${bytes(exchange.bytes_out)} out`],
    ["The autoscaler said", exchange.waiting_for],
    ["Request id", exchange.id],
    ["Trace id", exchange.trace_id],
  ];
  const shown = rows.filter(([, value]) => value);
  return make("dl", { class: "facts" }, ...shown.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}
