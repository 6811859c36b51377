// The service's words in a buyer's words, with units.

import { h, link } from "./dom.js";

const whole = new Intl.NumberFormat("en-GB");
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** 12,000 */
export const number = (value) => (typeof value === "number" ? whole.format(value) : "?");

/** `1 piece`, `12,000 pieces`. */
export const pieces = (qty) => `${number(qty)} ${qty === 1 ? "piece" : "pieces"}`;

/** `1 line`, `2 lines`. */
export const count = (lines, one = "line", many = `${one}s`) => `${number(lines)} ${lines === 1 ? one : many}`;

/** A date such as `1 Feb 2031`. */
export function date(eta) {
  const when = new Date(`${eta}T00:00:00Z`);
  return Number.isNaN(when.getTime()) ? String(eta) : day.format(when);
}

/** Whether a date is over, by this machine's clock. */
export function isPast(eta) {
  const now = new Date();
  const today = [now.getFullYear(), now.getMonth() + 1, now.getDate()].map((part) => String(part).padStart(2, "0")).join("-");
  return typeof eta === "string" && eta < today;
}

/** Where stock is: the warehouse, or the day it comes. */
export function comes(eta) {
  if (eta === null || eta === undefined) return "in the warehouse";
  return h("span", null, h("time", { datetime: eta }, date(eta)), isPast(eta) ? h("span", { class: "tag warn" }, "overdue") : null);
}

/** The same in running text. */
export function when(eta) {
  if (eta === undefined) return "";
  if (eta === null) return "in the warehouse";
  return isPast(eta) ? `expected ${date(eta)}, overdue` : `expected ${date(eta)}`;
}

/** A moment, in the reader's own time zone. */
export function time(at) {
  const instant = new Date(at);
  const text = Number.isNaN(instant.getTime()) ? String(at ?? "") : moment.format(instant);
  return h("time", { datetime: at }, text);
}

const STATES = {
  allocated: ["has its stock", "good"],
  held: ["held, not confirmed", "warn"],
  waiting: ["waits for stock", "warn"],
  shipped: ["shipped", "quiet"],
  cancelled: ["cancelled", "quiet"],
};

/** A line's state. One that this page does not know is shown by its own name. */
export function state(name) {
  const [text, kind] = STATES[name] ?? [name, "quiet"];
  return h("span", { class: `tag ${kind}` }, text);
}

/** Until when a line is held, if it is. */
export const held = (line) => (line.held_until ? h("div", { class: "facts" }, "held until ", time(line.held_until)) : null);

/** A line's own name; one without is named by its quantity, which says nothing. */
export const lineName = (line, qty) => (line === undefined || line === String(qty) ? "" : line);

const REASONS = {
  shrunk: "the batch is smaller than promised",
  delayed: "its batch comes later, and another does not",
  asked: "somebody asked for it",
  edited: "its order was changed",
  expired: "its time was over",
};

/** Why something happened. */
export const reason = (name) => REASONS[name] ?? name ?? "no reason told";

const order = (event) => {
  const line = lineName(event.line, event.qty);
  return ["order ", link("orders", event.orderid ?? "?"), line ? `, line ${line}` : ""];
};
const batch = (name) => ["batch ", link("batches", name ?? "?")];
const of = (event) => (event.line_qty && event.line_qty !== event.qty ? ` (of ${number(event.line_qty)})` : "");
const until = (at) => (at ? [", held until ", time(at)] : []);

const EVENTS = {
  Allocated: (e) => ["Placed", [pieces(e.qty), of(e), " for ", order(e), " on ", batch(e.batchref), `, ${when(e.eta)}`, until(e.held_until)]],
  Confirmed: (e) => ["Confirmed", [pieces(e.qty), " held for ", order(e), e.batchref === null ? ", which waits for stock" : [" on ", batch(e.batchref)]]],
  HoldChanged: (e) => ["Held anew", [pieces(e.qty), " for ", order(e), until(e.held_until)]],
  Deallocated: (e) => ["Lost its place", [pieces(e.qty), " of ", order(e), " on ", batch(e.batchref), `: ${reason(e.reason)}`]],
  OutOfStock: (e) => [e.waiting ? "Waits" : "Refused", [pieces(e.qty), of(e), " for ", order(e),
    e.waiting ? ": no batch has enough, so the line waits" : ": no batch has enough"]],
  Shipped: (e) => ["Shipped", [pieces(e.qty), " of ", order(e), " from ", batch(e.batchref)]],
  Cancelled: (e) => ["Cancelled", [pieces(e.qty), " of ", order(e), e.batchref === null ? ", which waited" : [", free again on ", batch(e.batchref)],
    `: ${reason(e.reason)}`]],
  BatchCreated: (e) => ["New batch", [batch(e.batchref), ` with ${pieces(e.qty)}, ${when(e.eta)}`]],
  BatchQuantityChanged: (e) => ["Counted", [batch(e.batchref), ` holds ${pieces(e.qty)} in all now`]],
  BatchEtaChanged: (e) => ["New date", [batch(e.batchref), ` is ${when(e.eta)} (was ${when(e.was)})`]],
};

/** What happened: a word for it, and a sentence. Types that are not known here are told by their names. */
export function told(event) {
  const known = Object.hasOwn(EVENTS, event.type) ? EVENTS[event.type] : (e) => [String(e.type ?? "?"), [
    e.qty === undefined ? "" : pieces(e.qty), e.orderid === undefined ? [] : [" ", order(e)],
    e.batchref ? [" ", batch(e.batchref)] : []]];
  return known(event);
}
