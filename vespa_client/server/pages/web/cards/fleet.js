// The endpoint's workers and its log, as Vast.ai sees them: asked for while somebody looks at the page, and never else.
import { byId, keyed, make, setAttribute, setText } from "../base/dom.js";
import { ago, count, plural } from "../base/format.js";
import { ask } from "../base/key.js";

// The proxy asks Vast.ai every 10 s at most.
const EVERY = 10_500;
const READY = new Set(["ready", "idle"]);
const OVER = new Set(["error", "destroying"]);

export function makeFleet() {
  let view = null;
  let asking = false;
  let askedAt = -EVERY;

  const look = async () => {
    if (asking || document.hidden || performance.now() - askedAt < EVERY) return;
    asking = true;
    askedAt = performance.now();
    try {
      const answer = await ask("fleet");
      if (answer.ok) view = kept(await answer.json(), view);
    } catch {
      // The connection's own state says that the proxy is gone.
    }
    asking = false;
  };

  return {
    look,
    draw(model) {
      if (!view) return;
      setText(byId("fleet-said"), said(view, model.now));
      setAttribute(byId("fleet-said"), "data-tone", view.trouble ? "warn" : null);
      drawStates(view.workers);
      drawLog(view.log);
    },
  };
}

/** What was known goes on being shown while Vast.ai can't be asked. */
function kept(fresh, before) {
  return fresh.known || !before?.known ? fresh : { ...before, trouble: fresh.trouble };
}

function said({ known, trouble, asked_at: asked, workers }, now) {
  const what = known ? `${plural(workers.length, "worker")}, asked ${ago(now - asked)}.` : "";
  return [what, trouble && `${trouble[0].toUpperCase()}${trouble.slice(1).replace(/\.?$/, ".")}`].filter(Boolean).join(" ");
}

function drawStates(workers) {
  const states = new Map();
  for (const { status: state, billed } of workers) states.set(state, { state, billed, number: (states.get(state)?.number ?? 0) + 1 });
  keyed(byId("fleet-states"), [...states.values()], ({ state }) => state, makeState, (item, { number, billed }) => {
    setText(item.firstElementChild, String(number));
    setText(item.lastElementChild, billed ? `billed: ${billed}` : "what is billed isn't known");
  });
  byId("fleet-table").hidden = !workers.length;
  keyed(byId("fleet"), workers, ({ id }) => id, makeWorker, (row, worker) => {
    const [, state, requests, pace] = row.children;
    setText(state, worker.status);
    setAttribute(state, "data-tone", tone(worker.status));
    setText(requests, count(worker.requests));
    setText(pace, worker.perf === null ? "–" : count(Math.round(worker.perf)));
  });
}

function makeState({ state }) {
  return make("li", {}, make("b", { class: "num" }), " ", make("span", { "data-tone": tone(state) }, state), " ", make("span", { class: "muted" }));
}

function makeWorker({ id, gpu_name: gpu }) {
  const name = make("th", { scope: "row" }, make("code", {}, String(id ?? "–")), ...(gpu ? [make("small", { class: "muted" }, ` ${gpu}`)] : []));
  return make("tr", {}, name, make("td"), make("td", { class: "right num" }), make("td", { class: "right num" }));
}

function tone(state) {
  return READY.has(state) ? "good" : OVER.has(state) ? "bad" : null;
}

function drawLog(lines) {
  const log = byId("fleet-log");
  const text = lines.join("\n") || "Nothing yet.";
  if (log.textContent === text) return;
  // Whoever reads further up isn't taken to the end.
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < 20;
  log.textContent = text;
  if (follows) log.scrollTop = log.scrollHeight;
}
