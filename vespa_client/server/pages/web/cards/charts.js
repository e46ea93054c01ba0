// Three small charts over the last 15 minutes, and the same as a table.
import { byId, keyed, make, makeSvg, setText } from "../base/dom.js";
import { count, duration, plural, rate, timeOfDay } from "../base/format.js";

const STEPS = 60;
const HEIGHT = 100;

// Without a step that is pointed at, `overall` tells of all of them.
const CHARTS = [
  {
    title: "Time to first byte",
    summary: (slot) => (slot.first_byte_p50 === null ? null : `${duration(slot.first_byte_p50)}, p95 ${duration(slot.first_byte_p95)}`),
    overall: (slots) => {
      // Percentiles don't add up.
      const newest = slots.findLast((slot) => slot.first_byte_p50 !== null);
      return newest ? `last ${duration(newest.first_byte_p50)}, p95 ${duration(newest.first_byte_p95)}` : null;
    },
    top: (slot) => slot.first_byte_p95,
    scale: duration,
    draw: (points, y) => [
      band(points, (slot) => y(slot.first_byte_p50), (slot) => y(slot.first_byte_p95), "area"),
      line(points, (slot) => y(slot.first_byte_p95), "thin"),
      line(points, (slot) => y(slot.first_byte_p50), "line"),
    ],
  },
  {
    title: "Tokens a second",
    summary: (slot) => (slot.tokens_per_second === null ? null : `${rate(slot.tokens_per_second)} a request, ${count(slot.tokens_out)} in all`),
    overall: (slots) => {
      const counted = slots.filter((slot) => slot.tokens_per_second);
      const tokens = sum(counted, (slot) => slot.tokens_out);
      const seconds = sum(counted, (slot) => slot.tokens_out / slot.tokens_per_second);
      return counted.length ? `${rate(tokens / seconds)} a request, ${count(sum(slots, (slot) => slot.tokens_out))} in all` : null;
    },
    top: (slot) => slot.tokens_per_second,
    scale: rate,
    draw: (points, y) => [line(points, (slot) => y(slot.tokens_per_second), "line")],
  },
  {
    title: "Requests and failures",
    summary: (slot) => `${plural(slot.requests, "request")}, ${count(slot.failures)} failed`,
    overall: (slots) => `${plural(sum(slots, (slot) => slot.requests), "request")}, ${count(sum(slots, (slot) => slot.failures))} failed`,
    top: (slot) => slot.requests,
    scale: count,
    draw: (points, y) => [bars(points, (slot) => y(slot.requests), "bars"), bars(points, (slot) => y(slot.failures), "bars bad")],
  },
];

export function makeCharts() {
  const drawn = CHARTS.map((chart) => makeChart(byId("charts"), chart));
  const table = byId("chart-table");
  let last = null;
  table.addEventListener("toggle", () => last && drawTable(table, last));

  return {
    draw(model) {
      const { slot_seconds: step, slots } = (last = model.status.series);
      const newest = Math.floor(model.now / step) * step;
      const points = slots
        .map((slot) => ({ slot, x: STEPS - 1 - (newest - slot.at) / step }))
        .filter(({ x }) => x >= 0 && x < STEPS);
      for (const chart of drawn) chart(points, step);
      if (table.open) drawTable(table, last);
    },
  };
}

function makeChart(parent, chart) {
  const svg = makeSvg("svg", { viewBox: `0 0 ${STEPS} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const value = make("span", { class: "num value" });
  const top = make("span", { class: "num top-label" });
  const plot = make("div", { class: "plot" }, svg, top);
  const labels = make("div", { class: "axis muted" }, make("span", {}, "15 min ago"), make("span", {}, "now"));
  const figure = make("figure", {}, make("figcaption", {}, make("span", {}, chart.title), value), plot, labels);
  parent.append(figure);
  let points = [];
  let step = 1;
  let pointed = null;

  const tell = () => {
    const seen = points.find(({ x }) => x === pointed);
    const all = points.length && pointed === null ? chart.overall(points.map(({ slot }) => slot)) : null;
    setText(value, seen ? `${timeOfDay(seen.slot.at)} ${chart.summary(seen.slot) ?? "–"}` : all ?? "–");
  };
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    pointed = Math.min(STEPS - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * STEPS)));
    tell();
  });
  plot.addEventListener("pointerleave", () => ((pointed = null), tell()));

  return (newPoints, newStep) => {
    [points, step] = [newPoints, newStep];
    const largest = Math.max(0, ...points.map(({ slot }) => chart.top(slot) ?? 0));
    const limit = roundUp(largest);
    const y = (number) => (number === null ? null : HEIGHT - (Math.min(number, limit) / limit) * (HEIGHT - 4));
    svg.replaceChildren(grid(), ...chart.draw(points, y));
    setText(top, largest ? chart.scale(limit) : "");
    tell();
  };
}

function sum(slots, of) {
  return slots.reduce((total, slot) => total + of(slot), 0);
}

/** The next of 1, 2, 5, 10, 20 …, so that the scale changes seldom. */
function roundUp(number) {
  if (number <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(number));
  return [1, 2, 5, 10].find((factor) => factor * unit >= number * 0.999) * unit;
}

function grid() {
  return makeSvg("path", { class: "grid", d: `M0 4H${STEPS}M0 ${(HEIGHT + 4) / 2}H${STEPS}M0 ${HEIGHT}H${STEPS}` });
}

/** A line through the points, which a step in which nothing ended breaks. A point is a dot too, so that one alone is seen. */
function line(points, at, name) {
  let path = "";
  let dots = "";
  let before = null;
  for (const { slot, x } of points) {
    const y = at(slot);
    if (y === null) continue;
    const place = `${x + 0.5} ${y.toFixed(1)}`;
    path += before !== null && x - before <= 1.01 ? `L${place}` : `M${place}`;
    dots += `M${place}h0.01`;
    before = x;
  }
  return makeSvg("g", {}, makeSvg("path", { class: name, d: path || "M0 0" }), makeSvg("path", { class: `${name} dots`, d: dots || "M0 0" }));
}

function band(points, low, high, name) {
  const path = points
    .filter(({ slot }) => low(slot) !== null)
    .map(({ slot, x }) => `M${x} ${low(slot).toFixed(1)}H${x + 1}V${high(slot).toFixed(1)}H${x}Z`);
  return makeSvg("path", { class: name, d: path.join("") || "M0 0" });
}

function bars(points, at, name) {
  const path = points
    .filter(({ slot }) => at(slot) < HEIGHT)
    .map(({ slot, x }) => `M${x + 0.12} ${HEIGHT}V${at(slot).toFixed(1)}H${x + 0.88}V${HEIGHT}Z`);
  return makeSvg("path", { class: name, d: path.join("") || "M0 0" });
}

function drawTable(table, { slots }) {
  keyed(
    table.querySelector("tbody"),
    [...slots].reverse(),
    (slot) => slot.at,
    () => make("tr", {}, make("th", { scope: "row", class: "num" }), ...Array.from({ length: 6 }, () => make("td", { class: "num" }))),
    (row, slot) => {
      const shown = [
        timeOfDay(slot.at),
        count(slot.requests),
        count(slot.failures),
        duration(slot.first_byte_p50),
        duration(slot.first_byte_p95),
        count(slot.tokens_out),
        rate(slot.tokens_per_second),
      ];
      shown.forEach((text, index) => setText(row.children[index], text));
    },
  );
}
