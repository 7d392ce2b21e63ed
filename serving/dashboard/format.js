/** Numbers and times as people read them; times are in the reader's own time zone. */

const THIN = "\u202f";
const whole = new Intl.NumberFormat("en");
const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const weekdayFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short" });
const dayClockFormat = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });

export const count = (n) => whole.format(n);
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
export const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** What stands where there is no figure. */
export const NOTHING = "–";

/** A share of 0..1 in per cent; a small share that is not zero never reads as "0 %", and null is no share. */
export function percent(share) {
  if (share === null) return NOTHING;
  if (share > 0 && share < 0.005) return `<1${THIN}%`;
  if (share < 1 && share > 0.995) return `>99${THIN}%`;
  return `${Math.round(share * 100)}${THIN}%`;
}

/** Two shares of 0..1 as a range in per cent, without the sign; it reads behind a share. */
export const range = (low, high) => `${Math.round(low * 100)}–${Math.round(high * 100)}`;

/** A mood score of -1..1 with its sign; null is no score. */
export function signed(score) {
  if (score === null) return NOTHING;
  const rounded = Math.abs(score).toFixed(2);
  if (rounded === "0.00") return "0.00";
  return `${score < 0 ? "−" : "+"}${rounded}`;
}

export const clock = (date) => clockFormat.format(date);
export const weekday = (date) => weekdayFormat.format(date);
export const dayClock = (date) => dayClockFormat.format(date);

/** How long ago, short; a clock that runs a little ahead reads as "now". */
export function ago(date, now = Date.now()) {
  const seconds = Math.round((now - date) / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** A length of time in words, from minutes. */
export function span(minutes) {
  if (minutes < 1) return `${Math.round(minutes * 60)} s`;
  if (minutes < 90 || minutes % 60) return `${Math.round(minutes)} min`;
  return `${minutes / 60} h`;
}

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'", apos: "'", nbsp: " " };

/** Many networks escape what they hand out. Undone once, for people; the result is still only text. */
export const unescaped = (text) => text.replace(/&(amp|lt|gt|quot|#39|apos|nbsp);/g, (_, name) => ENTITIES[name]);
