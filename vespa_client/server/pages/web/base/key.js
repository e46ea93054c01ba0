// Requests to the proxy, with its key where it asks for one: asked of the person once, and kept in this tab alone.
import { byId, make, setText } from "./dom.js";

const NAME = "vespa-proxy-key";
const SAVING = 10_000;
let asking = null;

/** The header that carries the key, if there is one. */
export function keyHeader() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** As `fetch`, with the proxy's key. Where the proxy asks for another one, so is the person, and the request made again. */
export async function ask(path, options = {}) {
  for (;;) {
    const given = sessionStorage.getItem(NAME);
    const answer = await fetch(path, { ...options, headers: { ...options.headers, ...keyHeader() }, cache: "no-store" });
    if (answer.headers.get("X-Vespa-Error") !== "proxy_key_missing") return answer;
    answer.body?.cancel();
    // Another request may have been given the key meanwhile.
    if (given === sessionStorage.getItem(NAME)) {
      asking ??= askPerson(given !== null).finally(() => (asking = null));
      await asking;
    }
    options.signal?.throwIfAborted();
  }
}

/** Have the browser save what is there as a file of that name. A link couldn't give the key. */
export async function save(path, name) {
  const answer = await ask(path);
  if (!answer.ok) throw new Error(await told(answer));
  const url = URL.createObjectURL(await answer.blob());
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), SAVING);
}

/** What the proxy says in an answer that is an error. */
export async function told(answer) {
  const body = await answer.json().catch(() => null);
  return body?.error?.message ?? `the proxy answered ${answer.status}`;
}

function askPerson(wasRefused) {
  const form = byId("key-form");
  const input = byId("key");
  sessionStorage.removeItem(NAME);
  setText(byId("key-problem"), wasRefused ? "That isn't the key of this proxy." : "");
  const main = byId("key-main");
  byId("content").hidden = true;
  main.hidden = false;
  input.value = "";
  input.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!/^[\x21-\x7e]+$/.test(key)) {
        setText(byId("key-problem"), "A key has no spaces, and letters, digits and punctuation of ASCII alone.");
        return;
      }
      sessionStorage.setItem(NAME, key);
      input.value = "";
      main.hidden = true;
      byId("content").hidden = false;
      resolve();
    };
  });
}
