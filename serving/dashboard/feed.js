/** The live feed: newest posts on top, at most 100 on the page, held still while someone reads. */

import { el, outsideLink, webAddress } from "./dom.js";
import { languageName } from "./languages.js";
import { unescaped, ago, capital, count, NOTHING, percent, plural, signed } from "./format.js";
import { SIGN } from "./mood.js";

const MOST = 100;
const UNSURE = 0.5;
const LONG_TEXT = 280;

const keyOf = (post) => `${post.source}\n${post.id}`;

/** The emotion of a post, or a dash where its model has none. */
function feltOf({ emotion, confidence }) {
  if (!emotion) return el("span", { class: "chip", title: "The model tells no emotion" }, NOTHING);
  const unsure = confidence < UNSURE;
  return el("span", { class: unsure ? "chip unsure" : "chip" }, el("span", { class: "swatch" }), capital(emotion), " ",
    el("b", {}, percent(confidence)), unsure ? " unsure" : null);
}

/** The sentiment of a post, or a dash where its model has none. */
function toneOf({ sentiment, sentiment_score: score }) {
  if (!sentiment) return el("span", { class: "tone", title: "The model tells no sentiment" }, NOTHING);
  return el("span", { class: `tone s-${sentiment}` }, el("span", { class: "sign", "aria-hidden": "true" }, SIGN[sentiment]),
    `${sentiment} `, el("span", { class: "bar-note" }, signed(score)));
}

/** How often the text was posted within a day, where that is more than once. */
function timesOf({ reposts }) {
  if (!reposts) return null;
  return el("span", { class: "post-times", title: `${plural(reposts, "more post")} with the same text within a day` }, `×${count(reposts + 1)}`);
}

/** The mark of a post in a language that the model does not read; `reads` is null while that is not known. */
function languageOf({ language }, reads) {
  if (!language || !reads || reads.has(language)) return null;
  const name = languageName(language);
  return el("span", { class: "post-language", title: `The model does not read ${name}: what it says of this post is no measure` }, name);
}

/** One post as a list item. Text, place and source come from strangers and only ever become text nodes. */
function postItem(post, reads) {
  const text = el("p", { class: "post-text", dir: "auto", lang: post.language }, unescaped(post.text));
  const more = post.text.length > LONG_TEXT ? el("button", { type: "button", class: "more", "aria-expanded": "false" }, "Show all") : null;
  more?.addEventListener("click", () => {
    const open = text.classList.toggle("open");
    more.setAttribute("aria-expanded", String(open));
    more.textContent = open ? "Show less" : "Show all";
  });
  const time = el("time", { datetime: post.created_at }, ago(Date.parse(post.created_at)));
  time.title = new Date(post.created_at).toLocaleString();
  const item = el("li", { class: post.emotion ? `post e-${post.emotion}` : "post" },
    el("p", { class: "post-meta" }, el("span", { class: "post-source" }, post.source),
      post.location ? el("span", { class: "post-place" }, post.location) : null, languageOf(post, reads), timesOf(post), time,
      webAddress(post.url) ? outsideLink(post.url, "open", { class: "post-link", "aria-label": `Open the post from ${post.source}` }) : null),
    text, more,
    el("p", { class: "post-mood" }, feltOf(post), toneOf(post)));
  item.dataset.key = keyOf(post);
  return item;
}

export class Feed {
  reads = null; // the languages that the model reads, a set of codes
  #waiting = [];
  #known = new Set();
  #listed = false; // the stored posts have been shown: live ones go on top of them
  #paused = false;
  #hovered = false;
  #frame = 0;

  constructor({ list, pause, fresh, onChange }) {
    this.list = list;
    this.pause = pause;
    this.fresh = fresh;
    this.onChange = onChange;
    pause.addEventListener("click", () => this.#setPaused(!this.#paused));
    fresh.addEventListener("click", () => this.#catchUp());
    list.addEventListener("pointerenter", (event) => this.#hover(event.pointerType === "mouse"));
    list.addEventListener("pointerleave", () => this.#hover(false));
    list.addEventListener("scroll", () => this.#schedule(), { passive: true });
    list.addEventListener("focusout", () => this.#schedule());
    setInterval(() => this.#age(), 5_000);
  }

  /** Empties the feed: its subject has changed. */
  clear() {
    this.#waiting = [];
    this.#known.clear();
    this.#listed = false;
    this.list.replaceChildren();
    this.#sayWaiting();
  }

  /** Replaces what is listed by these posts, newest first; live posts that came while they were fetched still follow. */
  show(posts) {
    const listed = new Set(posts.map(keyOf));
    this.#listed = true;
    this.#waiting = this.#waiting.filter((post) => !listed.has(keyOf(post)));
    this.#known = new Set([...listed, ...this.#waiting.map(keyOf)]);
    this.list.replaceChildren(...posts.map((post) => postItem(post, this.reads)));
    this.list.scrollTop = 0;
    this.#schedule();
  }

  /** Takes one new post; a post that is already here (delivered twice) is left out. */
  add(post) {
    if (this.#known.has(keyOf(post))) return;
    this.#known.add(keyOf(post));
    this.#waiting.push(post);
    if (this.#waiting.length > MOST) this.#known.delete(keyOf(this.#waiting.shift()));
    this.#schedule();
  }

  /** Someone reads: the list stays as it is. The pause button, the mouse on it, a key's focus in it, or scrolled down. */
  get #held() {
    const focusInside = this.list.contains(document.activeElement) && document.activeElement.matches(":focus-visible");
    return !this.#listed || this.#paused || this.#hovered || this.list.scrollTop > 4 || focusInside;
  }

  // One frame shows all that arrived since the last: a hundred posts a second cost no more than one.
  #schedule() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.#held) this.#flush();
      this.#sayWaiting();
    });
  }

  #flush() {
    if (!this.#waiting.length) return;
    const items = this.#waiting.reverse().map((post) => postItem(post, this.reads));
    this.#waiting = [];
    for (const item of items) item.classList.add("new");
    this.list.prepend(...items);
    while (this.list.childElementCount > MOST) {
      this.#known.delete(this.list.lastElementChild.dataset.key);
      this.list.lastElementChild.remove();
    }
    this.onChange();
  }

  #catchUp() {
    this.#setPaused(false);
    this.list.scrollTop = 0;
    this.#flush();
    this.#sayWaiting();
  }

  #setPaused(paused) {
    this.#paused = paused;
    this.pause.setAttribute("aria-pressed", String(paused));
    this.pause.textContent = paused ? "Resume" : "Pause";
    this.#schedule();
  }

  #hover(inside) {
    this.#hovered = inside;
    this.#schedule();
  }

  #sayWaiting() {
    const waiting = this.#waiting.length;
    this.fresh.hidden = !waiting || !this.#listed;
    this.fresh.textContent = waiting >= MOST ? `${MOST} or more new posts` : `${plural(waiting, "new post")}`;
  }

  #age() {
    const now = Date.now();
    for (const time of this.list.querySelectorAll("time")) time.textContent = ago(Date.parse(time.dateTime), now);
  }
}
