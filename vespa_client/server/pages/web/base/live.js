// The events of the proxy, read as they come and begun anew when they end. EventSource can't send a key: this is a fetch.
import { ask, told } from "./key.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
// The proxy says something every 15 s.
const SILENCE = 40_000;

export class Live {
  /**
   * `onEvent(name, data)` is told of each event, and `onState(state, detail)` of the connection: `connecting`, `live`,
   * `waiting` (with what went wrong, and the milliseconds until the next try) or `paused`.
   */
  constructor(onEvent, onState) {
    this.onEvent = onEvent;
    this.onState = onState;
    this.controller = null;
    this.wake = () => {};
  }

  start() {
    if (this.controller) return;
    this.controller = new AbortController();
    this.run(this.controller);
  }

  /** End it, until the next start. */
  pause() {
    if (!this.controller) return;
    this.controller.abort();
    this.controller = null;
    this.wake();
    this.onState("paused");
  }

  /** Don't wait for the next try. */
  hurry() {
    this.wake();
  }

  async run(controller) {
    let pause = FIRST_PAUSE;
    while (!controller.signal.aborted) {
      let problem = "the proxy has ended the events";
      this.onState("connecting");
      try {
        await this.read(controller, () => (pause = FIRST_PAUSE));
      } catch (error) {
        problem = error instanceof Refused ? error.message : "the proxy can't be reached";
        pause = Math.max(pause, error.pause ?? 0);
      }
      if (controller.signal.aborted) return;
      this.onState("waiting", { problem, pause });
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, pause);
        this.wake = () => (clearTimeout(timer), resolve());
      });
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  async read(controller, onBegin) {
    // Of this connection alone: silence ends it, and not the tries to come.
    const own = new AbortController();
    const end = () => own.abort();
    controller.signal.addEventListener("abort", end);
    let timer = setTimeout(end, SILENCE);
    try {
      const answer = await ask("events", { signal: own.signal });
      if (!answer.ok) throw await refusal(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(end, SILENCE);
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) this.take(block, onBegin);
      }
    } finally {
      clearTimeout(timer);
      controller.signal.removeEventListener("abort", end);
    }
  }

  take(block, onBegin) {
    let name = "message";
    let data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!data) return;
    this.onEvent(name, JSON.parse(data));
    if (name === "snapshot") {
      onBegin();
      this.onState("live");
    }
  }
}

class Refused extends Error {
  constructor(message, pause) {
    super(message);
    this.pause = pause;
  }
}

async function refusal(answer) {
  const seconds = Number(answer.headers.get("Retry-After")) || 0;
  return new Refused(await told(answer), seconds * 1000);
}
