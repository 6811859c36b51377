// One order: its lines, where their pieces are, and its past.

import { get, path } from "./api.js";
import { empty, h, link, put, say, section } from "./dom.js";
import { allocate, cancelOrder, endLine } from "./forms.js";
import { growing, paged } from "./pages.js";
import { ofOrder } from "./past.js";
import { notice } from "./problem.js";
import { comes, held, lineName, number, pieces, state } from "./words.js";

/** Shows an order. */
export async function order(place, orderid, { signal, settings, again }) {
  const [lines, past, actions] = [h("div"), h("div"), h("div")];
  put(place, h("h1", { tabindex: "-1" }, h("span", { class: "kindof" }, "Order "), orderid),
    section("Lines", lines), settings.write ? section("Do something", actions) : null, section("Its past", past));
  if (settings.write) put(actions, allocate({ orderid }, again), cancelOrder(orderid, again));
  const told = async () => put(past, await ofOrder(orderid, signal, (sku) => link("products", sku)));
  await Promise.all([fillLines(lines, orderid, { signal, settings, again }), told()]);
}

async function fillLines(place, orderid, { signal, settings, again }) {
  let first;
  try {
    first = await get(path("orders", orderid, "", { limit: 100 }), signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    const unknown = error.code === "unknown_order";
    if (unknown) say(`Nobody asked for order ${orderid}`);
    put(place, unknown ? empty("Nobody asked for an order ", h("strong", null, orderid),
      ", or its lines are on the queue still, were refused, or ended so long ago that they are forgotten.")
      : notice(error, "This order could not be read", again));
    return;
  }
  if (!Array.isArray(first.lines) || first.orderid === undefined) {
    put(place, empty("An order whose name ends like the name of a list can't be shown: the service answers with the list."));
    return;
  }
  const read = async (query) => (query.after === undefined ? first : get(path("orders", orderid, "", query), signal));
  const columns = [{ title: "Product" }, { title: "Line" }, { title: "Wants", number: true }, { title: "State" }, { title: "Where its pieces are" },
    ...(settings.write ? [{ title: "Do" }] : [])];
  const cells = (line) => [link("products", line.sku), lineName(line.line, line.qty), pieces(line.qty), stateOf(line), parts(line),
    ...(settings.write ? [endLine(orderid, line, again)] : [])];
  put(place, await growing({ caption: "What it asked for, and where the pieces are", columns, noun: ["line", "lines"], more: paged(read, cells),
    nothing: "The order is known, and has no lines: it was cancelled." }));
}

function stateOf(line) {
  return [state(line.state), held(line)];
}

function parts({ parts: list, qty, state: name }) {
  if (!list || list.length === 0) return name === "waiting" ? "nowhere yet" : "";
  const placed = list.reduce((sum, part) => sum + part.qty, 0);
  const items = list.map((part) => h("li", null, list.length > 1 || placed < qty ? [pieces(part.qty), " on "] : null, link("batches", part.batchref), ", ",
    comes(part.eta)));
  const missing = name === "waiting" && placed < qty ? h("li", null, `${number(qty - placed)} more: nowhere yet`) : null;
  return h("ul", { class: "parts" }, items, missing);
}
