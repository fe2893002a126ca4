"""Goal: aggregations, statistics and fields over HTTP are what a loop over the same events says, whether
these are in segments, in the journal or in both, deleted ones left out; and what is wrong with a question is
named. Method: events of tests/support/shop, sealed in part, compared in Python."""

import collections
import os
import pathlib
import random
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402

COUNT = 3000
SEAL_ROWS = 1200
HOUR = 3600 * 10**9


def store(lab):
    """A collector with two seals' worth of sealed events and some in the journal, a query daemon, and all
    events. Each seal has ended before more is sent, so that what is sealed is the same each time."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": str(SEAL_ROWS)})
    pairs = list(shop.records(COUNT, step=20 * 10**9))
    for at in range(0, COUNT, SEAL_ROWS):
        part = pairs[at:at + SEAL_ROWS]
        shop.ship(c, part, chunk=f"from-{at}")
        if len(part) == SEAL_ROWS:
            astro.wait_for(lambda end=at + SEAL_ROWS: c.metric("astro_store_sealed_id") == end, "a seal")
    q = lab.query()
    return q, shop.everything(q)


def get(q, path, *pairs, status=200, **params):
    pairs = list(pairs) + list(params.items())
    reply = q.get(f"/api/{path}?" + urllib.parse.urlencode(pairs), timeout=60)
    astro.equal(reply.status, status, reply.text[:500])
    return reply.json


def value(event, name):
    for part in name.split("."):
        event = event.get(part) if isinstance(event, dict) else None
    return event


def counted(events, *names, width=None):
    """Counter of (bucket, values...)"""
    def key(e):
        first = (shop.nanoseconds(e["timestamp"]) // width * width,) if width else ()
        return first + tuple(value(e, n) for n in names)
    return collections.Counter(key(e) for e in events)


def rows(answer):
    """The same of an answer."""
    out = {}
    for row in answer["rows"]:
        if answer["columns"][0] == "time":
            row[0] = shop.nanoseconds(row[0])
        out[tuple(row[:-1])] = row[-1]
    astro.equal(len(out), len(answer["rows"]), "a group twice")
    return out


def t_a_regular_expression_given_up_in_a_cube_is_told(lab):
    """The keys of a cube are few, but one of them may be hostile."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "1000"})
    pairs = list(shop.records(1000, step=20 * 10**9))
    pairs[7][1]["service"] = "a" * 60 + "!"
    shop.ship(c, pairs)
    astro.wait_for(lambda: c.metric("astro_store_sealed_id") >= 1000, "a seal")
    q = lab.query()
    whole = get(q, "query", ("q", 'service=~"^(a+)$"'), by="service")
    told = get(q, "query", ("q", 'service=~"^(a+)+$"'), by="service")
    astro.equal((whole.get("partial"), told.get("partial")), (None, "regex"))
    astro.equal(told["stats"]["regex_given_up"], 1)


def t_counts_by_fields_and_time(lab):
    q, events = store(lab)
    rnd = random.Random(5)
    fields = ["event_type", "severity", "service", "host", "user_id", "entity_id", "metadata.deep.x"]
    for i in range(40):
        names = rnd.sample(fields[:-1], rnd.randrange(4))
        width = rnd.choice([None, HOUR, 15 * 60 * 10**9])
        only = rnd.choice([{}, {"event_type": ["AUTH"]}, {"user_id": ["anna", "bob"]}])
        pairs = [("limit", 100000)] + [(k, v) for k, vs in only.items() for v in vs]
        if names:
            pairs.append(("by", ",".join(names)))
        if width:
            pairs.append(("bucket", f"{width // 10**9}s"))
        got = get(q, "query", *pairs)
        want = counted(shop.naive(events, **only), *names, width=width)
        astro.equal(rows(got), dict(want), str(pairs))
        astro.equal(got["groups"], len(want))
        astro.equal(got["total"], sum(want.values()))
        if not only and set(names) <= {"event_type", "severity", "service"} and width:
            astro.check(got["cube_rows"] > 0, "nothing was counted from sidecars")


