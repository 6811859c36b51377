// Shows the view that the address names, and moves the focus to its heading.

import { desk } from "./api.js";
import { batch } from "./batch.js";
import { address, h, put, section } from "./dom.js";
import { addBatch, allocate } from "./forms.js";
import { letters, live, mails } from "./live.js";
import { order } from "./order.js";
import { notice } from "./problem.js";
import { product } from "./product.js";

const VIEWS = { "": start, products: product, orders: order, batches: batch, live, mails, letters };

/** Those that are about a name. */
const NAMED = ["products", "orders", "batches"];

const main = document.getElementById("main");
let settings;
let current = new AbortController();

/** What the address says: `#/products/a%2Fb` is `["products", "a/b"]`. */
function asked() {
  const [, kind = "", ...rest] = location.hash.split("/");
  const name = rest.join("/");
  try {
    return [kind, decodeURIComponent(name)];
  } catch {
    // Somebody typed a % that escapes nothing.
    return [kind, name];
  }
}

async function show({ keepFocus } = {}) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  if (settings === undefined && !(await settle(signal))) return;
  const [kind, name] = asked();
  const view = Object.hasOwn(VIEWS, kind) ? VIEWS[kind] : undefined;
  const isNamed = NAMED.includes(kind);
  mark(kind, isNamed ? name : "");
  const again = () => show();
  try {
    if (view === undefined || (isNamed && name === "")) nowhere();
    else {
      const shown = view(main, name, { signal, settings, again });
      // The heading is there at once, what is asked for comes later.
      arrived(keepFocus);
      await shown;
    }
  } catch (error) {
    if (signal.aborted) return;
    put(main, h("h1", { tabindex: "-1" }, "Something went wrong"), notice(error, "This view could not be shown", again));
  }
  if (!signal.aborted) main.dataset.shown = location.hash;
}

function arrived(keepFocus) {
  delete main.dataset.shown;
  const heading = main.querySelector("h1");
  document.title = `${heading?.textContent ?? ""} · The desk`;
  window.scrollTo(0, 0);
  if (!keepFocus) heading?.focus();
}

async function settle(signal) {
  try {
    settings = await desk("settings", signal);
  } catch (error) {
    put(main, h("h1", { tabindex: "-1" }, "The desk"), notice(error, "The desk can't be asked", () => show()));
    return false;
  }
  const mode = document.getElementById("mode");
  mode.textContent = settings.write ? "may change things" : "looks only";
  mode.hidden = false;
  for (const id of ["nav-mails", "nav-letters"]) document.getElementById(id).hidden = !settings.emulator;
  return true;
}

function mark(kind, name) {
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${kind}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (name === "") return;
  document.getElementById("search-what").value = kind;
  document.getElementById("search-name").value = name;
}

function nowhere() {
  put(main, h("h1", { tabindex: "-1" }, "There is no such view"), h("p", null, "Look something up above, or go to the ", h("a", { href: "#/" }, "start"), "."));
  arrived();
}

async function start(place, _, { again }) {
  const rows = [["A product", "by its SKU: what is free now, what comes, who waits, and what became of it."],
    ["An order", "by its id: its lines, where their pieces are, and when they come."],
    ["A batch", "by its reference: what is in it, and who is on it."]];
  put(place, h("h1", { tabindex: "-1" }, "What would you like to know?"),
    h("p", null, "Type a name above. Every name that is shown is a link."),
    h("dl", { class: "help" }, rows.map(([what, text]) => [h("dt", null, what), h("dd", null, text)])),
    settings.write ? section("Do something", addBatch({}, again), allocate({}, again)) : null,
    h("p", { class: "facts" }, `The service at ${settings.api}. `, settings.write ? "This desk may change things." : "This desk looks only: it was started without --write."));
}

document.getElementById("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = document.getElementById("search-name").value.trim();
  if (name === "") {
    document.getElementById("search-name").focus();
    return;
  }
  const target = address(document.getElementById("search-what").value, name);
  if (location.hash === target) show();
  else location.hash = target;
});
document.getElementById("skip").addEventListener("click", (event) => {
  // The address belongs to the views.
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", () => show());
show({ keepFocus: true });
