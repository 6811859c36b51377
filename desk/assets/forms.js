// What changes something. Each form shows the service's own answer, and keeps what was typed when it refuses.

import { Problem, change, path } from "./api.js";
import { h, put, say } from "./dom.js";
import { notice } from "./problem.js";

let ids = 0;

function field(name, title, { hint, ...properties } = {}) {
  const id = `field-${(ids += 1)}`;
  const input = h("input", { id, name, spellcheck: "false", autocomplete: "off", "aria-describedby": hint && `${id}-hint`, ...properties });
  return h("div", { class: "field" }, h("label", { for: id }, title), input, hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null);
}

const named = (name, title, properties) => field(name, title, { required: true, maxlength: 255, ...properties });
const quantity = (title, properties) => field("qty", title, { type: "number", min: 1, max: 4294967295, step: 1, required: true, inputmode: "numeric", ...properties });

/** A form folded away until it is wanted. `send(values)` asks the service; `done` is called once it has agreed. */
function form(title, fields, button, send, done) {
  const answer = h("div", { class: "answer" });
  const submit = h("button", { type: "submit" }, button);
  const shown = h("form", null, fields, h("p", null, submit), answer);
  const run = async () => {
    submit.disabled = true;
    try {
      const { status, body, replayed } = await send(Object.fromEntries(new FormData(shown)));
      succeeded(answer, title, status, body, replayed, done);
    } catch (error) {
      refused(answer, error, title, run);
    } finally {
      submit.disabled = false;
    }
  };
  shown.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  return h("details", { class: "action" }, h("summary", null, title), shown);
}

function refused(answer, error, title, again) {
  const problem = error instanceof Problem ? error : new Problem(0, undefined, String(error.message ?? error));
  const stored = problem.answer?.stored;
  put(answer, notice(problem, `${title}: refused`, again), stored ? h("p", { class: "facts" }, `Stored: ${JSON.stringify(stored)}`) : null);
  focus(answer);
}

function succeeded(answer, title, status, body, replayed, done) {
  const what = replayed ? "was done before; nothing was changed by this request" : body?.applied === false ? "not applied: a newer change is known" : "done";
  say(`${title}: ${what}`);
  put(answer, h("div", { class: "notice good" }, h("p", null, h("strong", null, `${title}: ${what}`)),
    h("p", { class: "facts" }, `status ${status}, ${JSON.stringify(body)}`.slice(0, 400)),
    h("p", null, h("button", { type: "button", onclick: () => done() }, "Show it as it is now"))));
  focus(answer);
}

function focus(answer) {
  answer.tabIndex = -1;
  answer.focus();
}

/** Empty fields are left out. */
const given = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));

/** Adds a batch. */
export function addBatch({ sku }, done) {
  return form("Add a batch", [
    named("ref", "Reference of the batch", { hint: "Its own name, such as that of the delivery." }),
    named("sku", "Product (SKU)", { value: sku }),
    quantity("Pieces"),
    field("eta", "Comes on", { type: "date", hint: "Empty: it lies in the warehouse." }),
  ], "Add this batch", (values) => change("POST", "api/batches", { ...values, eta: values.eta || null }), done);
}

/** Allocates a line. */
export function allocate({ sku, orderid }, done) {
  return form("Allocate a line", [
    named("orderid", "Order", { value: orderid }),
    named("sku", "Product (SKU)", { value: sku }),
    quantity("Pieces"),
    field("line", "Name of the line", { maxlength: 255, hint: "May be empty: its quantity is its name then." }),
  ], "Allocate this line", (values) => change("POST", "api/allocate", given(values), { prefer: "return=representation" }), done);
}

/** Changes quantity or ETA of a batch. */
export function changeBatch(ref, batches, done) {
  const id = `field-${(ids += 1)}`;
  const products = h("div", { class: "field" }, h("label", { for: id }, "Product (SKU)"),
    h("select", { id, name: "sku" }, batches.map(({ sku }) => h("option", { value: sku }, sku))));
  const counted = (name, title, hint) => field(name, title, { type: "number", min: 0, max: 4294967295, step: 1, inputmode: "numeric", hint });
  const body = ({ sku, qty, on_hand: onHand, eta, arrived }) => ({ ...given({ sku, eta }), ...(qty === "" ? {} : { qty: Number(qty) }),
    ...(onHand === "" ? {} : { on_hand: Number(onHand) }), ...(arrived ? { eta: null } : {}) });
  const box = `field-${(ids += 1)}`;
  const place = path("batches", ref);
  return form("Change quantity or date", [products,
    counted("qty", "Pieces it ever held", "All of them, shipped ones too. Empty: stays as it is."),
    counted("on_hand", "or pieces on the shelf", "Without shipped ones. Fill in one of the two."),
    field("eta", "Comes on", { type: "date", hint: "Empty: stays as it is." }),
    h("div", { class: "field check" }, h("input", { type: "checkbox", id: box, name: "arrived" }), h("label", { for: box }, "It has arrived in the warehouse")),
  ], "Change this batch", (values) => change("PATCH", place, body(values)), done);
}

/** Ships a line, or gives it back. */
export function endLine(orderid, line, done) {
  const ends = ["shipped", "cancelled"].includes(line.state);
  if (ends) return "";
  const body = { orderid, sku: line.sku, ...(line.line === undefined ? { qty: line.qty } : { line: line.line }) };
  const about = `${line.qty} of ${line.sku}, line ${line.line ?? line.qty}`;
  const ship = ask({ title: "Ship this line", text: `All of ${about}: it went to its customer. It can't be given back afterwards.`, yes: "Yes, it is shipped",
    short: "Ship", send: () => change("POST", "api/ship", body), done });
  const cancel = ask({ title: "Give this line back", text: `All of ${about}: its pieces go to whoever waits, and the line is not allocated again.`,
    yes: "Yes, give it back", short: "Give back", send: () => change("POST", "api/deallocate", body), done });
  return h("div", { class: "buttons" }, line.state === "allocated" ? ship : null, cancel);
}

/** Cancels an order. */
export function cancelOrder(orderid, done) {
  return h("div", { class: "action" }, ask({ title: `Cancel order ${orderid}`, text: "All its lines that are not shipped are given back, and the order never gets a line again. This can't be undone.",
    yes: "Yes, cancel the order", short: "Cancel the order", send: () => change("DELETE", path("orders", orderid)), done, kind: "danger" }));
}

/** A button that asks first, in a dialog: by keyboard, Escape says no. */
function ask({ title, text, yes, short, send, done, kind }) {
  const id = `field-${(ids += 1)}`;
  const answer = h("div", { class: "answer" });
  const no = h("button", { type: "button", onclick: () => dialog.close() }, "No, leave it");
  const go = h("button", { type: "button", class: "danger", onclick: () => run() }, yes);
  const dialog = h("dialog", { "aria-labelledby": id }, h("h2", { id }, title), h("p", null, text), h("p", { class: "buttons" }, no, go), answer);
  let isDone = false;
  dialog.addEventListener("close", () => isDone && done());
  const run = async () => {
    go.disabled = true;
    try {
      const { status, body, replayed } = await send();
      isDone = true;
      go.hidden = true;
      no.textContent = "Close";
      succeeded(answer, title, status, body, replayed, () => dialog.close());
    } catch (error) {
      refused(answer, error, title, run);
    } finally {
      go.disabled = false;
    }
  };
  const open = () => {
    put(answer);
    dialog.showModal();
    no.focus();
  };
  return h("span", null, h("button", { type: "button", class: kind, onclick: open }, short), dialog);
}