def t_functions(lab):
    q, events = store(lab)
    got = get(q, "query", by="service", agg="count,count(user_id),distinct(entity_id),sum(metadata.n),"
              "avg(metadata.n),max(timestamp),median(metadata.n),quantile(metadata.n,0.9)")
    astro.equal(got["approximate"], [])
    for row in got["rows"]:
        mine = [e for e in events if e["service"] == row[0]]
        n = sorted(e["metadata"]["n"] for e in mine)
        last = max(mine, key=lambda e: shop.nanoseconds(e["timestamp"]))
        astro.equal(row[1:], [len(mine), sum("user_id" in e for e in mine),
                              len({e["entity_id"] for e in mine}), sum(n), row[5],
                              last["timestamp"], n[-(-len(n) // 2) - 1], n[-(-len(n) * 9 // 10) - 1]])
        astro.check(abs(row[5] - sum(n) / len(n)) < 1e-9 * row[5])


def t_order_top_and_bounds(lab):
    q, events = store(lab)
    want = counted(events, "entity_id").most_common()
    got = get(q, "query", by="entity_id", top=5)
    astro.equal([r[1] for r in got["rows"]], [n for _, n in want[:5]])
    astro.equal(got["groups"], len(want))
    got = get(q, "query", by="entity_id", order="asc", limit=5)
    astro.equal([r[1] for r in got["rows"]], sorted(n for _, n in want)[:5])
    got = get(q, "query", by="entity_id", order="group")
    astro.equal([r[0] for r in got["rows"]], sorted(v for (v,), _ in want))
    got = get(q, "query", by="entity_id", min=18, max=20)
    astro.equal(sorted(r[1] for r in got["rows"]), sorted(n for _, n in want if 18 <= n <= 20))


def t_buckets_fill_and_zones(lab):
    q, events = store(lab)
    times = sorted(shop.nanoseconds(e["timestamp"]) for e in events)
    got = get(q, "query", bucket="auto", buckets=20)
    width = got["bucket_ns"]
    astro.check(times[-1] // width - times[0] // width + 1 <= 20)
    astro.equal(rows(got), dict(counted(events, width=width)))
    got = get(q, "query", bucket="6h", fill=1, start_time="2027-01-14T00:00:00Z",
              end_time="2027-01-17T00:00:00Z")
    astro.equal(len(got["rows"]), 12)
    astro.equal(sum(r[1] for r in got["rows"]), COUNT)
    got = get(q, "query", bucket="1d", tz="+05:30")
    astro.equal({r[0][10:] for r in got["rows"]}, {"T18:30:00Z"})
    astro.equal(sum(r[1] for r in got["rows"]), COUNT)


def t_statistics(lab):
    q, events = store(lab)
    for only in ({}, {"user_id": ["anna"]}, {"event_type": ["ERROR"]}):
        mine = shop.naive(events, **only)
        got = get(q, "logs/stats", *[(k, v) for k, vs in only.items() for v in vs])
        astro.equal(got["total_logs"], len(mine))
        for name in ("event_type", "entity_type", "severity"):
            astro.equal(got["by_" + name], {k: n for (k,), n in counted(mine, name).items()})
        astro.equal(sum(n for _, n in got["histogram"]["buckets"]), len(mine))
        # The shop's events are of 2027: whether that is the last day depends on the clock.
        astro.check(got["recent_24h"] in range(len(mine) + 1))
    astro.equal(get(q, "logs/stats", by="host", status=400)["field"], "by")


def t_recent_events(lab):
    import time
    c, q = lab.collector(), lab.query()
    now = time.time_ns()
    shop.ship(c, [(now - age, {"description": "x"}) for age in (0, HOUR, 23 * HOUR, 25 * HOUR, 99 * HOUR)])
    astro.equal(get(q, "logs/stats")["recent_24h"], 3)
    astro.equal(get(q, "logs/stats", start_time="2020-01-01")["total_logs"], 5)
    astro.equal(get(q, "logs/stats", end_time="2020-01-01")["recent_24h"], 0)


def t_fields_and_their_values(lab):
    q, events = store(lab)
    got = get(q, "fields")
    astro.equal((got["events"], got["total"]), (COUNT, COUNT))
    fields = {f["name"]: f for f in got["fields"]}
    for name in shop.FIELDS + ["metadata.n", "metadata.deep.x"]:
        astro.equal(fields[name]["events"], sum(value(e, name) is not None for e in events), name)
    astro.equal(fields["severity"]["events"], COUNT)
    astro.equal(fields["metadata.n"]["kinds"], ["number"])
    astro.equal(fields["metadata.deep.x"]["kinds"], ["other"])
    got = get(q, "fields/user_id/values")
    astro.equal({(v["value"],): v["count"] for v in got["values"]}, dict(counted(events, "user_id")))
    got = get(q, "fields/user_id/values", prefix="A", event_type="AUTH")
    astro.equal([v["value"] for v in got["values"]], ["anna"])
    got = get(q, "fields/metadata.n/values", top=3, id=7)
    astro.equal([(v["value"], v["count"]) for v in got["values"]], [(6, 1)])
    got = get(q, "fields/metadata.deep.x/values")
    astro.equal([(v["value"], v["count"]) for v in got["values"]], [([1, 2.5], COUNT)])


def size_of(path, suffix):
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file() and f.name.endswith(suffix))


def t_status_of_the_store(lab):
    q, events = store(lab)
    data = pathlib.Path(lab.path("data"))
    # Sidecars follow their segment: once all are there nothing changes any more.
    astro.wait_for(lambda: not any(f.get("missing") for f in get(q, "status")["files"].values()), "all sidecars")
    s = get(q, "status", check=1)
    told = s["store"]
    astro.equal(told["events"], len(events))
    astro.equal(told["sealed_events"] + told["journal_events"], len(events))
    astro.equal(told["journal_events"], COUNT % SEAL_ROWS)
    times = sorted(shop.nanoseconds(e["timestamp"]) for e in events)
    astro.equal((shop.nanoseconds(told["time_min"]), shop.nanoseconds(told["time_max"])), (times[0], times[-1]))
    for kind in ("seg", "evt", "ent", "tok", "cub"):
        f = s["files"][kind]
        astro.equal((f["count"], f["missing"], f["stale"], f["damaged"]), (told["segments"], 0, 0, 0), kind)
        astro.equal(f["bytes"], size_of(data / "seg", "." + kind), kind)
    astro.equal(told["bytes"], sum(f["bytes"] for f in s["files"].values()))
    astro.equal(sum(c["events"] for c in s["classes"]), told["sealed_events"])
    astro.equal(s["collector"]["state"], "running")
    next((data / "seg").rglob("*.evt")).unlink()
    astro.equal(get(q, "status")["files"]["evt"]["missing"], 1)
    problem = get(q, "status", check="x", status=400)
    astro.equal((problem["field"], problem["hint"]), ("check", "check=1 looks into the sidecars, too"))
    astro.equal(get(q, "status", chekk=1, status=400)["field"], "chekk")


def t_nothing_there(lab):
    lab.collector()
    q = lab.query()
    astro.equal(get(q, "query")["rows"], [[0]])
    astro.equal(get(q, "query", by="host", bucket="auto")["rows"], [])
    astro.equal(get(q, "logs/stats")["total_logs"], 0)
    astro.equal(get(q, "fields/host/values")["values"], [])
    astro.equal(get(q, "fields")["events"], 0)


def t_what_is_wrong_is_named(lab):
    lab.collector()
    q = lab.query()
    cases = [("query", "by=nope", "by", "at 0: expected a field"),
             ("query", "agg=count,summ(metadata.n)", "agg", "at 6: expected a function"),
             ("query", "agg=sum(host)", "agg", "at 4: expected a field that may hold numbers"),
             ("query", "bucket=1M", "bucket", "months and years"),
             ("query", "limit=0", "limit", "from 1 to 100000"),
             ("query", "cursor=x", "cursor", "no such parameter of an aggregation"),
             ("query", "buckte=1h", "buckte", "no such parameter"),
             ("query", "by=host&by=host&by=host&by=host", "by", "more than 3 fields"),
             ("query", "fill=1", "fill", "there are no buckets"),
             ("query", "q=a%3D", "q", "at"),
             ("fields/nope/values", "", "field", "expected a field"),
             ("fields/host/values", "bucket=1h", "bucket", "no such parameter of a field's values"),
             ("fields", "nope=1", "nope", "no such parameter")]
    for path, query, field, error in cases:
        reply = q.get(f"/api/{path}?{query}")
        astro.equal(reply.status, 400, query)
        astro.equal((reply.json["status"], reply.json["field"]), ("error", field), query)
        astro.check(error in reply.json["error"], reply.text)


if __name__ == "__main__":
    astro.main(globals())
