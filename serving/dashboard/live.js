/** The live stream over a WebSocket that comes back by itself. */

import { liveProtocols } from "./key.js";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;
// The service sends its figures every 2 s: a socket that is silent for this long is dead, whatever its state says.
const SILENCE_MS = 15_000;

/** Calls `onMessage(message)` for each message and `onState("live" | "reconnecting")` on each change. */
export class LiveStream {
  #socket = null;
  #failures = 0;
  #retry = 0;
  #silence = 0;

  constructor({ onMessage, onState }) {
    this.onMessage = onMessage;
    this.onState = onState;
    window.addEventListener("online", () => this.#retryNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.#retryNow());
  }

  connect() {
    const address = new URL("/live", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, liveProtocols());
    this.#socket = socket;
    this.#listenForSilence();
    socket.addEventListener("open", () => socket === this.#socket && this.onState("live"));
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(data));
    socket.addEventListener("close", () => this.#lost(socket));
  }

  #receive(data) {
    this.#failures = 0;
    this.#listenForSilence();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      console.warn("A live message was not JSON and was left out.");
      return;
    }
    this.onMessage(message);
  }

  #listenForSilence() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      // A dead peer never answers the closing handshake, so its "close" may take minutes: do not wait for it.
      socket.close();
      this.#lost(socket);
    }, SILENCE_MS);
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    clearTimeout(this.#silence);
    this.onState("reconnecting");
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++);
    // Half fixed, half random: many open pages do not come back in the same instant.
    this.#retry = setTimeout(() => this.connect(), longest / 2 + (Math.random() * longest) / 2);
  }

  #retryNow() {
    if (this.#socket) return;
    clearTimeout(this.#retry);
    this.connect();
  }
}
