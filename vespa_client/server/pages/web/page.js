// The status page: what the proxy does and waits for, by its events. See each module for its part.
import { byId, setAttribute, setText } from "./base/dom.js";
import { makeCaptured } from "./cards/captured.js";
import { makeCharts } from "./cards/charts.js";
import { makeConnect } from "./cards/connect.js";
import { makeFleet } from "./cards/fleet.js";
import { Live } from "./base/live.js";
import { Model } from "./base/model.js";
import { makeNow } from "./cards/now.js";
import { makeProgress } from "./cards/progress.js";
import { makePrompt } from "./cards/prompt.js";
import { makeRecent } from "./cards/recent.js";
import { makeSide } from "./cards/side.js";

// How often what has changed is drawn, at most; and what only grows older.
const DRAW_EVERY = 200;
const AGE_EVERY = 1000;
// A browser has six connections to a proxy for all its tabs: one that nobody looks at and that tells nothing gives its own back.
const HIDDEN_SECONDS = 60;
const STATES = { live: "live", connecting: "connecting", waiting: "not connected", paused: "paused" };

const model = new Model();
const connection = { state: "connecting", detail: null };
const live = new Live(
  (name, data) => {
    model.take(name, data);
    schedule();
  },
  (state, detail = null) => {
    Object.assign(connection, { state, detail });
    setText(byId("live-text"), STATES[state]);
    setAttribute(byId("live"), "data-state", state);
    draw();
    // From the beginning all stands where it stays: it isn't shown in parts.
    if (state === "connecting" || !byId("content").hidden) return;
    byId("content").hidden = false;
    // Where a link leads to a part of the page, the browser has looked for it too early.
    document.querySelector(":target")?.scrollIntoView();
  },
);
const now = makeNow();
const progress = makeProgress();
const charts = makeCharts();
const recent = makeRecent();
const side = makeSide((number) => recent.show(number));
const connect = makeConnect();
const prompt = makePrompt();
const fleet = makeFleet();
const captured = makeCaptured();

let scheduled = false;
let agedAt = 0;
let hiddenFor = 0;

function schedule() {
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => ((scheduled = false), draw()), DRAW_EVERY);
}

function draw() {
  const changed = model.changed;
  model.changed = new Set();
  const isAging = performance.now() - agedAt >= AGE_EVERY;
  if (isAging) agedAt = performance.now();
  now.draw(model, connection);
  if (!model.status) return;
  progress.draw(model);
  if (changed.has("recent")) recent.draw(model);
  if (changed.has("status") || isAging) {
    charts.draw(model);
    side.drawWorkers(model);
    side.drawErrors(model);
    side.drawAbout(model);
  }
  if (changed.has("endpoint") || isAging) side.drawEndpoint(model);
  if (changed.has("status") || changed.has("recent") || isAging) {
    connect.draw(model);
    prompt.draw(model);
    fleet.draw(model);
    captured.draw(model, changed.has("recent"));
    // A link can't carry a key.
    byId("raw").hidden = model.status.proxy.needs_key;
  }
  // Bars grow.
  if (model.running.size) schedule();
}

setInterval(() => {
  hiddenFor = document.hidden && !model.running.size ? hiddenFor + 1 : 0;
  if (hiddenFor >= HIDDEN_SECONDS) live.pause();
  if (document.hidden) return;
  if (connection.state === "live") fleet.look();
  draw();
}, AGE_EVERY);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  live.start();
  live.hurry();
});
live.start();
