// The endpoint, the workers met, the errors, and the proxy itself.
import { byId, facts, keyed, make, setAttribute, setText } from "../base/dom.js";
import { age, ago, count, duration, timeOfDay } from "../base/format.js";

// States in which an endpoint starts workers when they are needed.
const GOOD_STATES = new Set(["active", "running"]);
const NO_ERRORS = "None. What clients are told, and what to do about it, comes here.";
const THEIRS_ALONE = "None of the proxy's own. What failed did so with a worker's answer, which went to the client as it came: see Recent.";

/** `onNumber(number)` is called when a person wants to see that exchange. */
export function makeSide(onNumber) {
  byId("errors").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-number]");
    if (button) onNumber(Number(button.dataset.number));
  });
  return {
    drawEndpoint(model) {
      const { endpoint, proxy } = model.status;
      setText(byId("endpoint-title"), endpoint.name);
      const pill = byId("endpoint-state");
      pill.hidden = !endpoint.state;
      setText(pill, endpoint.state);
      setAttribute(pill, "data-tone", GOOD_STATES.has(endpoint.state) ? "good" : "warn");
      facts(byId("endpoint"), endpointFacts(endpoint, model.now, proxy.port));
    },
    drawWorkers(model) {
      const { workers } = model.status;
      setText(byId("workers-count"), count(workers.length));
      byId("workers-none").hidden = workers.length > 0;
      keyed(byId("workers"), workers, (worker) => worker.address, makeWorker, (row, worker) => drawWorker(row, worker, model.now));
    },
    drawErrors(model) {
      const { errors, totals } = model.status;
      setText(byId("errors-count"), count(errors.reduce((sum, error) => sum + error.count, 0)));
      byId("errors-none").hidden = errors.length > 0;
      setText(byId("errors-none"), totals.failures ? THEIRS_ALONE : NO_ERRORS);
      keyed(byId("errors"), errors, (error) => `${error.code} ${error.status}`, makeError, (item, error) => drawError(item, error, model.now));
    },
    drawAbout(model) {
      const { proxy, settings } = model.status;
      facts(byId("about"), [
        ["vespa_client", proxy.version],
        ["Python", `${proxy.python} on ${proxy.platform}`],
        ["Up for", age(model.now - proxy.started), `since ${timeOfDay(proxy.started)}`],
        ["Connections", `${count(proxy.connections)} of ${count(proxy.max_connections)}`],
        ["Proxy key", proxy.needs_key ? "clients have to give it" : "none is asked for"],
      ]);
      keyed(byId("settings"), Object.entries(settings), ([name]) => name, ([name]) => makeSetting(name), (row, [, value]) => {
        setText(row.lastElementChild, inWords(value));
      });
    },
  };
}

function endpointFacts(endpoint, now) {
  const { key, autoscaler } = endpoint;
  const looked = endpoint.state_looked_at ? `as the console said ${ago(now - endpoint.state_looked_at)}` : "the console is asked while requests wait";
  const reached = { true: "reached", false: "can't be reached", null: "not asked yet" }[autoscaler.reached];
  const rows = [
    ["State", endpoint.state || "not known", looked, !endpoint.state || GOOD_STATES.has(endpoint.state) ? null : "warn"],
    ["Its key", key.good ? `${age(now - key.since)} old` : "refused", key.trouble || `from ${key.source}${key.fetches > 1 ? `, fetched ${key.fetches} times` : ""}`, key.good ? null : "bad"],
    ["Autoscaler", new URL(autoscaler.url).host, autoscaler.trouble || `${reached} since ${timeOfDay(autoscaler.since)}`, autoscaler.reached === false ? "bad" : null],
  ];
  if (endpoint.dead_workers.length) rows.push(["Avoided", endpoint.dead_workers.join(", "), "could not be reached a moment ago", "warn"]);
  return rows;
}

function makeWorker(worker) {
  return make("tr", {}, make("th", { scope: "row" }, make("code", {}, worker.address)), ...["", "", "", "c-p95", "c-ago"].map((name) => make("td", { class: `right num ${name}` })));
}

function drawWorker(row, worker, now) {
  const [, requests, failed, mean, p95, seen] = row.children;
  const failures = worker.errors + worker.failed_tries;
  setAttribute(row, "data-tone", worker.dead ? "bad" : null);
  // Those that it did not take as well, since they count among what failed.
  setText(requests, count(worker.requests + worker.failed_tries));
  setText(failed, count(failures));
  setAttribute(failed, "data-tone", failures ? "warn" : null);
  setText(mean, duration(worker.first_byte_mean));
  setText(p95, duration(worker.first_byte_p95));
  setText(seen, age(now - worker.last_seen));
  setAttribute(row, "title", worker.dead ? "It could not be reached a moment ago, and is avoided." : null);
}

function makeError() {
  return make(
    "li",
    {},
    make("p", { class: "error-head" }, make("code", {}), " ", make("span", { class: "muted num" }), " ", make("button", { type: "button", class: "no" })),
    make("p", {}),
    make("p", { class: "hint" }),
  );
}

function drawError(item, error, now) {
  const [head, message, hint] = item.children;
  const [code, times, button] = head.children;
  setText(code, [error.code, error.status].filter(Boolean).join(" "));
  setText(times, `${count(error.count)} ×, ${ago(now - error.last_at)}`);
  setText(button, `#${error.last_number}`);
  setAttribute(button, "data-number", error.last_number);
  setAttribute(button, "aria-label", `Request ${error.last_number}: details`);
  setText(message, error.message);
  setText(hint, error.hint);
}

function makeSetting(name) {
  return make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", {}));
}

function inWords(value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return "–";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
