/** The state of the system: stream, model, degraded parts, sources, drift. */

import { byId, el, outsideLink } from "./dom.js";
import { ago, count, plural } from "./format.js";

const STREAM = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting" };

export function showStream(state) {
  const pill = byId("stream");
  if (pill.dataset.state === state) return;
  pill.dataset.state = state;
  byId("stream-text").textContent = STREAM[state];
}

export function showModel(version) {
  byId("model-version").textContent = version || "–";
}

export function showMetrics({ posts_per_minute: rate, backlog, model_version: version }) {
  byId("rate").textContent = count(rate);
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

export function showSources(sources) {
  byId("sources-rows").replaceChildren(...sources.map(({ name, state, detail, posts, last_ok_at: last }) => el("tr", {},
    el("th", { scope: "row" }, name),
    el("td", {}, el("span", { class: "state", "data-state": state }, state), detail ? el("span", { class: "detail" }, detail) : null),
    el("td", { class: "number" }, count(posts)),
    el("td", {}, last ? el("time", { datetime: last, title: new Date(last).toLocaleString() }, ago(Date.parse(last))) : "never"))));
}

/** The newest drift report; the caller shows the empty state where there is none. */
export function showDrift(report) {
  const columns = Object.entries(report.columns);
  const moved = columns.filter(([, column]) => column.drifted).map(([name]) => name);
  byId("drift-body").replaceChildren(
    el("p", { class: "drift-verdict" },
      el("span", { class: "state", "data-state": report.drifted ? "drifted" : "ready" }, report.drifted ? "Drifted" : "No drift"),
      `${moved.length} of ${plural(columns.length, "feature")} moved`),
    report.drifted ? el("p", {}, "These posts differ from the rows that the model was measured on: read its shares with care.") : "",
    moved.length ? el("p", { class: "detail" }, moved.join(", ").replaceAll("_", " ")) : "",
    report.left_out?.length ? el("p", { class: "detail" }, `Not compared, since a model lacks them: ${report.left_out.join(", ").replaceAll("_", " ")}`) : "",
    el("p", { class: "detail" }, `${plural(report.posts, "post")} against ${report.reference}, ${ago(Date.parse(report.created_at))}`),
    el("p", {}, outsideLink(report.url, "Open the report")));
}
