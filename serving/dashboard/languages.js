/** Languages: what a post is written in, and how many posts are not counted for theirs. */

import { el } from "./dom.js";
import { count, plural } from "./format.js";
import { address } from "./view.js";

const MOST_NAMED = 3;
const names = new Intl.DisplayNames(["en"], { type: "language", fallback: "code" });

/** A language's English name; posts whose language is not known are of "unknown" language. */
export const languageName = (code) => (code === "unknown" ? "unknown language" : names.of(code));

/** How many posts an answer leaves out for their language, in words with the commonest; "" for none. */
export function othersTold(others) {
  const rows = Object.entries(others);
  if (!rows.length) return "";
  const posts = rows.reduce((sum, [, each]) => sum + each, 0);
  const parts = rows.slice(0, MOST_NAMED).map(([code, each]) => `${count(each)} ${languageName(code)}`);
  if (rows.length > MOST_NAMED) parts.push("…");
  const what = plural(posts, "post");
  return rows.length === 1
    ? `${what} in ${languageName(rows[0][0])} ${posts === 1 ? "is" : "are"} not counted.`
    : `${what} in other languages (${parts.join(", ")}) are not counted.`;
}

/** What the figures leave out, with the switch that counts it or leaves it out again; nothing where there is neither. */
export function languageLine({ other_languages: others }, view) {
  if (view.languages === "all") {
    return ["Posts in every language are counted, also those that the model does not read. ",
      el("a", { href: address({ ...view, languages: null }) }, "Leave them out")];
  }
  const told = othersTold(others);
  return told ? [`${told} `, el("a", { href: address({ ...view, languages: "all" }) }, "Count them")] : [];
}
