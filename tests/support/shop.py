"""shop - events of a small shop, the same every time, and the naive answer to a query over them.

What the API answers is compared with what a filter and a sort in Python say of the same events.
"""

import random
import re
import urllib.parse

import astro

START = 1_800_000_000 * 10**9  # 2027-01-15T08:00:00Z
TYPES = ["AUTH", "ERROR", "PAYMENT", "UPDATE", "NOTIFY"]
TEXTS = ["payment declined by the bank", "Payment accepted", "password wrong", "job done",
         "stock is low: 3 left", "\u00dcberweisung abgelehnt", ""]
FIELDS = ["event_type", "entity_type", "entity_id", "user_id", "description", "ip_address",
          "user_agent", "service", "host"]
SEVERITIES = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"]


def records(count, seed=1, start=START, step=10**6):
    """(time in ns, record) pairs; many share a time, some are late by hours."""
    rnd = random.Random(seed)
    for i in range(count):
        when = start + i // 3 * step - (rnd.randrange(5) == 0) * rnd.randrange(7200 * 10**9)
        r = {"event_type": rnd.choice(TYPES), "severity": rnd.choice(SEVERITIES[2:]),
             "entity_type": "order", "entity_id": f"ORD-{rnd.randrange(200):04}",
             "description": rnd.choice(TEXTS), "host": f"h{rnd.randrange(3)}",
             "service": rnd.choice(["shop", "till"]), "metadata": {"n": i, "deep": {"x": [1, 2.5]}}}
        if rnd.randrange(3):
            r["user_id"] = rnd.choice(["anna", "bob", "carol", "\u00e9mile"])
        if rnd.randrange(4) == 0:
            r["ip_address"] = f"10.0.0.{rnd.randrange(9)}"
            r["user_agent"] = "curl/8 (a & b)"
        yield when, r


def ship(collector, pairs, size=100, chunk="shop"):
    """Sends the records in acknowledged frames; returns when all are durable."""
    pairs = list(pairs)
    with collector.connect() as s:
        for at in range(0, len(pairs), size):
            entries = [[astro.event_time(*divmod(t, 10**9)), r] for t, r in pairs[at:at + size]]
            s.send(astro.forward("shop.web", entries, {"chunk": f"{chunk}-{at}"}))
        for at in range(0, len(pairs), size):
            astro.equal(s.ack(), f"{chunk}-{at}")


def ask(query, *pairs, status=200, **params):
    """GET /api/logs; returns the JSON. Parameters are pairs, or names with a value or a list of them."""
    pairs = list(pairs)
    for name, value in params.items():
        pairs += [(name, v) for v in (value if isinstance(value, list) else [value])]
    reply = query.get("/api/logs?" + urllib.parse.urlencode(pairs), timeout=60)
    astro.equal(reply.status, status, reply.text[:500])
    return reply.json


def nanoseconds(text):
    """RFC 3339 with Z as a number."""
    m = re.fullmatch(r"(\d+-\d+-\d+)T(\d+:\d+:\d+)(?:\.(\d+))?Z", text)
    import datetime
    day = datetime.datetime.fromisoformat(f"{m[1]}T{m[2]}+00:00")
    return int(day.timestamp()) * 10**9 + int((m[3] or "").ljust(9, "0"))


def everything(query):
    """All events of the store in order of arrival, by `after`."""
    out, after = [], 0
    while True:
        page = ask(query, after=after, limit=1000, total="none")
        out += page["logs"]
        if not page["logs"]:
            return out
        after = page["covered"]


def key(event):
    return nanoseconds(event["timestamp"]), int(event["id"])


def naive(events, asc=False, search=None, start=None, end=None, **any_of):
    """What matches, in order. start and end are nanoseconds, end not included."""
    def good(e):
        if any(e.get(f) not in values for f, values in any_of.items()):
            return False
        if search is not None and search.lower() not in e.get("description", "").lower():
            return False
        t = nanoseconds(e["timestamp"])
        return (start is None or t >= start) and (end is None or t < end)
    return sorted(filter(good, events), key=key, reverse=not asc)


def ids(events):
    return [e["id"] for e in events]
