/** Shares as the service tells them: corrected where it can be, with their interval, and what was counted beside them. */

import { percent, plural, range } from "./format.js";

const part = (pct) => (pct === null ? null : pct / 100);

/**
 * The answer's lines as rows `{name, share, low, high, counted, posts, sure}` in the order of `names`, shares of 0..1.
 * All shares are null where no post has an answer; low and high are null where nothing could be corrected.
 */
export function rowsOf(lines, names) {
  const found = new Map(lines.map((line) => [line.label, line]));
  return names.map((name) => {
    const { pct, corrected_pct: corrected, low_pct: low, high_pct: high, posts = null, avg_score: sure = null } = found.get(name);
    return {
      name, share: part(corrected ?? pct), low: part(low), high: part(high), counted: part(pct), posts, sure,
    };
  });
}

/** The largest share first. */
export const largestFirst = (rows) => rows.toSorted((a, b) => b.share - a.share);

/** What stands beside a share: how far it may be off, or how many posts it counts where that is not known. */
export function besides({ share, low, high, posts }) {
  if (share === null) return "";
  if (low !== null) return `(${range(low, high)})`;
  return posts === null ? "" : String(posts);
}

/** What a share was before it was corrected, for who asks. */
export function asCounted({ share, counted, posts, sure }) {
  if (share === null) return null;
  const posted = posts === null ? "" : `, ${plural(posts, "post")}`;
  const confident = sure === null ? "" : `, ${percent(sure)} sure on average`;
  return `As classified: ${percent(counted)}${posted}${confident}`;
}

/** How a task's shares came about and what of them is uncertain, in a sentence or two. */
export function basis(told) {
  if (!told.posts) return "";
  const wrong = told.uncertain_pct === null ? "" : ` Some ${percent(told.uncertain_pct / 100)} of the posts may carry a wrong label.`;
  if (!told.method) return `Shares as classified: this model's confusions are not known.${wrong}`;
  const most = told.from_few_posts_pct >= 50 ? "posts are few" : "its confusions are known from few rows";
  return `Corrected for what the model confuses. Brackets and lines: 95\u202f% intervals, this wide mostly because ${most}.${wrong}`;
}
