/** From counted posts to what a person wants to know. Pure functions over the answers of `/events/{slug}/trends`. */

import { percent } from "./format.js";
import { largestFirst, rowsOf } from "./shares.js";

/** The order of the stacked chart, from the bottom: neighbours differ in lightness as well as in hue. */
export const EMOTIONS = ["sadness", "anger", "fear", "surprise", "love", "joy"];
export const SENTIMENTS = ["negative", "neutral", "positive"];
/** The mark of each sentiment, for who tells no colours apart. */
export const SIGN = { negative: "−", neutral: "○", positive: "+" };
const FEELING = { sadness: "sad", anger: "angry", fear: "afraid", surprise: "surprised", love: "affectionate", joy: "joyful" };

/** Below this many posts a window says nothing about a mood. */
export const FEW_POSTS = 10;
const FEW_TO_COMPARE = 5;
const STEADY = 0.05;
const LEANING = 0.1;

const CHART_STEPS_S = [2, 3, 5, 10, 15, 20, 30, 60, 120].map((minutes) => minutes * 60);
const FEWEST_STEPS = 12;
const USUAL_POSTS = 8;

/** How many posts have an answer: a model may lack the emotions or the sentiments. */
export const answered = (counts) => Object.values(counts).reduce((sum, posts) => sum + posts, 0);

/** Counts by name as rows `{name, count, share}`, the largest first; a share is null where no post has an answer. */
export function ranked(counts, names) {
  const total = answered(counts);
  return names
    .map((name) => ({ name, count: counts[name] ?? 0, share: total ? (counts[name] ?? 0) / total : null }))
    .sort((a, b) => b.count - a.count || names.indexOf(a.name) - names.indexOf(b.name));
}

/** Posts, how many of them have a sentiment, and the mean score of those. */
function meanScore(points) {
  const posts = points.reduce((sum, point) => sum + point.posts, 0);
  const scored = points.reduce((sum, point) => sum + answered(point.sentiments), 0);
  if (!scored) return { posts, scored, score: null };
  return { posts, scored, score: points.reduce((sum, point) => sum + (point.sentiment_score ?? 0) * answered(point.sentiments), 0) / scored };
}

/** Where the window's last third begins, as an index of its points. */
const lateFrom = (trend) => Math.ceil((trend.points.length * 2) / 3);

/**
 * The mood of the window's last third against the rest before it: `{delta, earlier, lateMinutes, earlyMinutes, direction}`,
 * or null where either part holds too few posts to compare.
 */
export function change(trend) {
  const cut = lateFrom(trend);
  const before = meanScore(trend.points.slice(0, cut));
  const late = meanScore(trend.points.slice(cut));
  if (before.scored < FEW_TO_COMPARE || late.scored < FEW_TO_COMPARE) return null;
  const delta = late.score - before.score;
  const direction = Math.abs(delta) < STEADY ? "steady" : delta > 0 ? "rising" : "falling";
  const minutes = trend.step_s / 60;
  return {
    delta, direction, earlier: before.score,
    earlyMinutes: cut * minutes, lateMinutes: (trend.points.length - cut) * minutes,
  };
}

/**
 * The emotion whose share moved most between the two parts that `change` compares, `{name, before, late}` as shares,
 * or null where the parts cannot be compared or nothing moved by five points.
 */
export function biggestShift(trend) {
  if (!change(trend)) return null;
  const cut = lateFrom(trend);
  const [before, late] = [merged(trend.points.slice(0, cut)), merged(trend.points.slice(cut))];
  const [felt, feltLate] = [answered(before.emotions), answered(late.emotions)];
  if (!felt || !feltLate) return null;
  const shifts = EMOTIONS.map((name) => ({
    name, before: before.emotions[name] / felt, late: late.emotions[name] / feltLate,
  })).sort((a, b) => Math.abs(b.late - b.before) - Math.abs(a.late - a.before));
  return Math.abs(shifts[0].late - shifts[0].before) < 0.05 ? null : shifts[0];
}

/** A word for a score of -1..1. */
export function scoreWord(score) {
  if (score <= -0.6) return "Very negative";
  if (score <= -0.2) return "Negative";
  if (score < 0.2) return "Balanced";
  return score < 0.6 ? "Positive" : "Very positive";
}

/**
 * The window in one sentence, as parts `{text, emotion?}`; `title` is null for all events.
 * `key` changes only when the message does, not with every per cent: a screen reader is told then.
 */
