// The last 200 exchanges: filters, a row each, and one row's details.
import { byId, keyed, make, setAttribute, setText } from "../base/dom.js";
import { count, duration, rate, timeOfDay } from "../base/format.js";
import { detailOf } from "./detail.js";
import { breakdown, isOfWorker, makeBar, paint } from "../base/phases.js";

const OUTCOMES = [
  ["", "Every outcome", () => true],
  ["failed", "Failed", (exchange) => exchange.failed],
  ["error", "Any error", (exchange) => exchange.failed || exchange.error || exchange.status >= 400],
  ["retried", "Retried", (exchange) => exchange.retries.length > 0],
  ["waited", "Waited for a worker", (exchange) => exchange.phases.waiting > 0],
  ...["whole", "local", "refused", "broken", "left", "cancelled"].map((word) => [word, word, (exchange) => exchange.outcome === word]),
];
const NAMED = { whole: "answered", local: "answered by the proxy" };

export function makeRecent() {
  const body = byId("recent");
  const outcome = byId("filter-outcome");
  const path = byId("filter-path");
  const worker = byId("filter-worker");
  let open = null;
  let redraw = () => {};

  for (const [value, label] of OUTCOMES) outcome.append(make("option", { value }, NAMED[label] ?? label));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("input", () => redraw());
  addEventListener("resize", () => redraw());
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr[data-number]");
    // A person who selects text wants the text.
    if (!row || (!event.target.closest("button") && !getSelection().isCollapsed)) return;
    const number = Number(row.dataset.number);
    open = open === number ? null : number;
    redraw();
  });

  return {
    /** Show that exchange's details, whatever the filters say. */
    show(number) {
      outcome.value = path.value = worker.value = "";
      open = number;
      redraw();
      body.querySelector(`tr[data-number="${number}"] button`)?.focus();
    },
    draw(model) {
      redraw = () => this.draw(model);
      drawWorkers(worker, model);
      const matches = OUTCOMES.find(([value]) => value === outcome.value)[2];
      const wanted = path.value.trim().toLowerCase();
      const shown = model.recent.filter(
        (exchange) =>
          matches(exchange) &&
          exchange.path.toLowerCase().includes(wanted) &&
          (!worker.value || exchange.worker === worker.value || exchange.retries.some((retry) => retry.worker === worker.value)),
      );
      const rows = shown.flatMap((exchange) => (exchange.number === open ? [{ exchange }, { exchange, isDetail: true }] : [{ exchange }]));
      keyed(
        body,
        rows,
        ({ exchange, isDetail }) => `${exchange.number}${isDetail ? "+" : ""}`,
        ({ exchange, isDetail }) => (isDetail ? makeDetail(exchange) : makeRow(exchange)),
        (row, { exchange, isDetail }) => {
          if (isDetail) row.firstElementChild.colSpan = columns();
          else setAttribute(row.firstElementChild.firstElementChild, "aria-expanded", String(exchange.number === open));
        },
      );
      const all = model.recent.length;
      setText(byId("recent-count"), shown.length === all ? count(all) : `${count(shown.length)} of ${count(all)}`);
      const none = byId("recent-none");
      none.hidden = shown.length > 0;
      setText(none, all ? "None of the recent requests is of that kind." : "Requests that are over come here, the newest first.");
    },
  };
}

function makeRow(exchange) {
  const cell = (name, ...children) => make("td", { role: "cell", class: name }, ...children);
  const bar = makeBar();
  paint(bar, exchange.phases, breakdown(exchange.phases));
  const number = make("button", { type: "button", class: "no", "aria-expanded": "false", "aria-label": `Request ${exchange.number}: details` }, `#${exchange.number}`);
  return make(
    "tr",
    { role: "row", "data-number": exchange.number, "data-tone": tone(exchange) },
    cell("c-no", number),
    cell("c-time num", timeOfDay(exchange.phase_since)),
    cell("c-what", make("span", { class: "method" }, exchange.method), " ", make("code", { title: exchange.path }, exchange.path)),
    cell("c-outcome", make("span", { class: "outcome", title: exchange.in_words }, ended(exchange)), ...retriedMark(exchange)),
    cell("c-bar", bar),
    cell("c-total right num", duration(exchange.seconds)),
    cell("c-first right num", isOfWorker(exchange) ? duration(exchange.time_to_first_byte) : "–"),
    cell("c-rate right num", rate(exchange.tokens_per_second)),
    cell("c-worker", exchange.worker ?? "–"),
  );
}

/** How many columns there are: where there is little room, some aren't. */
function columns() {
  return [...byId("recent").parentElement.querySelectorAll("th")].filter((head) => head.offsetParent).length || 1;
}

function makeDetail(exchange) {
  return make("tr", { role: "row", class: "detail" }, make("td", { role: "cell" }, detailOf(exchange)));
}

/** `200`, `503 refused`, `200 broken`: the status, and how it ended where that isn't well. */
export function ended(exchange) {
  const word = exchange.outcome === "whole" ? "" : exchange.outcome;
  return [exchange.status, word].filter(Boolean).join(" ") || "–";
}

function retriedMark(exchange) {
  const tries = exchange.retries.length;
  return tries ? [" ", make("span", { class: "retried", title: "Workers that failed before" }, `↻${tries}`)] : [];
}

export function tone(exchange) {
  if (exchange.failed) return "bad";
  if (exchange.status >= 400 || ["refused", "left", "cancelled"].includes(exchange.outcome)) return "warn";
  return null;
}

function drawWorkers(select, model) {
  const met = model.recent.flatMap((exchange) => [exchange.worker, ...exchange.retries.map((retry) => retry.worker)]);
  const addresses = [...new Set(met.filter(Boolean))].sort();
  if (select.value && !addresses.includes(select.value)) addresses.push(select.value);
  keyed(select, ["", ...addresses], (address) => address, (address) => make("option", { value: address }, address || "Every worker"));
}
