/** What the page looks at, an event, a time window and whose languages, kept in the address so that it can be shared and bookmarked. */

import { byId, el } from "./dom.js";

/** Windows and the step that each is counted in: 90 points at most, whole minutes as the service counts them. */
const WINDOWS = [
  { minutes: 15, step: 60, label: "15 min", name: "15 minutes" },
  { minutes: 60, step: 60, label: "1 h", name: "hour" },
  { minutes: 360, step: 300, label: "6 h", name: "6 hours" },
  { minutes: 1440, step: 1200, label: "24 h", name: "24 hours" },
];
const USUAL = 60;

export const windowOf = (minutes) => WINDOWS.find((choice) => choice.minutes === minutes);

/** The view that the address names; what it does not name, or names wrongly, is the usual. */
export function viewFromAddress() {
  const told = new URLSearchParams(location.hash.slice(1));
  const minutes = Number(told.get("minutes"));
  return { slug: told.get("event") || "all", minutes: windowOf(minutes) ? minutes : USUAL, languages: told.get("languages") === "all" ? "all" : null };
}

/** `languages` is "all" where posts are counted whatever their language, else null. */
export const address = ({ slug, minutes, languages }) =>
  `#${new URLSearchParams({ event: slug, minutes, ...(languages ? { languages } : {}) })}`;

export function showWindows(view) {
  byId("window-list").replaceChildren(...WINDOWS.map(({ minutes, label }) => el("li", {},
    el("a", { href: address({ ...view, minutes }), "aria-current": view.minutes === minutes ? "true" : null }, label))));
}
