/** The trend drawing: emotion shares, mood score and volume over one time axis. Geometry in, SVG out. */

import { svg } from "./dom.js";
import { capital, clock, span, weekday } from "./format.js";
import { answered, EMOTIONS } from "./mood.js";

const LEFT = 46;
const RIGHT = 10;
const TICK_MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360];
const MINUTE = 60_000;
const WEAK_STEP = 5;

/** Where everything goes at this width; `x` maps ms to pixels. */
export function layout(points, width) {
  const narrow = width < 520;
  const share = { top: 22, height: narrow ? 170 : 204 };
  const score = { top: share.top + share.height + 30, height: 58 };
  const volume = { top: score.top + score.height + 30, height: 40 };
  const bottom = volume.top + volume.height;
  const [from, to] = [points[0].start, points.at(-1).end];
  const x = (time) => LEFT + ((time - from) / (to - from)) * (width - LEFT - RIGHT);
  return { width, height: bottom + 24, left: LEFT, right: width - RIGHT, bottom, share, score, volume, from, to, x };
}

const felt = (point) => answered(point.emotions) > 0;
const scored = (point) => point.sentiment_score !== null;
const silent = (point) => point.posts > 0 && !felt(point);
const without = (point) => point.posts === 0;

/** Unbroken stretches of points that `belong`: what lies between two of them is a gap and is drawn as one. */
function runs(points, belongs) {
  const found = [];
  points.forEach((point, i) => {
    if (!belongs(point)) return;
    const open = found.at(-1);
    if (open && open.at(-1) === points[i - 1]) open.push(point);
    else found.push([point]);
  });
  return found;
}

const pathOf = (pairs) => pairs.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

/** Lower and upper edge of an emotion's band at a point, as shares from the bottom. */
function band(point, emotion) {
  let low = 0;
  for (const name of EMOTIONS) {
    const high = low + point.emotions[name] / answered(point.emotions);
    if (name === emotion) return [low, high];
    low = high;
  }
  throw new Error(`${emotion} is not an emotion of the chart`);
}

/** x positions of a run: its left edge, the middles of its steps, its right edge. A lone point becomes a column. */
function corners(run, plan) {
  const middles = run.map((point) => ({ point, x: plan.x((point.start + point.end) / 2) }));
  return [{ point: run[0], x: plan.x(run[0].start) }, ...middles, { point: run.at(-1), x: plan.x(run.at(-1).end) }];
}

function shares(points, plan) {
  const y = (share) => plan.share.top + (1 - share) * plan.share.height;
  const nodes = [];
  for (const run of runs(points, felt)) {
    const edge = corners(run, plan);
    for (const emotion of EMOTIONS) {
      const upper = edge.map(({ point, x }) => [x, y(band(point, emotion)[1])]);
      const lower = edge.map(({ point, x }) => [x, y(band(point, emotion)[0])]).reverse();
      nodes.push(svg("path", { class: `area e-${emotion}`, d: `${pathOf([...upper, ...lower])}Z` }));
    }
  }
  nodes.push(...veils(points, plan));
  for (const emotion of EMOTIONS) nodes.push(bandLabel(points, plan, emotion, y));
  return nodes.filter((node) => node !== null);
}

/** The emotion's name where its band has room for it, else null. */
function bandLabel(points, plan, emotion, y) {
  const half = capital(emotion).length * 4 + 4;
  let best = { room: 16 };
  for (const run of runs(points, felt)) {
    const edge = corners(run, plan);
    for (const { x } of edge.slice(1, -1)) {
      if (x - half < edge[0].x || x + half > edge.at(-1).x) continue;
      // One corner more on each side: between corners the edges slope, and the name must clear the slope.
      const first = Math.max(0, edge.findLastIndex((corner) => corner.x <= x - half));
      const last = edge.findIndex((corner) => corner.x >= x + half);
      const covered = edge.slice(first, last + 1);
      if (covered.some(({ point }) => point.posts < WEAK_STEP)) continue; // the name would be veiled
      const inside = covered.map(({ point }) => band(point, emotion));
      const [top, base] = [y(Math.min(...inside.map(([, high]) => high))), y(Math.max(...inside.map(([low]) => low)))];
      if (base - top > best.room) best = { room: base - top, x, y: (top + base) / 2 };
    }
  }
  if (best.x === undefined) return null;
  return svg("text", { class: `band-label e-${emotion}`, x: best.x, y: best.y, dy: "0.35em", "text-anchor": "middle" }, capital(emotion));
}

/** A veil over steps with few posts: their shares are drawn, and marked as weak. */
function veils(points, plan) {
  return points.filter((point) => felt(point) && point.posts < WEAK_STEP).map((point) => svg("rect", {
    class: "veil", x: plan.x(point.start), width: plan.x(point.end) - plan.x(point.start), y: plan.share.top, height: plan.share.height,
  }));
}

