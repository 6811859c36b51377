"""Which of the requests that schemathesis makes are not held against docs/openapi.json."""

import datetime
import unicodedata

import schemathesis

# The largest whole number that every JSON reader takes as it is (RFC 8259, section 6): as large as the document allows.
SAFE = 2**53 - 1

# An `after` that no page had as `next`, and a time before 2001 or more than a day ahead, are refused.
UNSAYABLE = {"after", "as_of"}


def is_taken_all_the_same(value):
    """What the document does not allow and the service takes: null for a field that may be left out, a number as text, and larger
    numbers than every client can hold."""
    if isinstance(value, str):
        return value.isdecimal()
    return value is None or (isinstance(value, int) and value > SAFE)


def is_refused_all_the_same(value):
    """What the document does not say: that a name has at most 1,000 bytes, and, past Unicode's first plane, no format characters,
    whichever Unicode has by now; and that a large whole number has no point in it, with which it is read only nearly."""
    if isinstance(value, str):
        return len(value.encode(errors="surrogatepass")) > 1000 or any(
            ord(character) > 0xFFFF and unicodedata.category(character) in ("Cf", "Cn") for character in value
        )
    return isinstance(value, float) and value >= 2**32


def values(sent):
    """Whatever is sent, at any depth."""
    if isinstance(sent, dict):
        sent = list(sent.values())
    if isinstance(sent, list):
        for value in sent:
            yield from values(value)
    else:
        yield sent


@schemathesis.hook
def filter_case(context, case):
    # The emulator finds no route for a path with a line break in it, and answers for itself.
    if any("\n" in str(name) for name in (case.path_parameters or {}).values()):
        return False
    body = case.body if isinstance(case.body, dict) else {}
    if case.meta.generation.mode.is_negative:
        return not any(is_taken_all_the_same(value) for value in values(body))
    sent = {**body, **(case.path_parameters or {}), **(case.query or {})}
    if UNSAYABLE & sent.keys():
        return False
    return not any(is_refused_all_the_same(value) for value in values(sent))


@schemathesis.hook
def before_call(context, case, kwargs):
    """What no schema says of an order: no two of its lines have one SKU and name, which is the quantity of a line without one; and a
    hold ends soon, but not before now. No filter sees what is made of other answers. So the later line gets a name of its own, and the
    hold an hour."""
    if case.method != "PUT" or case.meta.generation.mode.is_negative:
        return
    names, lines = set(), []
    for line in case.body["lines"]:
        name = (line["sku"], line.get("line", str(int(line["qty"]))))
        lines.append({**line, "line": f"another {len(lines)}"} if name in names else line)
        names.add(name)
    case.body = {**case.body, "lines": lines}
    if "hold_until" in case.body:
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        case.body["hold_until"] = until.isoformat(timespec="seconds")
