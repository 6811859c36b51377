// What just happened, newest first, by itself; and what waits for a person: mails and dead letters.

import { desk, get, path } from "./api.js";
import { empty, h, link, put, section } from "./dom.js";
import { notice } from "./problem.js";
import { events, ofProduct } from "./past.js";
import { count, time } from "./words.js";

/** Between two looks at what is new. */
const EVERY = 1500;
/** How many are kept; the desk keeps as many. */
const KEPT = 500;

const pause = (signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, EVERY);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

/** Shows events as they come. */
export async function live(place, _, { signal, settings }) {
  const [state, list] = [h("p", { role: "status", class: "state" }), h("ol", { class: "events", role: "list" })];
  const nothing = h("div");
  put(place, h("h1", { tabindex: "-1" }, "What just happened"));
  if (!settings.topic) {
    place.append(withoutTopic());
    if (settings.product !== undefined) await pastInstead(place, settings.product, signal);
    return;
  }
  place.append(state, nothing, list);
  let [after, run, seen] = [0, undefined, 0];
  while (!signal.aborted) {
    try {
      const found = await desk(`events?after=${after}`, signal);
      // A desk that was started anew counts from the beginning.
      if (run !== undefined && run !== found.run) [after, seen] = [0, 0];
      if (run !== undefined && run !== found.run) put(list);
      const isNew = run === found.run || run === undefined;
      run = found.run;
      if (isNew) {
        seen = after = found.last;
        add(list, found.events);
      }
      tell(state, found.trouble ? `No connection to the topic: ${found.trouble}. The desk keeps trying.` : seen === 0 ? "Listening." : `Listening. ${count(seen, "event")} since the desk was started.`, found.trouble);
      put(nothing, list.children.length === 0 ? empty("Nothing has happened since the desk was started. Whatever changes is shown here within some seconds.") : null);
    } catch (error) {
      if (error.name === "AbortError") return;
      tell(state, `No connection: ${error.message} Trying again.`, true);
    }
    await pause(signal);
  }
}

function tell(state, text, isBad) {
  if (state.textContent !== text) state.textContent = text;
  state.className = isBad ? "state bad" : "state";
}

function add(list, found) {
  list.prepend(...events(found.map(({ event }) => event).toReversed(), true, (sku) => link("products", sku)));
  while (list.children.length > KEPT) list.lastChild.remove();
}

function withoutTopic() {
  return h("div", { class: "notice" },
    h("p", null, "This desk does not listen to the topic of events, so it can't tell what happens. Stop it, and start it with the stack's output EventsTopicArn:"),
    h("p", null, h("code", null, "cargo local desk --api URL --topic ARN")),
    h("p", null, "Without it, look up a product: its past is under its stock, and here for the one that was looked at last."));
}

async function pastInstead(place, sku, signal) {
  const past = h("div");
  place.append(section(["What happened to ", link("products", sku)], past));
  try {
    const { version } = await get(path("products", sku), signal);
    put(past, await ofProduct(sku, version, signal, { onRead() {}, onAll() {} }));
  } catch (error) {
    if (error.name !== "AbortError") put(past, notice(error, "This product could not be read"));
  }
}

/** Mails that the service sent, on the local stack. */
export async function mails(place, _, { signal, again }) {
  const shown = h("div");
  put(place, h("h1", { tabindex: "-1" }, "Mails"), h("p", null, "What the service sent to the buyers' desk. On the local stack no mail leaves this machine."), shown);
  await fill(shown, "mails", signal, again, "No mail was sent yet. One goes out when a line finds no stock.", (mail) => [
    h("h2", null, mail.subject || "(no subject)"), h("pre", { class: "letter" }, mail.text),
    h("p", { class: "facts" }, `from ${mail.from} to ${mail.to.join(", ") || "nobody"}`, mail.at ? [" · ", time(mail.at)] : null)]);
}

/** Messages that failed for the last time, on the local stack. */
export async function letters(place, _, { signal, again }) {
  const shown = h("div");
  put(place, h("h1", { tabindex: "-1" }, "Dead letters"),
    h("p", null, "Messages that failed for the last time and wait for somebody to look at them. The desk only reads them; docs/operations.md says what to do."), shown);
  await fill(shown, "letters", signal, again, "There are none: every message was handled.", (letter) => [
    h("h2", null, letter.queue), h("pre", { class: "letter" }, letter.body),
    h("p", null, letter.reason ? [h("strong", null, "Why: "), letter.reason] : "Why it failed is not known here: look for its id in the log."),
    h("p", { class: "facts" }, `message ${letter.id}`, letter.sent ? [" · sent ", time(letter.sent)] : null)]);
}

async function fill(shown, what, signal, again, nothing, cells) {
  try {
    const found = (await desk(what, signal))[what];
    put(shown, found.length === 0 ? empty(nothing) : found.map((one) => h("article", { class: "card" }, cells(one))));
  } catch (error) {
    if (error.name !== "AbortError") put(shown, notice(error, "They could not be read", again));
  }
}
