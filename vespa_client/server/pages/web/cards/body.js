// A captured body, as text; JSON laid out where a person wants it so.
import { make, setAttribute, setText } from "../base/dom.js";
import { bytes } from "../base/format.js";
import { pretty } from "../base/pretty.js";

// More than this at once would have the page stand still.
const FIRST_SHOWN = 50_000;
let wantsPretty = false;

/** Its elements. `size` is in bytes, and `comment` what was said of one that was cut. */
export function bodyOf({ text, isBinary, type, size, comment }) {
  const said = make("span", { class: "muted" }, [bytes(size), type || "no Content-Type", comment].filter(Boolean).join(" · "));
  if (isBinary) {
    return [make("p", {}, said), make("p", { class: "none" }, "It is no text, and isn't shown; the HAR file has it.")];
  }
  const shown = make("pre", { class: "kept-text" });
  const rest = make("button", { type: "button" });
  const toggle = make("button", { type: "button", class: "quiet" }, "Lay out JSON");
  const laidOut = /^\s*[[{]/.test(text) ? pretty(text) : null;
  toggle.hidden = laidOut === null;

  const draw = (most) => {
    const whole = wantsPretty && laidOut !== null ? laidOut : text;
    setAttribute(toggle, "aria-pressed", String(wantsPretty));
    setText(shown, whole.slice(0, most));
    rest.hidden = whole.length <= most;
    setText(rest, `Show the other ${bytes(whole.length - most)}`);
  };
  toggle.addEventListener("click", () => ((wantsPretty = !wantsPretty), draw(FIRST_SHOWN)));
  rest.addEventListener("click", () => draw(Infinity));
  draw(FIRST_SHOWN);
  return [make("div", { class: "head tight" }, said, toggle), shown, rest];
}
