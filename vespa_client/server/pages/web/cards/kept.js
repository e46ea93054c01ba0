// One captured exchange: what was asked, what was answered, what came when, and where the time went.
import { copy } from "../base/clipboard.js";
import { byId, make, setAttribute, setText } from "../base/dom.js";
import { bytes, count, duration, timeOfDay } from "../base/format.js";
import { ask, save, told } from "../base/key.js";
import { breakdown, makeBar, paint } from "../base/phases.js";
import { piecesOf } from "../base/pieces.js";
import { bodyOf } from "./body.js";
import { detailOf } from "./detail.js";

const FIRST_PIECES = 200;
const LONGEST_EVENT = 2000;
const TABS = [
  ["request", () => "Request", ({ request }) => [headers(request), ...requestBody(request)]],
  ["answer", () => "Answer", ({ response }) => [headers(response), ...answerBody(response)]],
  ["pieces", ({ pieces }) => `${pieces[0]?.text === undefined ? "Pieces" : "Events"} ${count(pieces.length)}`, pieceList],
  ["timings", () => "Timings", timings],
];

/** `onClose()` is called when a person closes it. */
export function makeKept(onClose) {
  const panel = byId("kept-part");
  const tabs = TABS.map(([name]) => {
    return make("button", { type: "button", role: "tab", id: `kept-${name}`, "aria-controls": "kept-part", "aria-selected": "false" });
  });
  byId("kept-tabs").append(...tabs);
  let entry = null;
  let curl = "";
  let chosen = 1;

  const choose = (index, { keepsPlace = false } = {}) => {
    chosen = (index + TABS.length) % TABS.length;
    const place = keepsPlace ? panel.scrollTop : 0;
    tabs.forEach((tab, at) => {
      setAttribute(tab, "aria-selected", String(at === chosen));
      setAttribute(tab, "tabindex", at === chosen ? "0" : "-1");
      setText(tab, entry ? TABS[at][1](entry) : TABS[at][1]({ pieces: [] }));
    });
    setAttribute(panel, "aria-labelledby", tabs[chosen].id);
    panel.replaceChildren(...(entry ? TABS[chosen][2](entry) : []));
    panel.scrollTop = place;
  };

  const load = async (line, options) => {
    const isWanted = () => kept.open === line;
    setText(byId("kept-said"), `Reading exchange ${line.number}…`);
    try {
      const [whole, command] = await Promise.all([ask(`captured/${line.number}`), ask(`captured/${line.number}.curl`)]);
      if (!whole.ok) throw new Error(await told(whole));
      const found = await whole.json();
      if (!isWanted()) return;
      entry = { ...found, pieces: piecesOf(found) };
      // Here already when the button is pressed: some browsers let a page copy at that moment alone.
      curl = command.ok ? await command.text() : "";
      setText(byId("kept-said"), inWords(found));
      byId("kept-curl").disabled = byId("kept-save").disabled = false;
      choose(chosen, options);
    } catch (problem) {
      if (isWanted()) setText(byId("kept-said"), `It can't be shown: ${problem.message}`);
    }
  };

  const kept = {
    /** The line of the list whose exchange is shown, or null. */
    open: null,
    show(line) {
      kept.open = line;
      entry = null;
      byId("kept").hidden = false;
      byId("kept-curl").disabled = byId("kept-save").disabled = true;
      setText(byId("kept-title"), `#${line.number} ${line.method} ${line.target}`);
      choose(chosen);
      byId("kept").scrollIntoView({ block: "nearest" });
      load(line);
    },
    close() {
      kept.open = entry = null;
      byId("kept").hidden = true;
      panel.replaceChildren();
    },
    /** The list is a new one: what was in progress may be over, and what is shown may be kept no more. */
    follow(lines) {
      if (!kept.open) return;
      const line = lines.find(({ id }) => id === kept.open.id);
      if (!line) {
        setText(byId("kept-said"), "The proxy keeps it no more: newer ones have come.");
        byId("kept-save").disabled = true;
      } else if (kept.open.phase !== "done") {
        kept.open = line;
        load(line, { keepsPlace: true });
      }
    },
  };

  byId("kept-tabs").addEventListener("click", (event) => {
    const index = tabs.indexOf(event.target);
    if (index >= 0) choose(index);
  });
  byId("kept-tabs").addEventListener("keydown", ({ key }) => {
    const index = { ArrowRight: chosen + 1, ArrowLeft: chosen - 1, Home: 0, End: -1 }[key];
    if (index === undefined) return;
    choose(index);
    tabs[chosen].focus();
  });
  byId("kept-curl").addEventListener("click", () => copy(curl, byId("kept-curl")));
  byId("kept-save").addEventListener("click", () => {
    const { number } = kept.open;
    save(`captured/${number}.har`, `vespa-${number}.har`).catch((problem) => setText(byId("kept-said"), `It can't be saved: ${problem.message}`));
  });
  byId("kept-close").addEventListener("click", () => (kept.close(), onClose()));
  return kept;
}

