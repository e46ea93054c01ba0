// What is copied, and what the button says of it.
import { byId, make, setText } from "./dom.js";

/** Put the text on the clipboard; the button says so for a moment, and screen readers are told. */
export async function copy(text, button) {
  const done = (await written(text)) ? "Copied" : "Copy it by hand";
  const before = button.dataset.label ?? button.textContent;
  button.dataset.label = before;
  setText(button, done);
  setText(byId("copied"), done);
  setTimeout(() => (setText(button, before), setText(byId("copied"), "")), 1500);
}

async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // On a plain HTTP address that isn't this machine's own there is no clipboard for pages, but for the old way.
    const field = make("textarea", { class: "hidden" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
