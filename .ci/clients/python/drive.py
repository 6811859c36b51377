"""Drives the API with the client that openapi-python-client makes of docs/openapi.json.

    drive.py API_URL RUN

RUN makes the names of one run its own. The client is the package `allocation` beside this file.
"""

import datetime
import sys

from allocation import Client
from allocation.api.batches import change_batch, create_batch, list_lines, show_batches
from allocation.api.lines import allocate, deallocate
from allocation.api.orders import cancel_order, put_order, show_order
from allocation.api.products import show_product
from allocation.models import (
    Allocated,
    BatchChange,
    Done,
    Error,
    ErrorCode,
    LineName,
    NewBatch,
    OrderLine,
    ShownLineState,
    WantedLine,
    WantedOrder,
)
from allocation.types import UNSET

TOLD = "return=representation"


def refused(answer, status, code):
    """The error, which must be this one."""
    assert answer.status_code == status, answer
    # What the gateway refuses is a Message.
    assert isinstance(answer.parsed, Error), answer
    assert answer.parsed.code == code, answer
    return answer.parsed


def is_replayed(answer):
    return answer.headers.get("idempotent-replayed") == "true"


def states(order):
    return [(line.line, line.state) for line in order.lines]


def drive(url, run):
    # Without `accept`, an answer that has nothing to tell is the text OK, which the client can't read.
    client = Client(base_url=url, headers={"accept": "application/json"})
    sku = f"CLOCK 1/50%+é {run}"
    ref = f"batch 1/50%+é {run}"
    orderid = f"order 1/50%+é {run}"
    eta = datetime.date(2031, 1, 2)

    def ask(qty, line=UNSET, prefer=UNSET, of=sku):
        body = OrderLine(orderid=orderid, sku=of, qty=qty, line=line)
        return allocate.sync_detailed(client=client, body=body, prefer=prefer)

    # A batch, and the same again.
    batch = NewBatch(ref=ref, sku=sku, qty=100, eta=eta)
    added = create_batch.sync_detailed(client=client, body=batch)
    assert added.status_code == 201
    assert added.parsed == Done(message="OK")
    assert not is_replayed(added)
    assert is_replayed(create_batch.sync_detailed(client=client, body=batch))

    # A line, told what became of it; and one that is not.
    told = ask(10, "gift", TOLD)
    assert told.status_code == 201
    assert told.headers["preference-applied"] == TOLD
    assert isinstance(told.parsed, Allocated)
    assert told.parsed.batchref == ref
    taken = ask(3)
    assert taken.status_code == 202
    assert taken.parsed == Done(message="OK")

    # The product, the order, and the batch's lines in pages of one.
    product = show_product.sync(sku, client=client)
    assert (product.sku, product.free) == (sku, 0)
    assert [(day.eta, day.free) for day in product.incoming] == [(eta, 87)]
    assert (product.waiting.lines, product.waiting.qty) == (0, 0)
    assert [batch.allocated for batch in product.batches] == [13]
    order = show_order.sync(orderid, client=client)
    assert (order.orderid, order.next_) == (orderid, None)
    assert states(order) == [("3", ShownLineState.ALLOCATED), ("gift", ShownLineState.ALLOCATED)]
    parts = [(part.batchref, part.eta, part.qty) for line in order.lines for part in line.parts]
    assert parts == [(ref, eta, 3), (ref, eta, 10)]
    lines, after = [], UNSET
    while after is not None:
        page = list_lines.sync(ref, client=client, sku=sku, limit=1, after=after)
        assert len(page.lines) <= 1
        lines += [line.line for line in page.lines]
        after = page.next_
    assert sorted(lines) == ["3", "gift"]

    # Errors are of a type.
    refused(ask(1, of=f"none {run}"), 400, ErrorCode.UNKNOWN_SKU)
    refused(show_order.sync_detailed(f"nobody's {run}", client=client), 404, ErrorCode.UNKNOWN_ORDER)
    assert refused(ask(0), 400, ErrorCode.INVALID_INPUT).field == "qty"
    assert refused(ask(4, "gift"), 409, ErrorCode.LINE_DIFFERS).qty == 10

    # The batch arrives, smaller than promised: null is sent, and read back.
    changed = change_batch.sync(ref, client=client, body=BatchChange(qty=90, eta=None))
    assert changed.applied
    [shown] = show_batches.sync(ref, client=client).batches
    assert (shown.eta, shown.purchased, shown.allocated, shown.shipped, shown.free) == (None, 90, 13, 0, 77)

    # The largest quantity.
    most = NewBatch(ref=ref, sku=f"{sku} most", qty=4294967295, eta=None)
    assert create_batch.sync(client=client, body=most) == Done(message="OK")
    assert show_product.sync(most.sku, client=client).free == 4294967295

    # An order of two lines, and then of more than there is.
    lamps = NewBatch(ref=ref, sku=f"LAMP 1/50%+é {run}", qty=5, eta=eta)
    assert create_batch.sync(client=client, body=lamps) == Done(message="OK")

    def put(lamps_wanted, version):
        lines = [WantedLine(sku=lamps.sku, qty=lamps_wanted, line="lamps"), WantedLine(sku=most.sku, qty=1)]
        order = WantedOrder(lines=lines, version=version)
        return put_order.sync_detailed(f"basket 1/50%+é {run}", client=client, body=order)

    placed = put(2, 1)
    assert placed.status_code == 200
    assert (placed.parsed.orderid, placed.parsed.version) == (f"basket 1/50%+é {run}", 1)
    assert sorted(states(placed.parsed)) == [("1", ShownLineState.ALLOCATED), ("lamps", ShownLineState.ALLOCATED)]
    assert is_replayed(put(2, 1))
    [short] = refused(put(6, 2), 409, ErrorCode.OUT_OF_STOCK).lines
    assert (short.sku, short.line, short.qty, short.free) == (lamps.sku, "lamps", 6, 0)
    assert [(day.eta, day.free) for day in short.incoming] == [(eta, 5)]

    # A line is cancelled, then its order.
    line = LineName(orderid=orderid, sku=sku, line="gift")
    assert deallocate.sync(client=client, body=line) == Done(message="OK")
    assert is_replayed(deallocate.sync_detailed(client=client, body=line))
    refused(ask(10, "gift"), 409, ErrorCode.LINE_CANCELLED)
    left = show_order.sync(orderid, client=client)
    assert states(left) == [("3", ShownLineState.ALLOCATED), ("gift", ShownLineState.CANCELLED)]
    cancelled = cancel_order.sync(orderid, client=client)
    assert states(cancelled) == [("3", ShownLineState.CANCELLED), ("gift", ShownLineState.CANCELLED)]
    refused(ask(5), 409, ErrorCode.ORDER_CANCELLED)
    assert show_product.sync(sku, client=client).free == 90


if __name__ == "__main__":
    drive(*sys.argv[1:])
