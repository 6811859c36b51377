// What became of a product or an order: the newest first, older ones when asked for.

import { get, path } from "./api.js";
import { empty, h, put, say } from "./dom.js";
import { notice } from "./problem.js";
import { count, number, time, told } from "./words.js";

/** How many versions of a product are read at a time, from the newest back. */
const RANGE = 200;
/** How many events are asked for in one page. */
const LIMIT = 500;
/** More than so many at once are not read: a hot product has a hundred in a version. */
const MANY = 2000;

/** Where an event stands within its version: the number at the end of its id. */
const place = (event) => Number(String(event.id ?? "").split("#").at(-1)) || 0;

/** The newest first. */
export const newestFirst = (a, b) => b.version - a.version || place(b) - place(a);

/**
 * All events of versions above `after`, up to and including `last`, and what is known to be missing there. A page may reach
 * further than it was asked for, or hold no event. Where the first page lets expect too many, they are read of so many
 * versions only, the last ones, as hold about a page.
 */
async function range(sku, after, last, signal) {
  const found = { events: [], missing: [], after };
  let from = String(after);
  let isFirst = true;
  while (from !== undefined) {
    const page = await get(path("products", sku, "/history", { after: from, limit: LIMIT }), signal);
    const read = Math.max(1, (page.events.at(-1)?.version ?? after) - after);
    const each = page.events.length / read;
    if (isFirst && page.next && each * (last - after) > MANY) return range(sku, last - Math.max(1, Math.floor(LIMIT / each)), last, signal);
    isFirst = false;
    found.events.push(...page.events.filter((event) => event.version <= last));
    const missing = (page.missing ?? []).filter((gap) => gap.first <= last);
    found.missing.push(...missing.map((gap) => ({ ...gap, last: Math.min(gap.last, last) })));
    from = page.next ?? undefined;
    const end = page.events.at(-1);
    if (end && (end.version > last || (end.version === last && place(end) >= end.of))) from = undefined;
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
const NO_PAST = "There is no history here: this service does not keep the past, or not of this name.";

/** What was committed a moment ago is in the history a second or two later: after so long it is looked for again. */
const LOOKS = [1500, 4000];

const gaps = (missing) => missing.map(({ first, last }) => (first === last ? `version ${number(first)}` : `versions ${number(first)} to ${number(last)}`));

/** A product's past: `version` is its newest. `onRead(events)` is called with what was read, `onAll(events)` once that is all. */
export async function ofProduct(sku, version, signal, { onRead, onAll }) {
  const [list, missed, trouble] = [h("ol", { class: "events", role: "list" }), h("div"), h("div")];
  const button = h("button", { type: "button", onclick: () => older() }, "Show older");
  // Ranges, the newest first.
  const read = [];
  const take = async (after, last) => {
    const found = await range(sku, after, last, signal);
    found.events.sort(newestFirst);
    onRead(found.events);
    return { ...found, last };
  };
  const show = () => {
    const missing = read.flatMap((found) => found.missing);
    const all = read.flatMap((found) => found.events);
    const isWhole = read.at(-1).after === 0;
    put(missed, missing.length > 0 ? h("p", { class: "notice" }, `Not in the history: ${gaps(missing).join(", ")}.`) : null);
    button.hidden = isWhole;
    if (isWhole && missing.length === 0 && all.length > 0) onAll(all.toReversed());
    if (isWhole && all.length === 0) put(trouble, empty("Nothing of its past is kept."));
  };
  const older = async () => {
    button.disabled = true;
    try {
      const last = read.at(-1)?.after ?? version;
      read.push(await take(Math.max(0, last - RANGE), last));
      list.append(...events(read.at(-1).events));
      put(trouble);
      show();
      say(`${count(list.children.length, "event")} of its past`);
    } catch (error) {
      if (error.name === "AbortError") return;
      button.hidden = true;
      put(trouble, error.status === 404 ? empty(NO_PAST) : notice(error, "The past could not be read", older));
    } finally {
      button.disabled = false;
    }
  };
  const newest = async () => {
    const [known] = read;
    if (!known?.missing.some((gap) => gap.last >= version)) return;
    const found = await take(known.after, known.last);
    if (found.events.length <= known.events.length) return;
    read[0] = found;
    put(list, read.flatMap((one) => events(one.events)));
    show();
  };
  await older();
  LOOKS.forEach((wait) => later(wait, signal, newest));
  return h("div", null, missed, list, trouble, button);
}

/** Does something after a while, unless the view was left. What goes wrong then is no news: it was only a second look. */
function later(wait, signal, work) {
  const timer = setTimeout(() => work().catch(() => {}), wait);
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
}

/** An order's past, over all its products. The service tells it by product; people read it by time. */
export async function ofOrder(orderid, signal, linkTo) {
  const list = h("ol", { class: "events", role: "list" });
  const trouble = h("div");
  const button = h("button", { type: "button", onclick: () => more() }, "Read more of it");
  const kept = [];
  const behind = new Set();
  let after;
  const more = async () => {
    button.disabled = true;
    try {
      const page = await get(path("orders", orderid, "/history", { after, limit: LIMIT }), signal);
      kept.push(...page.events);
      after = page.next ?? undefined;
      // Each page tells of itself alone.
      for (const { sku, version, complete_to: complete } of page.products ?? []) if (complete < version) behind.add(sku);
      kept.sort((a, b) => String(b.at).localeCompare(String(a.at)) || (a.sku === b.sku ? newestFirst(a, b) : 0));
      put(list, events(kept, true, linkTo));
      button.hidden = after === undefined;
      put(trouble, after !== undefined ? null : kept.length === 0 ? empty("Nothing of its past is kept.") : behind.size === 0 ? null
        : h("p", { class: "facts" }, `Of ${[...behind].join(", ")}, something may be missing, or on its way still.`));
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
