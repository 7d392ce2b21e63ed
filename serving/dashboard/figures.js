/** The figures of one event and window: headline, dial, shares and trend, all from one answer of the trends call. */

import { emotionBars, sentimentBar } from "./bars.js";
import { moodDial } from "./dial.js";
import { byId, el } from "./dom.js";
import { capital, percent, plural, signed, span } from "./format.js";
import { languageLine } from "./languages.js";
import { biggestShift, change, EMOTIONS, FEW_POSTS, headline, scoreWord, SENTIMENTS } from "./mood.js";
import { Panel } from "./panel.js";
import { basis, largestFirst, rowsOf } from "./shares.js";
import { TrendChart } from "./trend.js";

const ARROW = { rising: "▲", falling: "▼", steady: "▬" };

export class Figures {
  #panels = { mood: new Panel("mood"), shares: new Panel("shares"), trend: new Panel("trend") };
  #dial = moodDial(byId("dial"));
  #bars = emotionBars(byId("emotion-bars"));
  #split = sentimentBar(byId("sentiment-split"));
  #chart = new TrendChart({ stage: byId("trend-stage"), legend: byId("trend-legend"), table: byId("trend-table") });
  #announced = "";

  loading() {
    for (const panel of Object.values(this.#panels)) panel.loading();
  }

  failed(error, retry) {
    const { mood, ...others } = this.#panels;
    // Old figures stay on the page in all three panels: saying so once is enough.
    if (!mood.hasShown) for (const panel of Object.values(others)) panel.failed(error, retry);
    mood.failed(error, retry);
  }

  /** `title` is null for all events; `windowName` reads after "in the last"; `view` is what the address names. */
  show(trend, title, windowName, view) {
    this.#showHeadline(trend, title, windowName);
    byId("other-languages").replaceChildren(...languageLine(trend, view));
    this.#showScore(trend);
    this.#panels.mood.ready();
    if (!trend.posts) {
      this.#panels.shares.empty("Shares appear with the first post.");
      this.#panels.trend.empty("The trend appears with the first post.");
      return;
    }
    this.#showShares(trend);
    this.#panels.shares.ready();
    // Shown before it is drawn: a hidden chart has no width to draw into.
    this.#panels.trend.ready();
    this.#chart.update(trend);
  }

  #showHeadline(trend, title, windowName) {
    const { parts, key } = headline(trend, title, windowName);
    byId("headline").replaceChildren(
      ...parts.map(({ text, emotion }) => (emotion ? el("em", { class: `e-${emotion}` }, text) : text)));
    byId("mood-basis").textContent = trend.posts >= FEW_POSTS
      ? `${plural(trend.posts, "post")} in the last ${windowName}`
      : "The mood shows here as soon as more posts come in.";
    if (key !== this.#announced) byId("announce").textContent = parts.map(({ text }) => text).join("");
    this.#announced = key;
  }

  #showScore(trend) {
    const told = trend.posts >= FEW_POSTS && trend.sentiment_score !== null;
    const moved = told ? change(trend) : null;
    this.#dial(told ? trend.sentiment_score : null, moved);
    byId("score-word").textContent = told ? scoreWord(trend.sentiment_score) : "No reading";
    byId("score").textContent = told ? signed(trend.sentiment_score) : "";
    this.#showShift(told ? biggestShift(trend) : null, moved);
    if (!told) byId("change").textContent = trend.posts < FEW_POSTS ? `A reading needs ${FEW_POSTS} posts` : "The model tells no sentiment";
    else if (!moved) byId("change").textContent = "Not enough earlier posts to compare with";
    else {
      byId("change").replaceChildren(
        el("strong", { class: moved.direction }, `${ARROW[moved.direction]} ${signed(moved.delta)}`),
        ` last ${span(moved.lateMinutes)} against the ${span(moved.earlyMinutes)} before`);
    }
  }

  #showShift(shift, moved) {
    byId("shift").replaceChildren(...(shift ? [
      el("strong", {}, capital(shift.name)), shift.late > shift.before ? " grew most: " : " fell most: ",
      `${percent(shift.before)} → `, el("strong", {}, percent(shift.late)), ` in the last ${span(moved.lateMinutes)}`,
    ] : []));
  }

  #showShares(trend) {
    this.#bars(largestFirst(rowsOf(trend.shares.emotion, EMOTIONS)));
    this.#split(rowsOf(trend.shares.sentiment, SENTIMENTS));
    byId("shares-basis").textContent = basis(trend.uncertainty.emotion);
  }
}
