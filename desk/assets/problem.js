// Says what went wrong, why if it is known, and what may be done about it.

import { h, say } from "./dom.js";
import { count } from "./words.js";

const BY_CODE = {
  contended: "Many others change the same product at this moment. Nothing was changed by this request.",
  unavailable: "The service's table or queue does not answer, or too many ask at once.",
  internal: "The service failed; asking again will not help. Its log says why: look for the correlation id.",
  desk_no_answer: "The desk runs, but the service behind it does not answer.",
  desk_read_only: "This desk only looks. Start it with --write to change something.",
  desk_refused: "The desk takes such requests from its own page only.",
};

const BY_STATUS = {
  0: "Look at the terminal in which it was started, start it again, and reload this page.",
  401: "The service wants a token, and has none or one that is not valid any more. Start the desk with a new one.",
  403: "The service refuses the request: it is not signed, or whoever signed it may not do this. Start the desk with credentials that may.",
  429: "The service's limit of requests is reached.",
  503: "The service could not be called, or had no time.",
};

/** What to do about it, or what it means; nothing for refusals whose message says all. */
export function explained(problem) {
  return BY_CODE[problem.code] ?? (problem.code === undefined ? BY_STATUS[problem.status] : undefined);
}

/** A notice of a problem, with a button to try again where that may help. */
export function notice(problem, title, again) {
  const facts = [problem.status ? `status ${problem.status}` : "", problem.code ? `code ${problem.code}` : ""].filter(Boolean).join(", ");
  const wait = problem.retryAfter ? ` The service asks to wait for ${count(problem.retryAfter, "second")}.` : "";
  say(`${title}: ${problem.message}`);
  return h("div", { class: "notice bad" },
    h("p", null, h("strong", null, title)),
    h("p", { class: "message" }, problem.message),
    explained(problem) ? h("p", null, explained(problem), wait) : wait ? h("p", null, wait.trim()) : null,
    facts ? h("p", { class: "facts" }, facts) : null,
    again && problem.mayPass ? h("p", null, h("button", { type: "button", onclick: again }, "Try again")) : null);
}