export function headline(trend, title, windowName) {
  const about = title ? ` about ${title}` : "";
  if (trend.posts === 0) return plain(`No posts yet${about} in the last ${windowName}.`, "none");
  if (trend.posts < FEW_POSTS) {
    const counted = trend.posts === 1 ? "1 post" : `${trend.posts} posts`;
    return plain(`Too few posts to tell the mood: ${counted}${about} in the last ${windowName}.`, "few");
  }
  if (answered(trend.emotions) < FEW_POSTS) return toneHeadline(trend, about, windowName);
  const [first, second] = largestFirst(rowsOf(trend.shares.emotion, EMOTIONS));
  const named = (row) => ({ text: `${FEELING[row.name]} (${estimate(row)})`, emotion: row.name });
  const parts = [{ text: title ? `People talking${about} are ` : "People are " }];
  const close = first.share < 0.5 && first.share - second.share < 0.05;
  if (close) parts.push({ text: "most often " }, named(first), { text: " or " }, named(second));
  else parts.push({ text: first.share > 0.5 ? "mostly " : "most often " }, named(first));
  const moved = change(trend);
  const [negative, , positive] = rowsOf(trend.shares.sentiment, SENTIMENTS).map(({ share }) => share ?? 0);
  const cheerful = ["joy", "love"].includes(first.name);
  const gloomy = ["sadness", "anger", "fear"].includes(first.name);
  // The leading emotion may be a minority's: say so where the sentiments lean clearly the other way.
  const lean = negative - positive;
  const against = (cheerful && lean > LEANING && "negative") || (gloomy && lean < -LEANING && "positive");
  if (against) parts.push({ text: `, yet ${against} in tone.` });
  else parts.push({ text: moved ? `, and the mood is ${moved.direction}.` : "." });
  return { parts, key: [title, first.name, close && second.name, against, moved?.direction].join("|") };
}

/** The sentence of a model that tells no emotions: the commonest sentiment, or that there is none either. */
function toneHeadline(trend, about, windowName) {
  if (answered(trend.sentiments) < FEW_POSTS) {
    return plain(`${trend.posts} posts${about} in the last ${windowName}; the model tells no mood of them.`, "silent");
  }
  const [first] = largestFirst(rowsOf(trend.shares.sentiment, SENTIMENTS));
  const { name, share } = first;
  const moved = change(trend);
  const course = moved ? `, and the mood is ${moved.direction}` : "";
  return {
    parts: [{ text: `Posts${about} are ${share > 0.5 ? "mostly" : "most often"} ${name} in tone (${estimate(first)})${course}.` }],
    key: [about, name, moved?.direction].join("|"),
  };
}

/** A corrected share is an estimate, a counted one is not. */
const estimate = ({ share, low }) => `${low === null ? "" : "about "}${percent(share)}`;

const plain = (text, key) => ({ parts: [{ text }], key: `${key}|${text}` });

function merged(group) {
  const sum = (field, names) => Object.fromEntries(
    names.map((name) => [name, group.reduce((total, point) => total + (point[field][name] ?? 0), 0)]),
  );
  const { posts, score } = meanScore(group);
  return { posts, sentiment_score: score, emotions: sum("emotions", EMOTIONS), sentiments: sum("sentiments", SENTIMENTS) };
}

/**
 * The points for a chart, `{points: [{start, end, posts, …}], step_s}`, times in ms. Where posts are thin, neighbouring
 * steps are added up (aligned to the clock): a share of one or two posts is noise, not a trend.
 */
export function forChart(trend) {
  const steps = CHART_STEPS_S.filter((seconds) => seconds > trend.step_s && seconds % trend.step_s === 0
    && (trend.points.length * trend.step_s) / seconds >= FEWEST_STEPS);
  let chosen = { points: inSteps(trend, trend.step_s), step_s: trend.step_s };
  for (const seconds of steps) {
    if (usualPosts(chosen.points) >= USUAL_POSTS) break;
    chosen = { points: inSteps(trend, seconds), step_s: seconds };
  }
  return chosen;
}

/** The median number of posts of the points that have any. */
function usualPosts(points) {
  const filled = points.map((point) => point.posts).filter((posts) => posts > 0).sort((a, b) => a - b);
  return filled[Math.floor(filled.length / 2)] ?? 0;
}

function inSteps(trend, seconds) {
  const step = seconds * 1000;
  const groups = new Map();
  for (const point of trend.points) {
    const start = Date.parse(point.start);
    const key = Math.floor(start / step);
    const group = groups.get(key) ?? { start, points: [] };
    group.end = start + trend.step_s * 1000;
    group.points.push(point);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ start, end, points }) => ({ start, end, ...merged(points) }));
}
