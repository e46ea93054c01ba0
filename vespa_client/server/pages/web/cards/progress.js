// The requests in progress: a bar each, which grows.
import { byId, keyed, make, setAttribute, setText } from "../base/dom.js";
import { bytes, count, plural, running as seconds } from "../base/format.js";
import { ask } from "../base/key.js";
import { doing, fillLegend, makeBar, paint, soFar } from "../base/phases.js";

const MOST_SHOWN = 60;
// The bars' common scale, so that they can be compared: it changes seldom.
const SCALES = [2, 5, 10, 30, 60, 120, 300, 600, 1200, 3600];
const ARMED = 4000;

export function makeProgress() {
  const list = byId("progress");
  fillLegend(byId("legend"));

  return {
    draw(model) {
      const clock = performance.now();
      const shown = [...model.running.values()].slice(0, MOST_SHOWN);
      const times = new Map(shown.map((exchange) => [exchange.number, soFar(exchange, clock)]));
      const longest = Math.max(0, ...[...times.values()].map(({ total }) => total));
      const scale = SCALES.find((limit) => limit >= longest) ?? longest;
      keyed(list, shown, (exchange) => exchange.number, makeRow, (row, exchange) => {
        drawRow(row, exchange, times.get(exchange.number), scale);
      });
      const rest = model.running.size - shown.length;
      setText(byId("progress-count"), count(model.running.size));
      byId("progress-none").hidden = model.running.size > 0;
      byId("progress-rest").hidden = rest <= 0;
      if (rest > 0) setText(byId("progress-rest"), `and ${plural(rest, "other")}`);
    },
  };
}

function makeRow(exchange) {
  const cancel = make("button", { type: "button", class: "quiet" });
  name(cancel, "Cancel", `Cancel request ${exchange.number}`);
  cancel.addEventListener("click", () => cancelAfterAsking(cancel, exchange));
  return make(
    "li",
    {},
    make("span", { class: "no" }, `#${exchange.number}`),
    make("span", { class: "what" }, make("span", { class: "method" }, exchange.method), " ", make("code", {}, exchange.path)),
    make("span", { class: "for num" }),
    cancel,
    makeBar(),
    make("span", { class: "said muted" }),
  );
}

function drawRow(row, exchange, { total, phases }, scale) {
  const [, , timer, cancel, bar, said] = row.children;
  setText(timer, seconds(total));
  paint(bar, phases, `In progress: ${doing(exchange.phase)}`, scale);
  setText(said, describe(exchange, phases));
  setAttribute(row, "data-phase", exchange.phase);
  // Until the body is read there is nothing to cancel.
  setAttribute(cancel, "disabled", exchange.phase === "reading");
}

function describe(exchange, phases) {
  const parts = [`${doing(exchange.phase)} ${seconds(phases[exchange.phase])}`];
  if (exchange.phase === "waiting" && exchange.waiting_for) parts.push(exchange.waiting_for);
  if (exchange.phase === "streaming") {
    parts.push(bytes(exchange.bytes_out) + (exchange.events ? `, ${plural(exchange.events, "event")}` : ""));
  }
  if (exchange.worker && exchange.phase !== "waiting") parts.push(exchange.worker);
  const tried = exchange.retries.length;
  if (tried) parts.push(`${plural(tried, "worker")} failed: ${exchange.retries[tried - 1].reason}`);
  return parts.join(" · ");
}

/** Twice, since the rows move and what is cancelled is gone. */
function cancelAfterAsking(button, exchange) {
  if (button.dataset.armed === undefined) {
    button.dataset.armed = "";
    name(button, "Sure?", `Really cancel request ${exchange.number}?`);
    setTimeout(() => {
      if (button.dataset.armed === undefined) return;
      delete button.dataset.armed;
      name(button, "Cancel", `Cancel request ${exchange.number}`);
    }, ARMED);
    return;
  }
  delete button.dataset.armed;
  setText(button, "Ending…");
  // Where it can't be cancelled it is over, and its row goes; or the connection is, and its state says so.
  ask(`exchanges/${exchange.number}/cancel`, { method: "POST" }).catch(() => name(button, "Cancel", `Cancel request ${exchange.number}`));
}

function name(button, text, label) {
  setText(button, text);
  setAttribute(button, "aria-label", label);
}
