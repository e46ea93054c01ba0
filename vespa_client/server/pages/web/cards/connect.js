// How to use the proxy: its base URL, and snippets to copy.
import { copy } from "../base/clipboard.js";
import { byId, make, setText } from "../base/dom.js";

const SNIPPETS = [
  [
    "Python, OpenAI SDK",
    ({ base, key, model }) => `from openai import OpenAI

client = OpenAI(base_url="${base}/v1", api_key="${key}")
stream = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello!"}],
    stream=True,
)
for chunk in stream:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="", flush=True)
`,
  ],
  [
    "JavaScript, OpenAI SDK",
    ({ base, key, model }) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}/v1", apiKey: "${key}" });
const stream = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello!" }],
  stream: true,
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
`,
  ],
  [
    "curl",
    ({ base, key, model, needsKey }) => `curl -N ${base}/v1/chat/completions \\
${needsKey ? `  -H "Authorization: Bearer ${key}" \\\n` : ""}  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "stream": true,
       "messages": [{"role": "user", "content": "Hello!"}]}'
`,
  ],
];
const NO_MODEL = "my-model";

/** The proxy's address as this browser has it, without a slash at its end. */
export const base = new URL("..", location.href).href.replace(/\/$/, "");

/** The models that recent requests named, the latest first. */
export function modelsSeen(model) {
  return [...new Set(model.recent.map((exchange) => exchange.model).filter(Boolean))];
}

export function makeConnect() {
  const kind = byId("snippet-kind");
  for (const [name] of SNIPPETS) kind.append(make("option", {}, name));
  let last = { base, key: "not-used", model: NO_MODEL, needsKey: false };
  const write = () => setText(byId("snippet"), SNIPPETS[kind.selectedIndex][1](last));
  kind.addEventListener("change", write);
  setText(byId("base-url"), `${base}/v1`);
  byId("copy-base").addEventListener("click", () => copy(`${base}/v1`, byId("copy-base")));
  byId("copy-snippet").addEventListener("click", () => copy(byId("snippet").textContent, byId("copy-snippet")));

  return {
    draw(model) {
      const needsKey = model.status.proxy.needs_key;
      // The key itself is never shown.
      const named = modelsSeen(model)[0] ?? NO_MODEL;
      last = { base, key: needsKey ? "YOUR_PROXY_KEY" : "not-used", model: named.replace(/["'\\\s]/g, ""), needsKey };
      write();
    },
  };
}
