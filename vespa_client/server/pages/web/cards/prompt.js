// "Try a prompt": a request like any client's, whose answer streams into the page.
import { byId, keyed, make, setText } from "../base/dom.js";
import { age, ago } from "../base/format.js";
import { ask } from "../base/key.js";
import { base, modelsSeen } from "./connect.js";
import { breakdown } from "../base/phases.js";

const WARM_SECONDS = 120;
// What is kept of an answer; the rest is counted, and not shown.
const MOST_SHOWN = 200_000;

export function makePrompt() {
  const form = byId("try");
  const answer = byId("try-answer");
  const state = byId("try-state");
  let controller = null;
  let sent = null;

  const finish = (text) => {
    controller = null;
    byId("try-send").disabled = false;
    byId("try-stop").disabled = true;
    answer.removeAttribute("aria-busy");
    setText(state, text);
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (controller) return;
    controller = new AbortController();
    byId("try-send").disabled = true;
    byId("try-stop").disabled = false;
    answer.setAttribute("aria-busy", "true");
    answer.replaceChildren();
    setText(state, "Sent");
    sent = null;
    try {
      const came = await send(controller.signal);
      sent = came.headers.get("X-Vespa-Request-Id");
      finish(await show(came, answer));
    } catch (problem) {
      finish(problem.name === "AbortError" ? "Stopped: the worker was hung up on." : `It broke off: ${problem.message}`);
    }
  });
  byId("try-stop").addEventListener("click", () => controller?.abort());
  // Enter sends, as in chats; with Shift it is a line break.
  byId("try-prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });

  return {
    draw(model) {
      setText(byId("try-cost"), cost(model));
      const models = modelsSeen(model);
      keyed(byId("models"), models, (name) => name, (name) => make("option", { value: name }));
      if (!byId("try-model").value && models.length && document.activeElement !== byId("try-model")) byId("try-model").value = models[0];
      const exchange = sent && !controller && model.recent.find(({ id }) => id === sent);
      if (exchange) {
        setText(state, `#${exchange.number}: ${breakdown(exchange.phases)}`);
        sent = null;
      }
    },
  };
}

/** What it may cost: nobody should start a GPU without having been told. */
function cost(model) {
  if (model.status.settings.sandbox) return "It goes to the sandbox, and costs nothing.";
  const last = model.recent.find((exchange) => exchange.worker && exchange.outcome === "whole");
  const since = last ? model.now - last.phase_since : Infinity;
  const bill = "It is a real request on your account";
  if (since < WARM_SECONDS) return `${bill}. A worker answered ${ago(since)}, so that one is probably up and billed already.`;
  const quiet = last ? `None has answered for ${age(since)}` : "None has answered since the proxy started";
  return `${bill}: where no worker is up, it starts one, whose GPU is billed by the second until it stops. ${quiet}.`;
}

function send(signal) {
  const prompt = byId("try-prompt").value;
  const route = byId("try-route").value;
  const body = { max_tokens: Number(byId("try-tokens").value) || 200, stream: true };
  const model = byId("try-model").value.trim();
  if (model) body.model = model;
  if (route === "completions") body.prompt = prompt;
  else body.messages = [{ role: "user", content: prompt }];
  return ask(`${base}/v1/${route}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Serverless-Cost": String(body.max_tokens) },
    body: JSON.stringify(body),
    signal,
  });
}

/** Put the answer's text into `box` as it comes. Returns how it ended, for people. */
async function show(came, box) {
  if (!came.ok || !(came.headers.get("Content-Type") ?? "").startsWith("text/event-stream")) {
    const text = await came.text();
    const told = came.ok ? textOf(parsed(text)) : problemOf(parsed(text));
    box.append(make("span", came.ok ? {} : { class: "problem" }, (told || text).slice(0, MOST_SHOWN)));
    return came.ok ? "Answered" : `The answer was ${came.status}.`;
  }
  const reader = came.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let shown = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return "Answered";
    const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const event = parsed(line.slice(5));
      if (event?.error) {
        box.append(make("span", { class: "problem" }, problemOf(event)));
        return "It broke off.";
      }
      const text = textOf(event);
      if (text && shown < MOST_SHOWN) append(box, text);
      shown += text.length;
    }
  }
}

function append(box, text) {
  const follows = box.scrollHeight - box.scrollTop - box.clientHeight < 20;
  // One text node that grows: a node a token would be thousands.
  if (box.lastChild?.nodeType === Node.TEXT_NODE) box.lastChild.appendData(text);
  else box.append(text);
  if (follows) box.scrollTop = box.scrollHeight;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The text of a chat completion or a completion, whole or a piece of a stream. */
function textOf(answer) {
  const choice = answer?.choices?.[0];
  const said = choice?.delta ?? choice?.message ?? {};
  return [said.reasoning_content, said.content, choice?.text].filter((part) => typeof part === "string").join("");
}

function problemOf(answer) {
  const error = answer?.error;
  return typeof error === "string" ? error : (error?.message ?? "");
}
