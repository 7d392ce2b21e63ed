/** The state of the system: stream, model, degraded parts, sources, drift. */

import { byId, el, outsideLink } from "./dom.js";
import { NOTHING, ago, capital, count, dayClock, plural } from "./format.js";
import { othersTold } from "./languages.js";

const STREAM = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };

const timeAgo = (time) => el("time", { datetime: time, title: new Date(time).toLocaleString() }, ago(Date.parse(time)));

/** A source's state: a mark of its own shape and colour, and the word. */
export const stateOf = ({ state }) => el("span", { class: "state", "data-state": state }, capital(state));

export function showStream(state) {
  const pill = byId("stream");
  if (pill.dataset.state === state) return;
  pill.dataset.state = state;
  byId("stream-text").textContent = STREAM[state];
}

export function showModel(version) {
  byId("model-version").textContent = version || NOTHING;
}

export function showMetrics({ posts_per_minute: rate, backlog, model_version: version }) {
  byId("rate").textContent = rate === null ? NOTHING : count(rate);
  byId("backlog").textContent = backlog > 0 ? `${count(backlog)} waiting` : "";
  showModel(version);
}

function showBanner(...content) {
  const banner = byId("banner");
  const text = content.map((part) => part.textContent ?? part).join("");
  // Set only when it differs: a screen reader announces every change of an alert.
  if (banner.dataset.text === text) return;
  banner.dataset.text = text;
  banner.hidden = !text;
  byId("banner-text").replaceChildren(...content);
}

export function showStatus({ status, parts, model_version: version, links }) {
  showModel(version);
  byId("links").replaceChildren(...Object.entries(links ?? {}).map(([name, href]) =>
    el("li", {}, outsideLink(href, name === "API" ? "API docs" : name))));
  const broken = Object.entries(parts ?? {}).filter(([, part]) => !part.ok);
  if (status === "ok") showBanner();
  else if (!broken.length) showBanner(el("strong", {}, "Degraded. "), "The service does not say which part is affected.");
  else {
    showBanner(...broken.map(([name, part]) => el("span", { class: "banner-part" },
      el("strong", {}, `Degraded: ${name}. `), part.detail || "It is not working.")));
  }
}

export function showUnreachable(error) {
  showBanner(el("strong", {}, "The service does not answer properly. "), `${error.message} What you see may be out of date.`);
}

/** What is said beside a source's state; the service's times are told in the reader's own time zone. */
function detailOf({ state, detail, limited_until: until }) {
  return state === "limited" ? `until ${dayClock(new Date(until))}. ${detail}` : detail;
}

/** The roles stand here because a narrow page shows each row as a block, which takes a table's own from it. */
export function showSources(sources) {
  byId("sources-rows").replaceChildren(...sources.map((source) => el("tr", { role: "row" },
    el("th", { scope: "row", role: "rowheader" }, source.name),
    el("td", { role: "cell", class: "source-state" }, stateOf(source), el("span", { class: "detail" }, detailOf(source))),
    el("td", { role: "cell", class: "number", title: `${plural(source.posts, "post")} in all` }, count(source.posts_today)),
    el("td", { role: "cell", class: "last-post" }, source.last_post_at ? timeAgo(source.last_post_at) : NOTHING))));
}

/** The newest drift report; the caller shows the empty state where there is none. */
export function showDrift(report) {
  const columns = Object.entries(report.columns);
  const others = othersTold(report.other_languages);
  const moved = columns.filter(([, column]) => column.drifted).map(([name]) => name);
  byId("drift-body").replaceChildren(
    el("p", { class: "drift-verdict" },
      el("span", { class: "state", "data-state": report.drifted ? "drifted" : "ready" }, report.drifted ? "Drifted" : "No drift"),
      `${moved.length} of ${plural(columns.length, "feature")} moved`),
    report.drifted ? el("p", {}, "These posts differ from the rows that the model was measured on: read its shares with care.") : "",
    moved.length ? el("p", { class: "detail" }, moved.join(", ").replaceAll("_", " ")) : "",
    report.left_out?.length ? el("p", { class: "detail" }, `Not compared, since a model lacks them: ${report.left_out.join(", ").replaceAll("_", " ")}`) : "",
    others ? el("p", { class: "detail" }, others) : "",
    el("p", { class: "detail" }, `${plural(report.posts, "post")} against ${report.reference}, ${ago(Date.parse(report.created_at))}`),
    el("p", {}, outsideLink(report.url, "Open the report")));
}
