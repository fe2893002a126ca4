#!/usr/bin/python3
"""Goal: real events sent by astrosend come back unchanged, and are counted as a script counts them.

Method: every event of the shared data (or of the product's own sample, where that is not there) is
sent over TCP, and every fifth of them over UDP into a second directory. What the HTTP API and
`astroquery -D` give back is compared by a digest of all fields, keyed by the event's unique
metadata.ref, and counted by file, type and entity.
"""
import collections
import datetime
import hashlib
import json
import os
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import real_events

UDP_EVERY = 5
SEVERITY_OF = {"ERROR": "error", "DELETE": "notice", "ALERT": "alert"}  # else info
PAGE = 1000
ENTITIES_ASKED = 150


def instant(text):
    """RFC 3339 text with Z as nanoseconds since 1970, exact."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])


def digest(event, defaults):
    """Of everything that a sender gave; what the collector adds is left out."""
    event = {k: v for k, v in event.items() if k not in ("id", "received") and v is not None}
    event["timestamp"] = instant(event["timestamp"])
    event.setdefault("severity", SEVERITY_OF.get(event["event_type"], "info"))
    for field, value in defaults.items():
        event.setdefault(field, value)
    text = json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def count_entity(counter, event):
    if "entity_type" in event:
        counter[event["entity_type"], event["entity_id"]] += 1


class Want:
    """What a script sees in the NDJSON: the measure of all answers."""

    def __init__(self):
        self.digests = {}
        self.files, self.types = collections.Counter(), collections.Counter()
        self.entities = collections.Counter()

    def add(self, name, event, defaults):
        ref = event["metadata"]["ref"]
        astro.check(ref not in self.digests, f"ref {ref} twice in the data")
        self.digests[ref] = digest(event, defaults)
        self.files[name] += 1
        self.types[event["event_type"]] += 1
        count_entity(self.entities, event)


def compare(events, want, defaults):
    """Every event once, each field equal; the counts follow from the events themselves."""
    seen, bad = set(), []
    types, entities = collections.Counter(), collections.Counter()
    last_time, last_id = -1 << 63, 0
    ids = set()
    for event in events:
        ref = event["metadata"]["ref"]
        if ref in seen:
            bad.append(f"{ref} twice")
        seen.add(ref)
        ids.add(event["id"])
        place = (instant(event["timestamp"]), event["id"])
        astro.check(place > (last_time, last_id), f"{ref} is out of order")
        last_time, last_id = place
        types[event["event_type"]] += 1
        count_entity(entities, event)
        if digest(event, defaults) != want.digests.get(ref) and len(bad) < 20:
            bad.append(f"{ref} differs: {json.dumps(event, ensure_ascii=False)[:600]}")
    missing = want.digests.keys() - seen
    astro.equal(bad, [])
    astro.equal(len(missing), 0, f"missing, such as {sorted(missing)[:5]}")
    astro.equal(types, want.types, "per event type")
    astro.equal(entities, want.entities, "per entity")
    astro.equal((min(ids), max(ids), len(ids)), (1, len(want.digests), len(want.digests)), "ids are dense")


def pages(daemon):
    """All events in time order, by cursor."""
    cursor = ""
    while True:
        path = f"/api/logs?order=asc&limit={PAGE}" + (f"&cursor={cursor}" if cursor else "")
        body = daemon.get(path, timeout=60).json
        yield from body["logs"]
        cursor = urllib.parse.quote(body.get("next") or "")
        if not cursor:
            return


def feed(to, want, defaults, every=1, args=()):
    """Sends every n-th event of each file and notes what was sent; yields after each file."""
    for name, lines in real_events.sources():
        def chosen():
            for n, line in enumerate(lines):
                if n % every == 0:
                    want.add(name, json.loads(line), defaults)
                    yield line
        astro.note(f"{name}: {real_events.send(to, chosen(), *args)}")
        yield name


def total(daemon, **filters):
    query = urllib.parse.urlencode({"limit": 1, **filters})
    return daemon.get("/api/logs?" + query, timeout=60).json["total"]


def t_all_events_over_tcp_come_back_unchanged(lab):
    collector, query, want = lab.collector(), lab.query(), Want()
    defaults = {"host": "127.0.0.1", "service": "astrosend"}
    for name in feed("tcp://" + collector.address("forward"), want, defaults):
        astro.equal(total(query), len(want.digests), f"stored after {name}")
    astro.note(f"{sum(want.files.values())} events, by file {dict(want.files)}")
    compare(pages(query), want, defaults)
    for event_type, count in want.types.items():
        astro.equal(total(query, event_type=event_type), count, event_type)
    chosen = sorted(want.entities)[:: max(1, len(want.entities) // ENTITIES_ASKED)]
    for entity_type, entity_id in chosen:
        got = total(query, entity_type=entity_type, entity_id=entity_id)
        astro.equal(got, want.entities[entity_type, entity_id], f"{entity_type} {entity_id}")
    astro.note(f"{len(want.types)} types and {len(chosen)} of {len(want.entities)} entities asked by the index")
    astro.equal(collector.stop(), 0)
    compare(pages(query), want, defaults)
    verify = lab.run("astrodump", "verify", lab.path("data"), timeout=300)
    astro.equal(verify.returncode, 0, verify.stdout + verify.stderr)


def t_a_fifth_over_udp_comes_back_unchanged(lab):
    collector, want = lab.collector(), Want()
    defaults = {"host": "127.0.0.1", "service": "astrosend"}
    for _ in feed("udp://" + collector.address("udp"), want, defaults, UDP_EVERY, ("--rate", "15000")):
        collector.wait_metric("astro_collector_events_total{door=\"udp\"}", len(want.digests))
    astro.equal(collector.stop(), 0)
    proc = subprocess.Popen([astro.program("astroquery"), "-D", lab.path("data"), "-n", "all", "-o", "json"],
                            stdout=subprocess.PIPE)
    compare((json.loads(line) for line in proc.stdout), want, defaults)
    astro.equal(proc.wait(), 0, "exit status of astroquery")


if __name__ == "__main__":
    astro.main(globals())
