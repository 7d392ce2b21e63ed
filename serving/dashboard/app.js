/** Wiring: what is fetched when, and which part of the page shows it. */

import * as api from "./api.js";
import { analyzeForm } from "./analyze.js";
import { byId, el } from "./dom.js";
import { removeDialog, showEvents, trackDialog } from "./events.js";
import { Feed } from "./feed.js";
import { Figures } from "./figures.js";
import { capital } from "./format.js";
import { LiveStream } from "./live.js";
import { EMOTIONS } from "./mood.js";
import { Panel } from "./panel.js";
import { showDrift, showMetrics, showModel, showSources, showStatus, showStream, showUnreachable } from "./system.js";
import { address, showWindows, viewFromAddress, windowOf } from "./view.js";

const INITIAL_POSTS = 50;
const AFTER_POSTS_MS = 4_000; // live posts redraw the figures at most this often
const WITHOUT_POSTS_MS = 30_000; // windows move on even when nobody posts
const STATUS_MS = 15_000;
const SLOW_MS = 60_000;

const panels = { feed: new Panel("feed"), sources: new Panel("sources"), drift: new Panel("drift") };
const figures = new Figures();
const feed = new Feed({ list: byId("feed-list"), pause: byId("feed-pause"), fresh: byId("feed-fresh"), onChange: () => panels.feed.ready() });
const filter = byId("feed-filter");
const askRemoval = removeDialog(loadEvents);

let view = viewFromAddress();
let events = [];
let total = { posts: null, time: null };
// Aborted when their subject changes: an answer about the former event must not overwrite the new one.
let figuresLoad = new AbortController();
let feedLoad = new AbortController();
let titlesKnown = null; // settles with the first list of events: the headline names one by its title, feeds mark languages
let dirty = false;
let wasLost = false;

const titleOf = (slug) => (slug === "all" ? null : events.find((event) => event.slug === slug)?.title ?? slug);

async function loadFigures() {
  dirty = false;
  figuresLoad.abort();
  figuresLoad = new AbortController();
  const { signal } = figuresLoad;
  try {
    const { step, name } = windowOf(view.minutes);
    const [trend] = await Promise.all([api.trends(view.slug, view.minutes, step, { languages: view.languages, signal }), titlesKnown]);
    if (!signal.aborted) figures.show(trend, titleOf(view.slug), name, view);
  } catch (error) {
    if (error.name !== "AbortError") figures.failed(error, loadFigures);
  }
}

async function loadFeed() {
  feedLoad.abort();
  feedLoad = new AbortController();
  const { signal } = feedLoad;
  try {
    const asked = api.posts(view.slug, { limit: INITIAL_POSTS, emotion: filter.value, signal });
    const [{ posts }] = await Promise.all([asked, titlesKnown]); // and the languages that the model reads
    if (signal.aborted) return;
    feed.show(posts);
    if (posts.length) panels.feed.ready();
    else panels.feed.empty(filter.value ? `No posts with ${filter.value} yet.` : "No posts yet. They appear here as they are scored.");
  } catch (error) {
    if (error.name !== "AbortError") panels.feed.failed(error, loadFeed);
  }
}

function startFeed() {
  feed.clear();
  panels.feed.loading();
  loadFeed();
}

async function loadEvents() {
  const problem = byId("events-problem");
  try {
    const [tracked, all] = await Promise.all([api.events(), api.trends("all", 1440, 3600)]);
    ({ events } = tracked);
    const others = Object.values(all.other_languages).reduce((sum, posts) => sum + posts, 0);
    total = { posts: all.posts + others, time: all.time };
    feed.reads = new Set(all.languages.split(","));
    problem.hidden = true;
    const known = view.slug === "all" || events.some((event) => event.slug === view.slug);
    if (!known) location.replace(address({ ...view, slug: "all" }));
  } catch (error) {
    problem.textContent = `Tracked events: ${error.message}`;
    problem.hidden = false;
  }
  showPicker();
}

function showPicker() {
  showEvents({ events, total, view, onRemove: askRemoval });
  const shown = events.filter((event) => view.slug === "all" || event.slug === view.slug);
  byId("recording").hidden = !shown.some((event) => event.sources.includes("replay"));
  showWindows(view);
  document.title = `${titleOf(view.slug) ?? "All events"} · Barometer`;
}

function look() {
  view = viewFromAddress();
  showPicker();
  figures.loading();
  loadFigures();
  startFeed();
}

const loadStatus = () => api.status().then(showStatus, showUnreachable);

async function loadSources() {
  try {
    const { sources } = await api.sources();
    showSources(sources);
    if (sources.length) panels.sources.ready();
    else panels.sources.empty("No source is set up yet.");
  } catch (error) {
    panels.sources.failed(error, loadSources);
  }
}

async function loadDrift() {
  try {
    const { reports: [newest] } = await api.drift();
    if (newest) {
      showDrift(newest);
      panels.drift.ready();
    } else panels.drift.empty("No drift report yet. The first one follows once enough posts are scored.");
  } catch (error) {
    panels.drift.failed(error, loadDrift);
  }
}

function receive(message) {
  if (message.type === "metrics") showMetrics(message);
  else if (message.type === "model") showModel(message.model_version);
  else if (message.type === "scored" && (view.slug === "all" || message.post.events.includes(view.slug))) {
    dirty = true;
    if (!message.post.repost && (!filter.value || filter.value === message.post.emotion)) feed.add(message.post);
  }
}

function streamState(state) {
  showStream(state);
  // Posts scored while the stream was away did not come over it.
  if (state === "live" && wasLost) {
    loadFigures();
    loadFeed();
    loadStatus();
  }
  wasLost = state === "reconnecting";
}

function every(milliseconds, work) {
  setInterval(() => document.hidden || work(), milliseconds);
}

// The address after "#" holds the view: the skip link must not take its place.
byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("mood").focus();
});
filter.append(...[...EMOTIONS].reverse().map((name) => el("option", { value: name }, capital(name))));
filter.addEventListener("change", startFeed);
window.addEventListener("hashchange", look);
document.addEventListener("visibilitychange", () => document.hidden || !dirty || loadFigures());
trackDialog(async ({ slug }) => {
  await loadEvents();
  location.hash = address({ ...view, slug });
});
analyzeForm();
new LiveStream({ onMessage: receive, onState: streamState }).connect();

loadStatus();
loadSources();
loadDrift();
titlesKnown = loadEvents();
look();
every(AFTER_POSTS_MS, () => dirty && loadFigures());
every(WITHOUT_POSTS_MS, () => {
  loadFigures();
  loadEvents();
  if (panels.feed.hasFailed) loadFeed();
});
every(STATUS_MS, loadStatus);
every(SLOW_MS, () => {
  loadSources();
  loadDrift();
});
