// One product: what is free, what comes, who waits, and its past.

import { get, path } from "./api.js";
import { empty, h, link, put, say, section } from "./dom.js";
import { addBatch, allocate } from "./forms.js";
import { ledger } from "./ledger.js";
import { growing, paged, sliced } from "./pages.js";
import { ofProduct } from "./past.js";
import { picture } from "./picture.js";
import { notice } from "./problem.js";
import { comes, count, held, lineName, number, pieces, time, when } from "./words.js";

/** When versions were made, as far as the past that was read tells; their numbers till then. */
function versions() {
  const [known, asked] = [new Map(), []];
  const fill = ({ place, version }) => put(place, known.has(version) ? time(known.get(version)) : `version ${number(version)}`);
  return {
    at(version) {
      const one = { place: h("span"), version };
      asked.push(one);
      fill(one);
      return one.place;
    },
    learn(events) {
      for (const { version, at } of events) known.set(version, at);
      asked.forEach(fill);
    },
  };
}

/** Shows a product. */
export async function product(place, sku, { signal, settings, again }) {
  const shown = h("div");
  const forms = settings.write ? section("Do something", addBatch({ sku }, again), allocate({ sku }, again)) : null;
  put(place, h("h1", { tabindex: "-1" }, h("span", { class: "kindof" }, "Product "), sku), shown, forms);
  let found;
  try {
    found = await get(path("products", sku), signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    const unknown = error.code === "unknown_sku";
    put(shown, unknown ? unknownProduct(sku) : notice(error, "This product could not be read", again));
    if (unknown) say(`No batch ever had the SKU ${sku}`);
    return;
  }
  if (!Array.isArray(found.batches)) {
    put(shown, empty("A product whose name ends like the name of a list can't be shown: the service answers with the list."));
    return;
  }
  await fillProduct(shown, sku, found, signal);
}

const unknownProduct = (sku) => empty("No batch ever had the SKU ", h("strong", null, sku),
  ". Upper and lower case count. Where somebody orders it, it is refused until a batch is added.");

async function fillProduct(shown, sku, found, signal) {
  const stock = h("div", null, found.batches.length > 0 ? picture(sku, found.batches)
    : empty("No batch has a free piece."));
  const note = h("p", { class: "facts" }, "Batches with free stock only: full ones are not among them.");
  const whole = (events) => {
    const batches = ledger(events);
    put(stock, picture(sku, batches));
    put(note, "All batches that this product ever had, full ones too, as its whole past tells them.");
  };
  const [waiting, batches, past] = [h("div"), h("div"), h("div")];
  const times = versions();
  put(shown, figures(found), section("Stock by the day it comes", stock, note), section("Open batches", batches),
    section("Who waits", waiting), section("Its past", past));
  say(`${sku}: ${pieces(found.free)} free now, ${count(found.waiting.lines)} waiting`);
  const parts = [openBatches(sku, found.batches), whoWaits(sku, found, signal, times), ofProduct(sku, found.version, signal, { onRead: times.learn, onAll: whole })];
  await Promise.all(parts.map(async (part, at) => put([batches, waiting, past][at], await part)));
}

function figure(title, value, ...more) {
  return h("div", { class: "figure" }, h("dt", null, title), h("dd", null, h("span", { class: "big" }, value), h("span", { class: "more" }, more)));
}

function figures({ free, incoming, waiting, batches, held: kept }) {
  const coming = incoming.reduce((sum, { free: qty }) => sum + qty, 0);
  const next = incoming[0];
  const largest = batches.reduce((most, batch) => Math.max(most, batch.free), 0);
  return h("dl", { class: "figures" },
    figure("Free now", number(free), free === 1 ? "piece in the warehouse that nobody has" : "pieces in the warehouse that nobody has"),
    figure("Coming", number(coming), coming === 0 ? "no free piece is on its way" : [`free ${coming === 1 ? "piece" : "pieces"}; next ${number(next.free)}, `, when(next.eta)]),
    figure("Waiting", number(waiting.qty), waiting.lines === 0 ? "nobody waits" : `${waiting.qty === 1 ? "piece" : "pieces"} promised without stock, in ${count(waiting.lines)}`),
    kept === undefined ? null : figure("Held", number(kept.qty), `${kept.qty === 1 ? "piece" : "pieces"} promised for a while, in ${count(kept.lines)}`),
    figure("Largest free line", number(largest), "pieces: the most that one batch has free, and so the most that one line gets"));
}

function openBatches(sku, batches) {
  const columns = [{ title: "Batch" }, { title: "Comes" }, { title: "Free", number: true }, { title: "Promised", number: true },
    { title: "Shipped", number: true }, { title: "In all", number: true }];
  const cells = (batch) => [link("batches", batch.ref), comes(batch.eta), number(batch.free), number(batch.allocated), number(batch.shipped),
    number(batch.purchased)];
  return growing({ caption: `Batches of ${sku} with free stock, in the order in which they are used; in pieces`, columns, total: batches.length,
    noun: ["batch", "batches"], more: sliced(batches, cells), nothing: "No batch of it has free stock." });
}

function whoWaits(sku, { waiting }, signal, times) {
  const columns = [{ title: "Order" }, { title: "Line" }, { title: "Waits for", number: true }, { title: "Since" }];
  const cells = (line) => [link("orders", line.orderid), lineName(line.line, line.qty), pieces(line.qty), [times.at(line.since), held(line)]];
  const read = (query) => get(path("products", sku, "/waiting", query), signal);
  return growing({ caption: `Lines that wait for ${sku}: the first is served first`, columns, total: waiting.lines, noun: ["line", "lines"],
    more: paged(read, cells), nothing: "Nobody waits for it." });
}
