"""API=http://.. python3 checkout.py ORDERID"""

import json
import os
import random
import sys
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

API, ORDERID = os.environ["API"], sys.argv[1]
NAME = quote(ORDERID, safe="")  # as it stands in paths and headers
HEADERS = {"accept": "application/json", "content-type": "application/json", "x-correlation-id": NAME}


def send(method, path, body):
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(API + path, data, HEADERS, method=method), timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as answer:
        return answer.code, answer.headers, answer.read()


def ask(method, path, body=None):
    """Asks until there is an answer. Every request may be repeated: it has its effect once."""
    for attempt in range(6):
        pause = random.uniform(0.1, 0.2) * 2**attempt
        try:
            status, headers, text = send(method, path, body)
            if status not in (429, 502, 503, 504) and (status != 500 or b'"code"' in text):
                return status, json.loads(text)
            pause += float(headers.get("retry-after", 0))
        except (OSError, HTTPException) as error:
            print("no answer, so it may be done or not:", error)
        time.sleep(pause)
    sys.exit(f"{method} {path}: nobody knows yet what became of it")


def put(version, lines, **how):
    """True and the order's lines; or False and the lines that are short, and the order is as it was."""
    status, answer = ask("PUT", f"/orders/{NAME}", {"version": version, "lines": lines, **how})
    is_short = status == 409 and answer["code"] == "out_of_stock"
    assert status == 200 or is_short, answer
    for line in answer["lines"]:
        print("short:" if is_short else "has:  ", json.dumps(line))
    return not is_short, answer["lines"]


basket = [{"line": "L1", "sku": "OAK-TABLE", "qty": 1}, {"line": "L2", "sku": "OAK-CHAIR", "qty": 4},
          {"line": "L3", "sku": "DESK-LAMP", "qty": 5}]

print("Before the order:")
# What the buyer sees, and whether it is enough. Nothing is written, and nothing held.
put(1, basket, dry_run=True)
print("The order:")
is_placed, lines = put(1, basket)
if not is_placed:
    # As many as lie there. If they are gone by now, or lie in two batches, the order goes without the line.
    free = {line["line"]: line["free"] for line in lines}
    fewer = [{**line, "qty": min(line["qty"], free.get(line["line"], line["qty"]))} for line in basket]
    is_placed, lines = put(2, [line for line in fewer if line["qty"] > 0], if_short="partial")

print("Two more chairs:")
# The rest goes back as it was told. Fields that a request does not know are ignored.
more = [{**line, "qty": 6} if line["sku"] == "OAK-CHAIR" else line for line in lines]
is_placed, lines = put(3, more)
assert is_placed
print("The same again, as if that answer had been lost:")
assert put(3, more) == (True, lines)

status, order = ask("GET", f"/orders/{NAME}")
assert status == 200 and order["lines"] == lines, order
assert {line["line"]: line["qty"] for line in lines} == {"L1": 1, "L2": 6, "L3": 3}, lines
for line in lines:
    status, answer = ask("POST", "/ship", {"orderid": ORDERID, "sku": line["sku"], "line": line["line"]})
    assert status == 200, answer
status, order = ask("GET", f"/orders/{NAME}")
assert [line["state"] for line in order["lines"]] == ["shipped"] * 3, order
print(f"{ORDERID} is shipped")