function gaps(points, plan, belongs, label) {
  return runs(points, belongs).flatMap((run) => {
    const [x, end] = [plan.x(run[0].start), plan.x(run.at(-1).end)];
    const box = svg("rect", { class: "gap", x, width: end - x, y: plan.share.top, height: plan.share.height, fill: "url(#gap)" });
    if (end - x < 64) return [box];
    const middle = plan.share.top + plan.share.height / 2;
    return [box, svg("text", { class: "gap-label", x: (x + end) / 2, y: middle, "text-anchor": "middle" }, label)];
  });
}

function scoreLine(points, plan) {
  const y = (score) => plan.score.top + ((1 - score) / 2) * plan.score.height;
  const nodes = [svg("rect", { class: "score-positive", x: plan.left, width: plan.right - plan.left, y: y(1), height: y(0) - y(1) }),
    svg("rect", { class: "score-negative", x: plan.left, width: plan.right - plan.left, y: y(0), height: y(-1) - y(0) })];
  nodes.push(svg("line", { class: "zero", x1: plan.left, x2: plan.right, y1: y(0), y2: y(0) }));
  for (const run of runs(points, scored)) {
    const line = run.map((point) => [plan.x((point.start + point.end) / 2), y(point.sentiment_score)]);
    if (line.length === 1) nodes.push(svg("circle", { class: "score-dot", cx: line[0][0], cy: line[0][1], r: 2.5 }));
    else nodes.push(svg("path", { class: "score-line", d: pathOf(line) }));
  }
  return nodes;
}

function volumeBars(points, plan, most) {
  return points.filter((point) => point.posts > 0).map((point) => {
    const [x, end] = [plan.x(point.start), plan.x(point.end)];
    const height = Math.max(1.5, (point.posts / most) * plan.volume.height);
    return svg("rect", { class: "volume", x: x + 0.5, width: Math.max(1, end - x - 1.5), y: plan.bottom - height, height });
  });
}

/** Times on round local minutes, about one every 70 px. */
function timeTicks(plan) {
  const room = (plan.right - plan.left) / 70;
  const every = (TICK_MINUTES.find((minutes) => (plan.to - plan.from) / MINUTE / minutes <= room) ?? 720) * MINUTE;
  const offset = new Date(plan.from).getTimezoneOffset() * MINUTE;
  const nodes = [];
  for (let time = Math.ceil((plan.from - offset) / every) * every + offset; time <= plan.to; time += every) {
    const x = plan.x(time);
    nodes.push(svg("line", { class: "gridline", x1: x, x2: x, y1: plan.share.top, y2: plan.bottom + 4 }));
    if (x > plan.left + 12 && x < plan.right - 14) {
      nodes.push(svg("text", { class: "axis", x, y: plan.bottom + 18, "text-anchor": "middle" }, clock(time) === "00:00" ? weekday(time) : clock(time)));
    }
  }
  return nodes;
}

/** Captions and value labels of the three sections. */
function valueAxes(plan, step, most) {
  const value = (y, text) => svg("text", { class: "axis", x: plan.left - 6, y, dy: "0.35em", "text-anchor": "end" }, text);
  const caption = (section, text) => svg("text", { class: "caption", x: plan.left, y: section.top - 9 }, text);
  return [
    caption(plan.share, `Share by emotion (pale: under ${WEAK_STEP} posts)`),
    value(plan.share.top + 4, "100 %"), value(plan.share.top + plan.share.height / 2, "50 %"), value(plan.share.top + plan.share.height - 4, "0 %"),
    caption(plan.score, "Mood score"),
    value(plan.score.top + 4, "+1"), value(plan.score.top + plan.score.height / 2, "0"), value(plan.score.top + plan.score.height - 4, "−1"),
    caption(plan.volume, `Posts every ${span(step / 60)}`),
    value(plan.volume.top + 4, String(most)), value(plan.bottom - 2, "0"),
    svg("line", { class: "baseline", x1: plan.left, x2: plan.right, y1: plan.bottom, y2: plan.bottom }),
  ];
}

/** The whole drawing as one `<svg>` of `plan.width` by `plan.height` pixels. */
export function trendDrawing({ points, step_s: step }, plan) {
  const most = Math.max(1, ...points.map((point) => point.posts));
  const hatch = svg("pattern", { id: "gap", width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 6 }));
  return svg("svg", { width: plan.width, height: plan.height, viewBox: `0 0 ${plan.width} ${plan.height}`, "aria-hidden": "true" },
    svg("defs", {}, hatch), ...timeTicks(plan), ...gaps(points, plan, without, "no posts"), ...gaps(points, plan, silent, "no emotions"), ...shares(points, plan),
    ...scoreLine(points, plan), ...volumeBars(points, plan, most), ...valueAxes(plan, step, most));
}
