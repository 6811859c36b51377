// Asks the desk, which asks the service. Nothing here asks any other address.

import { encoded } from "./dom.js";

/** Why there is no answer to show: `status` is 0 if not even the desk answered. */
export class Problem extends Error {
  constructor(status, code, message, answer, retryAfter) {
    super(message);
    Object.assign(this, { status, code, answer, retryAfter });
  }

  /** Whether the same request may do better in a moment. */
  get mayPass() {
    return [0, 429, 502, 503, 504].includes(this.status) || (this.status === 500 && this.code === undefined);
  }
}

async function parsed(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 500) };
  }
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-store", redirect: "error", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, undefined, "The desk itself does not answer. Is its command still running?");
  }
  const body = await parsed(answer);
  if (answer.ok) return { status: answer.status, body, replayed: answer.headers.get("idempotent-replayed") === "true" };
  const retry = Number(answer.headers.get("retry-after")) || undefined;
  throw new Problem(answer.status, body?.code, body?.message ?? `status ${answer.status}`, body, retry);
}

// Browsers and HTTP libraries fold these away, escaped or not, so no such request arrives.
const FOLDED = [".", ".."];

/** The path of a name: `path("batches", "b1", "/lines", {limit: 10})`. */
export function path(kind, name, after = "", query = {}) {
  if (name === "" || FOLDED.includes(name)) throw new Problem(400, "invalid_input", `No path can be made of the name "${name}".`);
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null));
  return `api/${kind}/${encoded(name)}${after}${asked.size > 0 ? `?${asked}` : ""}`;
}

/** Reads from the service. */
export const get = async (where, signal) => (await ask(where, { signal })).body;

/** Asks the service to change something. */
export const change = (method, where, body, headers = {}) => ask(where, {
  method,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body ?? {}),
});

/** What the desk itself knows: its settings, events, mails, dead letters. */
export const desk = async (what, signal) => (await ask(`desk/${what}`, { signal })).body;
