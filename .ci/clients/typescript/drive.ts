// Drives the API with openapi-fetch, by the types that openapi-typescript makes of docs/openapi.json:
//
//     node out/drive.js API_URL RUN
//
// RUN makes the names of one run its own.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

type Problem = components["schemas"]["Error"];
type Message = components["schemas"]["Message"];

const [url, run] = process.argv.slice(2);
// Without `accept`, an answer that has nothing to tell is the text OK, which openapi-fetch can't read.
const api = createClient<paths>({ baseUrl: url, headers: { accept: "application/json" } });

const sku = `CLOCK 1/50%+é ${run}`;
const ref = `batch 1/50%+é ${run}`;
const orderid = `order 1/50%+é ${run}`;

const allocate = (line: components["schemas"]["OrderLine"], prefer?: string) =>
  api.POST("/allocate", { params: { header: prefer ? { Prefer: prefer } : {} }, body: line });

interface Answer {
  error?: Problem | Message;
  response: Response;
}

function refused({ error, response }: Answer, status: number, code: Problem["code"]): Problem {
  assert.equal(response.status, status);
  // What the gateway refuses has a message alone.
  assert(error && "code" in error);
  assert.equal(error.code, code);
  return error;
}

const isReplayed = ({ response }: Answer) => response.headers.get("idempotent-replayed") === "true";

const states = (lines?: { line: string; state: string }[]) => lines?.map(({ line, state }) => [line, state]);

// A batch, and the same again.
const batch = { ref, sku, qty: 100, eta: "2031-01-02" };
const added = await api.POST("/batches", { body: batch });
assert.equal(added.response.status, 201);
assert.equal(added.data?.message, "OK");
assert(!isReplayed(added));
assert(isReplayed(await api.POST("/batches", { body: batch })));

// A line, told what became of it; and one that is not.
const told = await allocate({ orderid, sku, qty: 10, line: "gift" }, "return=representation");
assert.equal(told.response.status, 201);
assert.equal(told.response.headers.get("preference-applied"), "return=representation");
assert(told.data && "batchref" in told.data);
assert.equal(told.data.batchref, ref);
const taken = await allocate({ orderid, sku, qty: 3 });
assert.equal(taken.response.status, 202);
assert(taken.data && "message" in taken.data);
assert.equal(taken.data.message, "OK");

// The product, the order, and the batch's lines in pages of one.
const product = await api.GET("/products/{sku}", { params: { path: { sku } } });
assert.equal(product.data?.sku, sku);
assert.equal(product.data.free, 0);
assert.deepEqual(product.data.incoming, [{ eta: "2031-01-02", free: 87 }]);
assert.deepEqual(product.data.waiting, { lines: 0, qty: 0 });
assert.equal(product.data.batches[0]?.allocated, 13);
const order = await api.GET("/orders/{orderid}", { params: { path: { orderid } } });
const on = (qty: number) => [{ batchref: ref, eta: "2031-01-02", qty }];
assert.deepEqual(order.data, {
  orderid,
  lines: [
    { sku, line: "3", qty: 3, state: "allocated", parts: on(3) },
    { sku, line: "gift", qty: 10, state: "allocated", parts: on(10) },
  ],
  next: null,
});
const lines: string[] = [];
let after: string | undefined;
do {
  const query = { sku, limit: 1, after };
  const page = await api.GET("/batches/{ref}/lines", { params: { path: { ref }, query } });
  assert(page.data && page.data.lines.length <= 1);
  lines.push(...page.data.lines.map(({ line }) => line));
  after = page.data.next ?? undefined;
} while (after !== undefined);
assert.deepEqual(lines.sort(), ["3", "gift"]);

// Errors are of a type.
refused(await allocate({ orderid, sku: `none ${run}`, qty: 1 }), 400, "unknown_sku");
const missing = await api.GET("/orders/{orderid}", { params: { path: { orderid: `nobody's ${run}` } } });
refused(missing, 404, "unknown_order");
assert.equal(refused(await allocate({ orderid, sku, qty: 0 }), 400, "invalid_input").field, "qty");
assert.equal(refused(await allocate({ orderid, sku, qty: 4, line: "gift" }), 409, "line_differs").qty, 10);

// The batch arrives, smaller than promised: null is sent, and read back.
const changed = await api.PATCH("/batches/{ref}", { params: { path: { ref } }, body: { qty: 90, eta: null } });
assert.equal(changed.data?.applied, true);
const shown = await api.GET("/batches/{ref}", { params: { path: { ref } } });
assert.deepEqual(shown.data?.batches, [{ sku, eta: null, purchased: 90, allocated: 13, shipped: 0, free: 77 }]);

// The largest quantity.
const most = { ref, sku: `${sku} most`, qty: 4294967295, eta: null };
assert.equal((await api.POST("/batches", { body: most })).response.status, 201);
const large = await api.GET("/products/{sku}", { params: { path: { sku: most.sku } } });
assert.equal(large.data?.free, 4294967295);

// An order of two lines, and then of more than there is.
const lamp = `LAMP 1/50%+é ${run}`;
const basket = `basket 1/50%+é ${run}`;
const lamps = await api.POST("/batches", { body: { ref, sku: lamp, qty: 5, eta: "2031-01-02" } });
assert.equal(lamps.response.status, 201);
const put = (qty: number, version: number) =>
  api.PUT("/orders/{orderid}", {
    params: { path: { orderid: basket } },
    body: { lines: [{ sku: lamp, qty, line: "lamps" }, { sku: most.sku, qty: 1 }], version },
  });
const placed = await put(2, 1);
assert.equal(placed.data?.orderid, basket);
assert.equal(placed.data.version, 1);
assert.deepEqual(states(placed.data.lines)?.sort(), [["1", "allocated"], ["lamps", "allocated"]]);
assert(isReplayed(await put(2, 1)));
assert.deepEqual(refused(await put(6, 2), 409, "out_of_stock").lines, [
  { sku: lamp, line: "lamps", qty: 6, free: 0, incoming: [{ eta: "2031-01-02", free: 5 }] },
]);

// A line is cancelled, then its order.
const line = { orderid, sku, line: "gift" };
assert.equal((await api.POST("/deallocate", { body: line })).data?.message, "OK");
assert(isReplayed(await api.POST("/deallocate", { body: line })));
refused(await allocate({ orderid, sku, qty: 10, line: "gift" }), 409, "line_cancelled");
const left = await api.GET("/orders/{orderid}", { params: { path: { orderid } } });
assert.deepEqual(states(left.data?.lines), [["3", "allocated"], ["gift", "cancelled"]]);
const cancelled = await api.DELETE("/orders/{orderid}", { params: { path: { orderid } } });
assert.deepEqual(states(cancelled.data?.lines), [["3", "cancelled"], ["gift", "cancelled"]]);
refused(await allocate({ orderid, sku, qty: 5 }), 409, "order_cancelled");
const free = await api.GET("/products/{sku}", { params: { path: { sku } } });
assert.equal(free.data?.free, 90);
