/** Calls of the service's HTTP API. Every call has a time limit; every failure is a `Problem` fit to be read by a person. */

import { askForKey, key } from "./key.js";

const TIMEOUT_MS = 15_000;
const ANALYZE_TIMEOUT_MS = 90_000;

/** What went wrong, from the answer's problem document; `field` names the offending field where there is one. */
class Problem extends Error {
  constructor(message, { status = 0, field = null } = {}) {
    super(message);
    this.name = "Problem";
    this.status = status;
    this.field = field;
  }
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const message = told.detail || told.title || `The service answered with status ${response.status}.`;
  if (response.status === 401) askForKey();
  return new Problem(String(message), { status: response.status, field: told.field ?? null });
}

async function call(path, { method = "GET", body, signal, timeout = TIMEOUT_MS } = {}) {
  const limit = AbortSignal.timeout(timeout);
  const request = { method, headers: {}, signal: signal ? AbortSignal.any([signal, limit]) : limit };
  if (key()) request.headers.Authorization = `Bearer ${key()}`;
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  try {
    const response = await fetch(path, request);
    if (!response.ok) throw await problemOf(response);
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    if (error.name === "TimeoutError") throw new Problem(`The service took longer than ${timeout / 1000} s to answer.`);
    if (error instanceof SyntaxError) throw new Problem("The service's answer could not be read.");
    throw new Problem("The service cannot be reached.");
  }
}

const of = (slug) => `/events/${encodeURIComponent(slug)}`;

export const events = () => call("/events");
export const addEvent = (event) => call("/events", { method: "POST", body: event });
export const removeEvent = (slug) => call(of(slug), { method: "DELETE" });
export const status = () => call("/status");
export const sources = () => call("/sources");
export const drift = () => call("/drift");

/** `languages` is null for those that the model reads. */
export function trends(slug, minutes, stepSeconds, { languages = null, signal } = {}) {
  const query = new URLSearchParams({ minutes, step_s: stepSeconds, ...(languages ? { languages } : {}) });
  return call(`${of(slug)}/trends?${query}`, { signal });
}

export function posts(slug, { limit, emotion, signal }) {
  const query = new URLSearchParams({ limit });
  if (emotion) query.set("emotion", emotion);
  return call(`${of(slug)}/posts?${query}`, { signal });
}

export const analyze = (keyword, languages = null) =>
  call("/analyze", { method: "POST", body: { keyword, limit: 250, return_plot: false, languages }, timeout: ANALYZE_TIMEOUT_MS });
