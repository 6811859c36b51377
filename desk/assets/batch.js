// One batch, or all that have a reference: their counters, and who is on them.

import { get, path } from "./api.js";
import { empty, h, link, put, say, section } from "./dom.js";
import { changeBatch } from "./forms.js";
import { growing, paged, sliced } from "./pages.js";
import { notice } from "./problem.js";
import { comes, count, held, lineName, number, pieces } from "./words.js";

/** Shows a batch. */
export async function batch(place, ref, { signal, settings, again }) {
  const [counters, lines] = [h("div"), h("div")];
  const actions = h("div");
  put(place, h("h1", { tabindex: "-1" }, h("span", { class: "kindof" }, "Batch "), ref), section("What is in it", counters),
    section("Who is on it", lines), settings.write ? section("Do something", actions) : null);
  let found;
  try {
    found = await get(path("batches", ref), signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    const unknown = error.code === "unknown_batch";
    if (unknown) say(`There is no batch ${ref}`);
    put(counters, unknown ? empty("There is no batch with the reference ", h("strong", null, ref), ".")
      : notice(error, "This batch could not be read", again));
    return;
  }
  if (!Array.isArray(found.batches)) {
    put(counters, empty("A batch whose reference ends like the name of a list can't be shown: the service answers with the list."));
    return;
  }
  if (settings.write) put(actions, changeBatch(ref, found.batches, again));
  say(`Batch ${ref}: ${count(found.batches.length, "product")}`);
  put(counters, await inIt(ref, found.batches));
  put(lines, await onIt(ref, found.batches, signal));
}

function inIt(ref, batches) {
  const columns = [{ title: "Product" }, { title: "Comes" }, { title: "Free", number: true }, { title: "Promised", number: true },
    { title: "Shipped", number: true }, { title: "In all", number: true }];
  const cells = (one) => [link("products", one.sku), comes(one.eta), number(one.free), number(one.allocated), number(one.shipped), number(one.purchased)];
  return growing({ caption: `What is in batch ${ref}, in pieces`, columns, total: batches.length, noun: ["product", "products"],
    more: sliced(batches, cells), nothing: "Nothing." });
}

function onIt(ref, batches, signal) {
  const columns = [{ title: "Order" }, { title: "Product" }, { title: "Line" }, { title: "Has here", number: true }, { title: "Since" }];
  const cells = (line) => [link("orders", line.orderid), link("products", line.sku), lineName(line.line, line.qty),
    line.batchqty < line.qty ? `${number(line.batchqty)} of ${pieces(line.qty)}` : pieces(line.batchqty), 
    [`version ${number(line.since)}`, held(line)]];
  const promised = batches.reduce((sum, one) => sum + one.allocated, 0);
  const read = (query) => get(path("batches", ref, "/lines", query), signal);
  return growing({ caption: `Lines with pieces on batch ${ref}: by product, and there the first gives way first`, columns, noun: ["line", "lines"],
    more: paged(read, cells), nothing: promised > 0 ? "Nobody to show: what is promised there is about to be given back." : "Nobody has a piece of it." });
}
