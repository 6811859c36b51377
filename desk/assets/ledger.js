// What a product's whole past adds up to: every batch, full ones too, with what is held of it. The rules are those of a read
// model in docs/integrating.md; they hold only if no event is missing.

/** Batches as `{ref, eta, purchased, allocated, shipped, free, held}`, of all events in their order. */
export function ledger(events) {
  const batches = new Map();
  const lines = new Map();
  for (const event of events) {
    const batch = batches.get(event.batchref);
    const rule = Object.hasOwn(RULES, event.type) ? RULES[event.type] : undefined;
    rule?.(event, batch, batches, lineOf(lines, event));
  }
  for (const line of lines.values()) {
    if (line.held) for (const [ref, qty] of line.on) batches.get(ref).held += qty;
  }
  return [...batches.values()].map((batch) => ({ ...batch, free: batch.purchased - batch.allocated - batch.shipped }));
}

function lineOf(lines, { orderid, line }) {
  const key = JSON.stringify([orderid, line]);
  if (!lines.has(key)) lines.set(key, { held: false, on: new Map() });
  return lines.get(key);
}

function move(line, ref, qty) {
  const left = (line.on.get(ref) ?? 0) + qty;
  if (left > 0) line.on.set(ref, left);
  else line.on.delete(ref);
}

function leave({ batchref, qty }, batch, line) {
  if (batch === undefined) return;
  batch.allocated -= qty;
  move(line, batchref, -qty);
}

const RULES = {
  BatchCreated: ({ batchref: ref, eta, qty }, _, batches) => batches.set(ref, { ref, eta, purchased: qty, allocated: 0, shipped: 0, held: 0 }),
  BatchQuantityChanged: ({ qty }, batch) => batch && (batch.purchased = qty),
  BatchEtaChanged: ({ eta }, batch) => batch && (batch.eta = eta),
  Allocated: (event, batch, _, line) => {
    line.held = Boolean(event.held_until);
    if (batch === undefined) return;
    batch.allocated += event.qty;
    move(line, event.batchref, event.qty);
  },
  Confirmed: (event, batch, _, line) => { line.held = false; },
  HoldChanged: (event, batch, _, line) => { line.held = true; },
  Deallocated: (event, batch, _, line) => leave(event, batch, line),
  Shipped: (event, batch, _, line) => {
    leave(event, batch, line);
    if (batch !== undefined) batch.shipped += event.qty;
  },
  Cancelled: (event, batch, _, line) => leave(event, batch, line),
};
