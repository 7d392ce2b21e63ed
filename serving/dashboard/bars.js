/** Bars for shares: one row an emotion, and one split bar for the sentiments. Every figure is also text; a null share is none. */

import { el } from "./dom.js";
import { capital, percent } from "./format.js";
import { SIGN } from "./mood.js";
import { asCounted, besides } from "./shares.js";

function barRow(name) {
  const fill = el("span", { class: "bar-fill" });
  const whisker = el("span", { class: "whisker" });
  const share = el("span", { class: "bar-share" });
  const note = el("span", { class: "bar-note" });
  const root = el("li", { class: `bar e-${name}` },
    el("span", { class: "bar-name" }, capital(name)),
    el("span", { class: "bar-track", "aria-hidden": "true" }, fill, whisker), share, note);
  return { root, fill, whisker, share, note };
}

/** Bars of rows as `rowsOf` makes them, in the order given; rows are kept between updates, so that they move instead of blink. */
export function emotionBars(list) {
  const kept = new Map();
  return (rows) => {
    const ordered = rows.map((told) => {
      const { name, share, low, high } = told;
      if (!kept.has(name)) kept.set(name, barRow(name));
      const row = kept.get(name);
      row.fill.style.width = `${(share ?? 0) * 100}%`;
      row.whisker.hidden = low === null;
      if (low !== null) Object.assign(row.whisker.style, { left: `${low * 100}%`, width: `${(high - low) * 100}%` });
      row.share.textContent = percent(share);
      row.note.textContent = besides(told);
      row.root.title = asCounted(told) ?? "";
      return row.root;
    });
    if (ordered.some((node, i) => list.children[i] !== node)) list.replaceChildren(...ordered);
  };
}

/** One bar split into negative, neutral and positive, with the rows written beneath. */
export function sentimentBar(container) {
  const bar = el("div", { class: "split", "aria-hidden": "true" });
  const legend = el("ul", { class: "split-legend" });
  container.replaceChildren(bar, legend);
  return (rows) => {
    bar.replaceChildren(...rows.filter((row) => row.share > 0).map(({ name, share }) => {
      const part = el("span", { class: `split-part s-${name}` }, share >= 0.07 ? SIGN[name] : null);
      part.style.flexGrow = share;
      return part;
    }));
    legend.replaceChildren(...rows.map((told) => el("li", { class: `s-${told.name}`, title: asCounted(told) },
      el("span", { class: "split-name" }, el("span", { class: "sign", "aria-hidden": "true" }, SIGN[told.name]), capital(told.name)),
      el("strong", {}, percent(told.share)), el("span", { class: "bar-note" }, besides(told)))));
  };
}
