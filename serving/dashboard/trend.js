/** The trend panel's chart: the drawing, a cursor for mouse, touch and keyboard, the exact figures, and a table. */

import { el, svg } from "./dom.js";
import { capital, clock, dayClock, percent, plural, signed } from "./format.js";
import { answered, EMOTIONS, forChart, ranked } from "./mood.js";
import { layout, trendDrawing } from "./trendplot.js";

const TOP_DOWN = [...EMOTIONS].reverse();
const DAY_MS = 86_400_000;

/** When a point lies: start to end, with the weekday in long windows. */
function period(point, longWindow) {
  return `${longWindow ? dayClock(point.start) : clock(point.start)}–${clock(point.end)}`;
}

function inWords(point, longWindow) {
  if (!point.posts) return `${period(point, longWindow)}: no posts`;
  const shares = ranked(point.emotions, TOP_DOWN).filter((row) => row.count)
    .map((row) => `${row.name} ${percent(row.share)}`).join(", ") || "no emotions";
  return `${period(point, longWindow)}: ${plural(point.posts, "post")}, mood score ${signed(point.sentiment_score)}; ${shares}`;
}

export class TrendChart {
  #data = null;
  #plan = null;
  #cursor = null; // start of the chosen point, in ms: it stays on its time when newer points arrive

  constructor({ stage, legend, table }) {
    this.stage = stage;
    this.table = table;
    this.tip = el("div", { class: "tip", "aria-hidden": "true", hidden: true });
    this.marker = svg("rect", { class: "marker" });
    legend.replaceChildren(...TOP_DOWN.map((name) => el("li", { class: `e-${name}` }, el("span", { class: "swatch" }), capital(name))));
    table.addEventListener("toggle", () => this.#fillTable());
    new ResizeObserver(() => this.#draw()).observe(stage);
    stage.addEventListener("pointermove", (event) => this.#pointTo(event));
    stage.addEventListener("pointerdown", (event) => this.#pointTo(event));
    stage.addEventListener("pointerleave", () => document.activeElement === stage || this.#choose(null));
    stage.addEventListener("blur", () => this.#choose(null));
    stage.addEventListener("keydown", (event) => this.#step(event));
  }

  update(trend) {
    this.#data = forChart(trend);
    this.#draw();
    this.#fillTable();
  }

  get #long() {
    return this.#plan.to - this.#plan.from >= DAY_MS / 2;
  }

  get #index() {
    return this.#data.points.findIndex((point) => point.start === this.#cursor);
  }

  #draw() {
    const width = Math.floor(this.stage.clientWidth);
    if (!this.#data?.points.length || width < 100) return;
    this.#plan = layout(this.#data.points, width);
    const drawing = trendDrawing(this.#data, this.#plan);
    drawing.append(this.marker);
    this.marker.setAttribute("y", this.#plan.share.top);
    this.marker.setAttribute("height", this.#plan.bottom - this.#plan.share.top);
    this.stage.replaceChildren(drawing, this.tip);
    this.stage.setAttribute("aria-valuemin", 1);
    this.stage.setAttribute("aria-valuemax", this.#data.points.length);
    this.#choose(this.#cursor);
  }

  #pointTo(event) {
    if (!this.#plan) return;
    const x = event.clientX - this.stage.getBoundingClientRect().left;
    const point = this.#data.points.find(({ end }) => this.#plan.x(end) >= x) ?? this.#data.points.at(-1);
    this.#choose(point.start);
  }

  #step(event) {
    if (!this.#plan) return;
    const last = this.#data.points.length - 1;
    const now = this.#index;
    const from = now < 0 ? last + (event.key === "ArrowLeft" ? 1 : 0) : now;
    const target = { ArrowLeft: from - 1, ArrowRight: from + 1, PageDown: from - 10, PageUp: from + 10, Home: 0, End: last }[event.key];
    if (event.key === "Escape") this.#choose(null);
    if (target === undefined) return;
    event.preventDefault();
    this.#choose(this.#data.points[Math.max(0, Math.min(last, target))].start);
  }

  /** Moves the cursor to the point that starts then; null or a time that has left the window takes it away. */
  #choose(start) {
    this.#cursor = start;
    const points = this.#data?.points ?? [];
    const index = this.#plan ? this.#index : -1;
    const point = points[index];
    this.marker.classList.toggle("on", Boolean(point));
    this.tip.hidden = !point;
    if (!this.#plan) return;
    const told = point ?? points.at(-1);
    this.stage.setAttribute("aria-valuenow", (point ? index : points.length - 1) + 1);
    this.stage.setAttribute("aria-valuetext", inWords(told, this.#long));
    if (!point) return;
    const [x, end] = [this.#plan.x(point.start), this.#plan.x(point.end)];
    this.marker.setAttribute("x", x);
    this.marker.setAttribute("width", end - x);
    this.tip.replaceChildren(...this.#tipContent(point));
    const beside = end + 12 + this.tip.offsetWidth <= this.#plan.width ? end + 12 : x - 12 - this.tip.offsetWidth;
    this.tip.style.transform = `translate(${Math.max(0, beside)}px, ${this.#plan.share.top}px)`;
  }

  #tipContent(point) {
    const head = el("p", { class: "tip-head" }, el("strong", {}, period(point, this.#long)), ` ${plural(point.posts, "post")}`);
    if (!point.posts) return [head];
    const rows = ranked(point.emotions, TOP_DOWN).map(({ name, count, share }) => el("li", { class: `e-${name}` },
      el("span", { class: "swatch" }), el("span", {}, capital(name)),
      el("strong", {}, percent(share)), el("span", { class: "bar-note" }, share === null ? "" : String(count))));
    return [head, el("ul", {}, ...rows), el("p", { class: "tip-foot" }, "Mood score ", el("strong", {}, signed(point.sentiment_score)))];
  }

  #fillTable() {
    if (!this.table.open || !this.#data || !this.#plan) return;
    const heads = ["Time", "Posts", ...TOP_DOWN.map(capital), "Mood score"];
    const rows = this.#data.points.toReversed().map((point) => el("tr", {},
      el("th", { scope: "row" }, period(point, this.#long)), el("td", {}, String(point.posts)),
      ...TOP_DOWN.map((name) => el("td", {}, percent(answered(point.emotions) ? point.emotions[name] / answered(point.emotions) : null))),
      el("td", {}, signed(point.sentiment_score))));
    this.table.querySelector("table").replaceChildren(
      el("caption", { class: "unseen" }, "Emotions over time, newest first"),
      el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, ...rows));
  }
}
