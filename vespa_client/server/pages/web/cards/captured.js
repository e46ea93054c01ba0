// What `--capture` has kept: a list, asked for while somebody looks at it, of which one is opened at a time.
import { byId, keyed, make, setAttribute, setText } from "../base/dom.js";
import { bytes, count, duration, plural, timeOfDay } from "../base/format.js";
import { ask, save } from "../base/key.js";
import { makeKept } from "./kept.js";
import { ended, tone } from "./recent.js";

const EVERY = 1000;
// More rows than these nobody reads; all are in the archive.
const MOST_SHOWN = 200;

export function makeCaptured() {
  const body = byId("captured");
  let entries = [];
  let isOld = true;
  let isSeen = false;
  let asking = false;
  let askedAt = -EVERY;
  const kept = makeKept(() => {
    const button = body.querySelector('[aria-expanded="true"]');
    drawList();
    button?.focus();
  });

  const look = async () => {
    if (!isOld || !isSeen || asking || document.hidden || performance.now() - askedAt < EVERY) return;
    asking = true;
    isOld = false;
    askedAt = performance.now();
    try {
      const answer = await ask("captured");
      if (answer.ok) entries = (await answer.json()).entries;
      drawList();
      kept.follow(entries);
    } catch {
      // The connection's own state says that the proxy is gone; once it is back, all is asked for anew.
    }
    asking = false;
  };

  const drawList = () => {
    const shown = entries.slice(0, MOST_SHOWN);
    keyed(body, shown, (entry) => entry.id, makeRow, (row, entry) => drawRow(row, entry, entry.id === kept.open?.id));
    setText(byId("capture-count"), shown.length === entries.length ? count(shown.length) : `${shown.length} of ${count(entries.length)}`);
    byId("captured-none").hidden = entries.length > 0;
    byId("capture-save").disabled = !entries.length;
  };

  new IntersectionObserver((changes) => ((isSeen = changes.at(-1).isIntersecting), look())).observe(byId("capture"));
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    // A person who selects text wants the text.
    if (!row || (!event.target.closest("button") && !getSelection().isCollapsed)) return;
    const entry = entries.find(({ id }) => id === row.dataset.id);
    if (!entry || entry.id === kept.open?.id) kept.close();
    else kept.show(entry);
    drawList();
  });
  byId("capture-save").addEventListener("click", () => {
    save("captured.har", "vespa.har").catch((problem) => setText(byId("capture-said"), `It can't be saved: ${problem.message}`));
  });

  return {
    /** `hasNew` says whether an exchange has ended since. That bodies are kept is said wherever one looks. */
    draw(model, hasNew) {
      const most = model.status.proxy.capture;
      byId("capture").hidden = byId("capture-pill").hidden = !most;
      if (!most) return;
      isOld ||= hasNew;
      setText(byId("capture-said"), `The last ${plural(most, "exchange")}, as the clients saw them, to 1 MiB of each body, in memory alone.`);
      look();
    },
  };
}

function makeRow({ id, number, method, target, started }) {
  const cell = (name, ...children) => make("td", { role: "cell", class: name }, ...children);
  const button = make("button", { type: "button", class: "no", "aria-controls": "kept", "aria-label": `Exchange ${number}: show it` }, `#${number}`);
  return make(
    "tr",
    { role: "row", "data-id": id },
    cell("k-no", button),
    cell("k-time num", timeOfDay(started)),
    cell("k-what", make("span", { class: "method" }, method), " ", make("code", { title: target }, target)),
    cell("k-outcome", make("span", { class: "outcome" })),
    cell("k-sent right num"),
    cell("k-answered right num"),
    cell("k-total right num"),
  );
}

function drawRow(row, entry, isOpen) {
  const [no, , , outcome, sent, answered, total] = row.children;
  const isDone = entry.phase === "done";
  setAttribute(no.firstElementChild, "aria-expanded", String(isOpen));
  setAttribute(row, "data-tone", isDone ? tone(entry) : null);
  setText(outcome.firstElementChild, isDone ? ended(entry) : "in progress");
  setText(sent, size(entry.request_size, entry.request_kept));
  setText(answered, size(entry.answer_size, entry.answer_kept));
  setText(total, isDone ? duration(entry.seconds) : "–");
}

/** A body's size, and whether all of it is kept. */
function size(whole, kept) {
  return kept < whole ? `${bytes(whole)}, cut` : bytes(whole);
}
