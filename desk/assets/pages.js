// Lists that may be long: some rows are shown, and more when asked for.

import { empty, freeze, h, put, row, say, table } from "./dom.js";
import { notice } from "./problem.js";
import { count } from "./words.js";

/** How many rows are shown at first. */
const FIRST = 100;
/** How many are added each time. */
const STEP = 500;

/**
 * A table whose rows come in pages. `more()` answers `{rows, more}`: cells of the next rows, and whether there are others.
 * The first page is asked for at once.
 */
export async function growing({ caption, columns, more, nothing, total, noun = ["row", "rows"] }) {
  const shown = table(caption, columns, []);
  const body = shown.querySelector("tbody");
  const tally = h("p", { class: "tally" });
  const trouble = h("div");
  const button = h("button", { type: "button", onclick: () => grow() }, "Show more");
  const place = h("div", null, shown, tally, trouble, button);
  const grow = async () => {
    button.disabled = true;
    try {
      const page = await more();
      const before = body.rows.length;
      if (before > 0) freeze(shown);
      body.append(...page.rows.map((cells) => row(columns, cells)));
      put(trouble);
      const many = count(body.rows.length, ...noun);
      put(tally, total !== undefined && page.more ? `${many} of ${count(total, ...noun)}` : page.more ? `${many}; there are more` : `${many} in all`);
      button.hidden = !page.more;
      if (before > 0) {
        say(tally.textContent);
        if (!page.more) focusOn(body.rows[before]);
      }
      if (body.rows.length === 0 && !page.more) put(place, empty(nothing));
    } catch (error) {
      if (error.name === "AbortError") return;
      put(trouble, notice(error, "There is more, but it could not be read", grow));
    } finally {
      button.disabled = false;
    }
  };
  await grow();
  return place;
}

// The button that had the focus is gone: go on at the first new row.
function focusOn(element) {
  if (!element) return;
  element.tabIndex = -1;
  element.focus();
}

/** How many rows to ask for next. */
const wanted = (at) => (at === 0 ? FIRST : STEP);

/** Rows that are all here already. */
export function sliced(items, cells) {
  let at = 0;
  return async () => {
    const rows = items.slice(at, at + wanted(at)).map(cells);
    at += rows.length;
    return { rows, more: at < items.length };
  };
}

/** Rows of the service's pages: `read({after, limit})` answers one of its pages, whose list is `lines`. */
export function paged(read, cells) {
  let [after, at] = [undefined, 0];
  return async () => {
    const page = await read({ after, limit: wanted(at) });
    after = page.next ?? undefined;
    const found = page.lines ?? [];
    at += found.length;
    return { rows: found.map(cells), more: after !== undefined };
  };
}
