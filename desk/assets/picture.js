// The stock of a product by the day on which it comes, as a picture and as the same in a table.

import { h, s, table } from "./dom.js";
import { date, number, pieces } from "./words.js";

/** What pieces may be, from what is left to what is gone. */
const PARTS = [
  ["free", "free"],
  ["held", "held for a while"],
  ["allocated", "promised"],
  ["shipped", "shipped"],
];

/** How many bars are read at a glance. */
const BARS = 14;
const BAR = 22;
const GAP = 14;
const LABEL = 18;

/** Batches summed by the day they come: the warehouse first. Each is `{eta, free, held, allocated, shipped, batches}`. */
export function byDay(batches) {
  const days = new Map();
  for (const batch of batches) {
    const key = batch.eta ?? "";
    const day = days.get(key) ?? { eta: batch.eta ?? null, free: 0, held: 0, allocated: 0, shipped: 0, batches: 0 };
    const held = Math.min(batch.held ?? 0, batch.allocated ?? 0);
    day.free += batch.free ?? 0;
    day.held += held;
    day.allocated += (batch.allocated ?? 0) - held;
    day.shipped += batch.shipped ?? 0;
    day.batches += 1;
    days.set(key, day);
  }
  return [...days.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, day]) => ({ ...day, title: titleOf(day.eta) }));
}

const titleOf = (eta) => (eta === null ? "In the warehouse" : date(eta));

/** Days in few enough bars: by day, else by month, else by year, else the rest in one. */
export function inBars(days) {
  for (const length of [10, 7, 4]) {
    const bars = merged(days, (day) => (day.eta === null ? null : day.eta.slice(0, length)));
    if (bars.length <= BARS) return bars;
  }
  const years = merged(days, (day) => (day.eta === null ? null : day.eta.slice(0, 4)));
  return merged(years.map((year, at) => (at < BARS - 1 ? { ...year, key: at } : { ...year, key: "later", title: "later" })), (year) => year.key);
}

function merged(days, keyOf) {
  const bars = new Map();
  for (const day of days) {
    const key = keyOf(day);
    const bar = bars.get(key);
    if (bar === undefined) {
      bars.set(key, { ...day, title: typeof key === "string" && key.length < 10 && key !== "later" ? monthOrYear(key) : day.title });
      continue;
    }
    for (const part of ["free", "held", "allocated", "shipped", "batches"]) bar[part] += day[part];
  }
  return [...bars.values()];
}

const month = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
const monthOrYear = (key) => (key.length === 7 ? month.format(new Date(`${key}-01T00:00:00Z`)) : key);

const sumOf = (bar) => PARTS.reduce((sum, [part]) => sum + bar[part], 0);

/** Picture and table, for batches of a product. */
export function picture(sku, batches) {
  const days = byDay(batches);
  const bars = inBars(days);
  const known = PARTS.filter(([part]) => part !== "held" || days.some((day) => day.held > 0));
  const place = h("div", { class: "picture" });
  draw(place, sku, bars, known);
  const columns = [{ title: "Comes" }, ...known.map(([, title]) => ({ title, number: true })), { title: "batches", number: true }];
  const rows = bars.map((bar) => [bar.title, ...known.map(([part]) => number(bar[part])), number(bar.batches)]);
  return h("div", null, legend(known), place, h("details", null, h("summary", null, "The same as a table"),
    table(`Stock of ${sku} by the day it comes, in pieces`, columns, rows)));
}

function legend(known) {
  return h("ul", { class: "legend", "aria-hidden": "true" }, known.map(([part, title]) => h("li", null,
    s("svg", { width: 12, height: 12, viewBox: "0 0 12 12" }, s("rect", { width: 12, height: 12, rx: 2, class: `part ${part}` })), title)));
}

// Drawn anew when the width changes, so that text keeps its size.
function draw(place, sku, bars, known) {
  let drawn = 0;
  const paint = () => {
    const width = Math.max(240, Math.floor(place.clientWidth || 640));
    if (width === drawn) return;
    drawn = width;
    place.replaceChildren(drawing(sku, bars, known, width));
  };
  new ResizeObserver(paint).observe(place);
}

function drawing(sku, bars, known, width) {
  const most = Math.max(1, ...bars.map(sumOf));
  const height = bars.length * (LABEL + BAR + GAP);
  const told = bars.map((bar) => `${bar.title}: ${known.map(([part, title]) => `${number(bar[part])} ${title}`).join(", ")}`);
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "picture-title picture-text" },
    s("title", { id: "picture-title" }, `Stock of ${sku} by the day it comes`),
    s("desc", { id: "picture-text" }, `${told.join(". ")}.`),
    bars.map((bar, at) => barOf(bar, at * (LABEL + BAR + GAP), width, most, known)));
}

function barOf(bar, top, width, most, known) {
  let left = 0;
  const parts = known.filter(([part]) => bar[part] > 0).map(([part, title]) => {
    const wide = Math.max(2, (bar[part] / most) * (width - 2));
    const from = left;
    left += wide;
    return s("g", null, s("title", null, `${bar.title}: ${pieces(bar[part])} ${title}`),
      s("rect", { x: from, y: top + LABEL, width: Math.max(1, wide - 1), height: BAR, class: `part ${part}` }),
      inside(number(bar[part]), from, top + LABEL + BAR / 2 + 4, wide, part));
  });
  return s("g", null, s("text", { x: 0, y: top + 12, class: "label" }, bar.title),
    s("text", { x: width, y: top + 12, class: "label end" }, `${number(bar.free)} free of ${number(sumOf(bar))}`), parts,
    parts.length === 0 ? s("rect", { x: 0, y: top + LABEL, width: 2, height: BAR, class: "part none" }) : null);
}

// A figure is written into its part where there is room for it.
function inside(text, left, y, wide, part) {
  return wide > text.length * 8 + 8 ? s("text", { x: left + 6, y, class: `figure ${part}` }, text) : null;
}

