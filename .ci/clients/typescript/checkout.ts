// API=http://.. node checkout.ts ORDERID

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

type Line = { line: string; sku: string; qty: number };
type Placed = Line & { state: string };
type Short = Line & { free: number; incoming: { eta: string; free: number }[] };

const API = process.env.API ?? assert.fail("no API");
const orderid = process.argv[2] ?? assert.fail("no ORDERID");
const name = encodeURIComponent(orderid); // as it stands in paths and headers
const headers = { accept: "application/json", "content-type": "application/json", "x-correlation-id": name };

async function send(method: string, path: string, body: unknown) {
  const signal = AbortSignal.timeout(30_000);
  const answer = await fetch(API + path, { method, headers, body: JSON.stringify(body), signal });
  return { status: answer.status, text: await answer.text(), retryAfter: answer.headers.get("retry-after") };
}

/** Asks until there is an answer. Every request may be repeated: it has its effect once. */
async function ask(method: string, path: string, body?: unknown) {
  for (let attempt = 0; attempt < 6; attempt++) {
    const noAnswer = (error: unknown) => void console.log(`no answer, so it may be done or not: ${error}`);
    const sent = await send(method, path, body).catch(noAnswer);
    if (sent && ![429, 502, 503, 504].includes(sent.status) && (sent.status !== 500 || sent.text.includes('"code"'))) {
      return { status: sent.status, answer: JSON.parse(sent.text) };
    }
    await sleep(1_000 * Number(sent?.retryAfter ?? 0) + (100 + 100 * Math.random()) * 2 ** attempt);
  }
  throw new Error(`${method} ${path}: nobody knows yet what became of it`);
}

/** The order's lines; or those that are short, and the order is as it was. */
async function put(version: number, lines: Line[], how: object = {}): Promise<{ placed?: Placed[]; short?: Short[] }> {
  const { status, answer } = await ask("PUT", `/orders/${name}`, { version, lines, ...how });
  const isShort = status === 409 && answer.code === "out_of_stock";
  assert(status === 200 || isShort, JSON.stringify(answer));
  for (const line of answer.lines) console.log(isShort ? "short:" : "has:  ", JSON.stringify(line));
  return isShort ? { short: answer.lines } : { placed: answer.lines };
}

const basket = [{ line: "L1", sku: "OAK-TABLE", qty: 1 }, { line: "L2", sku: "OAK-CHAIR", qty: 4 },
  { line: "L3", sku: "DESK-LAMP", qty: 5 }];

console.log("Before the order:");
// What the buyer sees, and whether it is enough. Nothing is written, and nothing held.
await put(1, basket, { dry_run: true });
console.log("The order:");
let { placed, short } = await put(1, basket);
if (short) {
  // As many as lie there. If they are gone by now, or lie in two batches, the order goes without the line.
  const free = new Map(short.map(({ line, free }) => [line, free]));
  const fewer = basket.map((line) => ({ ...line, qty: Math.min(line.qty, free.get(line.line) ?? line.qty) }));
  ({ placed } = await put(2, fewer.filter(({ qty }) => qty > 0), { if_short: "partial" }));
}

console.log("Two more chairs:");
// The rest goes back as it was told. Fields that a request does not know are ignored.
assert(placed);
const more = placed.map((line) => (line.sku === "OAK-CHAIR" ? { ...line, qty: 6 } : line));
const edited = await put(3, more);
assert(edited.placed);
console.log("The same again, as if that answer had been lost:");
assert.deepEqual(await put(3, more), edited);

const found = await ask("GET", `/orders/${name}`);
assert.deepEqual(found.answer.lines, edited.placed);
assert.deepEqual(edited.placed.map(({ line, qty }) => [line, qty]).sort(), [["L1", 1], ["L2", 6], ["L3", 3]]);
for (const { sku, line } of edited.placed) {
  const { status, answer } = await ask("POST", "/ship", { orderid, sku, line });
  assert.equal(status, 200, JSON.stringify(answer));
}
const { answer } = await ask("GET", `/orders/${name}`);
assert.deepEqual(answer.lines.map(({ state }: Placed) => state), ["shipped", "shipped", "shipped"]);
console.log(`${orderid} is shipped`);
