/** The states that every panel has: loading, ready, empty, failed. */

import { byId, el } from "./dom.js";
import { clock } from "./format.js";

/**
 * One panel of the page. Its section carries `data-state` for the style sheet and holds one `.notice` line.
 * Once it has shown something, a failure keeps that on the page and says how old it is.
 */
export class Panel {
  #shownAt = null;

  constructor(id) {
    this.root = byId(id);
    this.notice = this.root.querySelector(".notice");
  }

  /** It shows figures, fresh or old. */
  get hasShown() {
    return this.#shownAt !== null;
  }

  /** Nothing can be shown: the first load failed. */
  get hasFailed() {
    return this.root.dataset.state === "failed";
  }

  /** Forgets what was shown: its subject has changed. */
  loading() {
    this.#shownAt = null;
    this.#enter("loading");
  }

  ready() {
    this.#shownAt = new Date();
    this.#enter("ready");
  }

  empty(message) {
    this.#shownAt = new Date();
    this.#enter("empty", message);
  }

  failed(error, retry) {
    const again = el("button", { type: "button", class: "button small", onclick: retry }, "Try again");
    if (this.#shownAt) {
      this.notice.replaceChildren(`${error.message} Shown as of ${clock(this.#shownAt)}. `, again);
      this.notice.hidden = false;
      this.root.setAttribute("aria-busy", "false");
      return;
    }
    this.#enter("failed", `${error.message} `, again);
  }

  #enter(state, ...notice) {
    this.root.dataset.state = state;
    this.root.setAttribute("aria-busy", String(state === "loading"));
    this.notice.replaceChildren(...notice);
    this.notice.hidden = notice.length === 0;
  }
}
