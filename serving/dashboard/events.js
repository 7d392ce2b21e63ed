/** The event picker: tracked events as links, tracking a new one, removing one. */

import * as api from "./api.js";
import { byId, el } from "./dom.js";
import { clock, count } from "./format.js";
import { stateOf } from "./system.js";
import { address } from "./view.js";

const FIRST_CHOICE = "rss";
const FIELD = { title: "track-title", keywords: "track-keywords" };

/** How many posts an event has, and on demand since when that is known; nothing while it is not known. */
function pillCount({ posts, time }) {
  if (posts === null) return null;
  const known = `Posts in 24 hours, counted at ${clock(new Date(time))}; the newest minutes are counted each time`;
  return el("span", { class: "pill-count", title: known }, count(posts), el("span", { class: "unseen" }, " posts in 24 hours"));
}

/** Shows the picker; `total` holds the `posts` of all events and the `time` of their count. */
export function showEvents({ events, total, view, onRemove }) {
  const pill = ({ slug, title, ...counted }) => {
    const chosen = view.slug === slug;
    const link = el("a", { href: address({ ...view, slug }), class: "pill", "aria-current": chosen ? "true" : null, title },
      el("span", { class: "pill-title" }, title),
      pillCount(counted));
    if (!chosen || slug === "all") return el("li", {}, link);
    const remove = el("button", { type: "button", class: "pill-remove", "aria-label": `Stop tracking ${title}`, title: "Stop tracking",
      onclick: () => onRemove({ slug, title }) }, "×");
    return el("li", { class: "with-remove" }, link, remove);
  };
  const list = byId("event-list");
  const moved = list.dataset.slug !== view.slug;
  list.dataset.slug = view.slug;
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const add = byId("track-item"); // stays where it is: taken out, its button would lose the focus
  for (const item of [...list.children]) if (item !== add) item.remove();
  add.before(...[{ slug: "all", title: "All events", ...total }, ...events].map(pill));
  // Counts are refreshed while people move through the list by key: the focus must not fall off it.
  if (focused) [...list.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
  if (moved) {
    // On a narrow page the list scrolls sideways: what was chosen comes into sight.
    const chosen = list.querySelector("[aria-current]");
    if (chosen) list.parentElement.scrollLeft = chosen.parentElement.offsetLeft - list.offsetLeft - 40;
  }
}

function sayProblem(form, place, error) {
  for (const input of form.querySelectorAll("input")) input.removeAttribute("aria-invalid");
  place.textContent = error?.message ?? "";
  place.hidden = !error;
  const input = error && byId(FIELD[error.field]);
  input?.setAttribute("aria-invalid", "true");
  input?.focus();
}

/** Offers the sources that are set up as tick boxes, the news first chosen, and names the others. */
function offerSources(sources) {
  const known = sources.filter((source) => source.trackable);
  const ready = known.filter(({ state }) => state !== "missing setting");
  const lacking = known.filter((source) => !ready.includes(source)).map(({ name }) => name);
  byId("track-choices").replaceChildren(...ready.map((source) => el("li", {}, el("label", {},
    el("input", { type: "checkbox", name: "source", value: source.name, checked: source.name === FIRST_CHOICE }),
    el("span", {}, el("strong", {}, source.name), " ",
      source.state === "ready" ? el("span", { class: "detail" }, source.detail) : stateOf(source))))));
  byId("track-lacking").textContent = lacking.length ? `Not set up: ${lacking.join(", ")}. The list of sources says what each needs.` : "";
  byId("track-sources").hidden = false;
}

/** The dialog that tracks a new event; `onAdded(event)` is told the service's answer. */
export function trackDialog(onAdded) {
  const [dialog, form, problem, submit] = [byId("track-dialog"), byId("track-form"), byId("track-problem"), byId("track-submit")];
  const offered = byId("track-sources");
  byId("track-open").addEventListener("click", async () => {
    form.reset();
    sayProblem(form, problem, null);
    offered.hidden = true;
    dialog.showModal();
    // Where they cannot be read, the service chooses what it reads for the event.
    await api.sources().then(({ sources }) => offerSources(sources), (error) => sayProblem(form, problem, error));
  });
  byId("track-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const keywords = byId(FIELD.keywords).value.split(",").map((word) => word.trim()).filter(Boolean);
    submit.disabled = true;
    try {
      const chosen = new FormData(form).getAll("source");
      const added = await api.addEvent({ title: byId(FIELD.title).value.trim(), keywords, sources: offered.hidden ? undefined : chosen });
      dialog.close();
      onAdded(added);
    } catch (error) {
      sayProblem(form, problem, error);
    } finally {
      submit.disabled = false;
    }
  });
}

/** The dialog that asks before an event goes; the function it returns opens it for `{slug, title}`. */
export function removeDialog(onRemoved) {
  const [dialog, question, problem, confirm] = [byId("remove-dialog"), byId("remove-title"), byId("remove-problem"), byId("remove-confirm")];
  let event = null;
  byId("remove-cancel").addEventListener("click", () => dialog.close());
  confirm.addEventListener("click", async () => {
    confirm.disabled = true;
    try {
      await api.removeEvent(event.slug);
      dialog.close();
      onRemoved(event);
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    } finally {
      confirm.disabled = false;
    }
  });
  return (chosen) => {
    event = chosen;
    question.textContent = `Stop tracking ${chosen.title}?`;
    problem.hidden = true;
    dialog.showModal();
  };
}
