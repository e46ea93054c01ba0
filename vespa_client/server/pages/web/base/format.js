// Numbers and times, as people read them.

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const NOTHING = "–";

/** A duration in the two or three figures that matter: `31 ms`, `4.2 s`, `2 min 05 s`, `3 h 12 min`. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  return long(Math.round(seconds));
}

/** The same for what goes on: it grows without jumping about in width. */
export function running(seconds) {
  return seconds < 59.95 ? `${seconds.toFixed(1)} s` : long(Math.floor(seconds));
}

/** How long ago, in whole units. */
export function ago(seconds) {
  if (seconds < 1.5) return "just now";
  return seconds < 60 ? `${Math.floor(seconds)} s ago` : `${long(Math.floor(seconds), true)} ago`;
}

/** An age: `40 s`, `3 min`, `2 h 5 min`, `4 d 3 h`. */
export function age(seconds) {
  return seconds < 60 ? `${Math.max(0, Math.floor(seconds))} s` : long(Math.floor(seconds), true);
}

function long(seconds, coarse = false) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return coarse ? `${minutes} min` : `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function count(number) {
  return number === null || number === undefined ? NOTHING : whole.format(number);
}

/** A count in at most five characters, where room is short. */
export function short(number) {
  if (number === null || number === undefined) return NOTHING;
  if (number < 10_000) return whole.format(number);
  const [divisor, unit] = number < 1e6 ? [1e3, "k"] : number < 1e9 ? [1e6, "M"] : [1e9, "G"];
  const scaled = number / divisor;
  return `${scaled < 100 ? scaled.toFixed(1) : Math.round(scaled)}${unit}`;
}

export function bytes(number) {
  if (number < 1000) return `${number} B`;
  const [divisor, unit] = number < 1e6 ? [1e3, "kB"] : number < 1e9 ? [1e6, "MB"] : [1e9, "GB"];
  return `${(number / divisor).toFixed(1)} ${unit}`;
}

export function rate(number) {
  return number === null || number === undefined ? NOTHING : number < 9.95 ? number.toFixed(1) : whole.format(Math.round(number));
}

/** The time of day; `seconds` since 1970. */
export function timeOfDay(seconds) {
  return clock.format(new Date(seconds * 1000));
}

/** One or many: `plural(2, "request")`. */
export function plural(number, noun) {
  return `${whole.format(number)} ${noun}${number === 1 ? "" : "s"}`;
}
