// What the page knows: the status, kept up to date by the events. Bounded, however long the page is open.

const RECENT = 200;

export class Model {
  constructor() {
    /** All of `/_vespa/status` but the exchanges; null before the first snapshot. */
    this.status = null;
    /** Exchanges in progress, by number. Each has `received`: when it came, by `performance.now()`. */
    this.running = new Map();
    /** Those that are over, the newest first. */
    this.recent = [];
    /** What the autoscaler said last to any request that waits: each asks at its own time. */
    this.said = "";
    /** Which parts have changed since they were drawn: `status`, `endpoint`, `running`, `recent`. */
    this.changed = new Set();
    this.ahead = 0;
  }

  /** The proxy's time of day, in seconds: this machine's clock may differ. */
  get now() {
    return Date.now() / 1000 - this.ahead;
  }

  /** Take one event of `/_vespa/events`. */
  take(name, data) {
    const handler = HANDLERS[name];
    if (handler) handler(this, data);
  }

  /** The exchange of that number, if it is known. */
  find(number) {
    return this.running.get(number) ?? this.recent.find((exchange) => exchange.number === number);
  }

  setClock(now) {
    this.ahead = Date.now() / 1000 - now;
  }

  run(exchange) {
    this.running.set(exchange.number, { ...exchange, received: performance.now() });
    if (exchange.phase === "waiting") this.said = exchange.waiting_for;
    this.changed.add("running");
  }
}

const HANDLERS = {
  snapshot(model, { in_progress, recent, ...status }) {
    model.status = status;
    model.running.clear();
    for (const exchange of in_progress) model.run(exchange);
    model.recent = recent.slice(0, RECENT);
    model.setClock(status.now);
    for (const part of ["status", "endpoint", "running", "recent"]) model.changed.add(part);
  },
  begun: (model, exchange) => model.run(exchange),
  phase: (model, exchange) => model.run(exchange),
  finished(model, exchange) {
    model.running.delete(exchange.number);
    const index = model.recent.findIndex((other) => other.number === exchange.number);
    if (index >= 0) model.recent[index] = exchange;
    else model.recent.unshift(exchange);
    model.recent.length = Math.min(model.recent.length, RECENT);
    model.changed.add("running").add("recent");
  },
  progress(model, list) {
    for (const step of list) {
      const exchange = model.running.get(step.number);
      if (exchange) Object.assign(exchange, step);
      model.said = step.waiting_for ?? model.said;
    }
    model.changed.add("running");
  },
  endpoint(model, endpoint) {
    if (model.status) model.status.endpoint = endpoint;
    model.changed.add("endpoint");
  },
  overview(model, overview) {
    if (model.status) Object.assign(model.status, overview);
    model.setClock(overview.now);
    model.changed.add("status");
  },
  heartbeat: (model, { now }) => model.setClock(now),
};
