// Builds what is shown. Text goes in as text nodes alone, so a name that looks like markup is shown as it is.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element of HTML: attributes, `onclick` and its like as listeners, then children. */
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An element of SVG. */
export function s(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

/** Replaces what is in an element. */
export function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Tells those who hear the page instead of seeing it. */
export function say(text) {
  const said = document.getElementById("said");
  // The same text again would not be read out.
  said.textContent = said.textContent === text ? `${text}\u00a0` : text;
}

/** A link to a view of the page: `link("orders", "o1")`. */
export function link(kind, name, text = name) {
  return h("a", { href: address(kind, name), class: "name" }, text);
}

/** Where a view is. Names may hold anything: slashes, `%`, `#`, quotes. */
export function address(kind, name) {
  return `#/${kind}/${encoded(name)}`;
}

/** A name as it stands in a path. Half a surrogate pair, which is no text, becomes U+FFFD, which is no name. */
export function encoded(name) {
  return encodeURIComponent(name.toWellFormed ? name.toWellFormed() : name);
}

/**
 * A table whose first column heads its rows. Columns are `{title, number}`. Roles are named, because a phone shows rows as
 * cards, and an element that is laid out otherwise is no table any more to those who hear it.
 */
export function table(caption, columns, rows) {
  const head = columns.map(({ title, number }) => h("th", { scope: "col", role: "columnheader", class: number && "number" }, title));
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { role: "table" }, h("caption", null, caption), h("colgroup", null, columns.map(() => h("col"))),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)), h("tbody", { role: "rowgroup" }, rows.map((cells) => row(columns, cells)))));
}

/** A row of such a table. */
export function row(columns, cells) {
  return h("tr", { role: "row" }, cells.map((cell, at) => at === 0
    ? h("th", { scope: "row", role: "rowheader" }, cell)
    : h("td", { role: "cell", class: columns[at]?.number && "number", "data-title": columns[at]?.title }, cell)));
}

/** Keeps the columns of a table as wide as they are: a browser would measure all rows again for each that is added. */
export function freeze(shown) {
  const whole = shown.querySelector("table");
  if (whole.classList.contains("frozen")) return;
  const widths = [...whole.querySelectorAll("thead th")].map((cell) => cell.offsetWidth);
  whole.querySelectorAll("col").forEach((column, at) => column.setAttribute("width", widths[at]));
  whole.classList.add("frozen");
}

/** A part of a view, with its heading. */
export function section(title, ...children) {
  return h("section", null, h("h2", null, title), children);
}

/** What to say where there is nothing to show. */
export function empty(...text) {
  return h("p", { class: "empty" }, text);
}
