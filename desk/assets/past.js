// What became of a product or an order: the newest first, older ones when asked for.

import { get, path } from "./api.js";
import { empty, h, put, say } from "./dom.js";
import { notice } from "./problem.js";
import { count, number, time, told } from "./words.js";

/** How many versions of a product are read at a time, from the newest back. */
export const RANGE = 200;
const LIMIT = 200;

/** Where an event stands within its version: the number at the end of its id. */
const place = (event) => Number(String(event.id ?? "").split("#").at(-1)) || 0;

/** The newest first. */
export const newestFirst = (a, b) => b.version - a.version || place(b) - place(a);

/**
 * All events of versions above `after`, up to and including `last`, and what is known to be missing there. A page may reach
 * further than it was asked for, or hold no event.
 */
export async function range(sku, after, last, signal) {
  const found = { events: [], missing: [], version: last };
  let from = String(after);
  while (from !== undefined) {
    const page = await get(path("products", sku, "/history", { after: from, limit: LIMIT }), signal);
    found.version = page.version ?? found.version;
    found.events.push(...page.events.filter((event) => event.version <= last));
    found.missing.push(...(page.missing ?? []).filter((gap) => gap.first <= last));
    from = page.next ?? undefined;
    if (page.events.some((event) => event.version > last)) from = undefined;
  }
  return found;
}

/** Events as a list; `withSku` names the product of each. */
export function events(list, withSku, linkTo) {
  return list.map((event) => {
    const [word, sentence] = told(event);
    return h("li", null, h("span", { class: `tag kind ${event.type === "OutOfStock" || event.type === "Deallocated" ? "warn" : "quiet"}` }, word),
      h("div", { class: "told" }, withSku ? [linkTo(event.sku), ": "] : null, sentence),
      h("div", { class: "facts" }, time(event.at), ` · version ${number(event.version)}`,
        event.correlation_id ? ` · ${event.correlation_id}` : ""));
  });
}

/** What is said where the service keeps no past. */
export const NO_PAST = "There is no history here: this service does not keep the past, or not of this name.";

const gaps = (missing) => missing.map(({ first, last }) => (first === last ? `version ${number(first)}` : `versions ${number(first)} to ${number(last)}`));

/** A product's past: `version` is its newest. `onRead(events)` is called with what was read, `onAll(events)` once that is all. */
export async function ofProduct(sku, version, signal, { onRead, onAll }) {
  const list = h("ol", { class: "events", role: "list" });
  const trouble = h("div");
  const button = h("button", { type: "button", onclick: () => older() }, "Show older");
  const kept = [];
  let reached = version;
  let complete = true;
  const older = async () => {
    button.disabled = true;
    const after = Math.max(0, reached - RANGE);
    try {
      const found = await range(sku, after, reached, signal);
      found.events.sort(newestFirst);
      list.append(...events(found.events));
      kept.push(...found.events);
      onRead(found.events);
      complete &&= found.missing.length === 0;
      put(trouble, found.missing.length > 0 ? h("p", { class: "notice" }, `Not kept: ${gaps(found.missing).join(", ")}.`) : null);
      reached = after;
      button.hidden = reached === 0;
      say(`${count(kept.length, "event")} of its past`);
      if (reached === 0 && complete && kept.length > 0) onAll(kept.toReversed());
      if (reached === 0 && kept.length === 0) put(trouble, empty("Nothing of its past is kept."));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.status === 404) {
        button.hidden = true;
        put(trouble, empty(NO_PAST));
      } else {
        put(trouble, notice(error, "The past could not be read", older));
      }
    } finally {
      button.disabled = false;
    }
  };
  await older();
  return h("div", null, list, trouble, button);
}

/** An order's past, over all its products. The service tells it by product; people read it by time. */
export async function ofOrder(orderid, signal, linkTo) {
  const list = h("ol", { class: "events", role: "list" });
  const trouble = h("div");
  const button = h("button", { type: "button", onclick: () => more() }, "Read more of it");
  const kept = [];
  let after;
  const more = async () => {
    button.disabled = true;
    try {
      const page = await get(path("orders", orderid, "/history", { after, limit: LIMIT }), signal);
      kept.push(...page.events);
      after = page.next ?? undefined;
      kept.sort((a, b) => String(b.at).localeCompare(String(a.at)) || (a.sku === b.sku ? newestFirst(a, b) : 0));
      put(list, events(kept, true, linkTo));
      button.hidden = after === undefined;
      put(trouble, kept.length === 0 && after === undefined ? empty("Nothing of its past is kept.") : null);
    } catch (error) {
      if (error.name === "AbortError") return;
      button.hidden = true;
      put(trouble, error.status === 404 ? empty(NO_PAST) : notice(error, "The past could not be read", more));
    } finally {
      button.disabled = false;
    }
  };
  await more();
  return h("div", null, list, trouble, button);
}