function inWords({ response, _exchange: exchange }) {
  const came = `Came at ${timeOfDay(exchange.started)}`;
  if (exchange.phase !== "done") return `${came}; in progress still: this is what there was at ${timeOfDay(exchange.started + exchange.seconds)}.`;
  return `${came}, ${response.status || "no answer"}, ${exchange.in_words}`;
}

/** The headers, of which there are many that nobody looks for. */
function headers({ headers: fields }) {
  const rows = fields.map(({ name, value }) => make("div", {}, make("dt", {}, name), make("dd", {}, value)));
  return make("details", { class: "fields-of" }, make("summary", {}, `${count(fields.length)} headers`), make("dl", { class: "facts wide" }, ...rows));
}

function requestBody({ bodySize: size, postData }) {
  if (!postData) return [make("p", { class: "none" }, "There is no body.")];
  return bodyOf({ text: postData.text, isBinary: postData._encoding === "base64", type: postData.mimeType, size, comment: postData.comment });
}

function answerBody({ content, bodySize: size, status }) {
  if (!status) return [make("p", { class: "none" }, "There is no answer yet.")];
  if (!content.size) return [make("p", { class: "none" }, "There is no body.")];
  return bodyOf({ text: content.text, isBinary: content.encoding === "base64", type: content.mimeType, size, comment: content.comment });
}

function pieceList({ pieces, response }) {
  if (!pieces.length) return [make("p", { class: "none" }, "Nothing of a body has gone out.")];
  const list = make("ol", { class: "pieces" });
  const more = make("button", { type: "button" });
  let shown = 0;
  const extend = (number) => {
    list.append(...pieces.slice(shown, shown + number).map(makePiece));
    shown = list.children.length;
    more.hidden = shown >= pieces.length;
    setText(more, `Show ${count(Math.min(1000, pieces.length - shown))} more`);
  };
  more.addEventListener("click", () => extend(1000));
  extend(FIRST_PIECES);
  const said = "When each went out, since the request came; how long after the one before; its size.";
  const timed = pieces.reduce((sum, { size }) => sum + size, 0);
  const rest = timed < response.bodySize ? ` Of the other ${bytes(response.bodySize - timed)} the times or the text aren't kept.` : "";
  return [make("p", { class: "muted" }, said + rest), list, more];
}

function makePiece({ at, gap, size, text }) {
  return make(
    "li",
    {},
    make("span", { class: "num" }, duration(at)),
    make("span", { class: "num muted" }, gap === null ? "" : `+${duration(gap)}`),
    make("span", { class: "num muted" }, bytes(size)),
    ...(text === undefined ? [] : [make("code", {}, text.length > LONGEST_EVENT ? `${text.slice(0, LONGEST_EVENT)}…` : text)]),
  );
}

function timings({ _exchange: exchange }) {
  const bar = makeBar();
  paint(bar, exchange.phases, breakdown(exchange.phases));
  return [make("p", {}, `${duration(exchange.seconds)} in all`), bar, detailOf(exchange)];
}
