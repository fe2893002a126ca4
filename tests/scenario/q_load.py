"""Goal: dear queries cost those who ask them. However many clients ask at once, each is answered or refused by
name, what is cut short says so, a hostile regular expression ends, memory has its bound, and ingest goes on with
every event acknowledged and counted.

Method: clients on bare sockets, all requests sent before the first is read; what the answers, the metrics and
/proc say must fit together. Nothing here asserts a time: tests/bench/load.py measures.
"""

import collections
import json
import os
import random
import re
import signal
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402
sys.path.insert(0, os.path.join(astro.ROOT, "tests", "bench"))
from raw_client import RawClient, request  # noqa: E402

# Meson's MALLOC_PERTURB_ fills memory that the daemons take and never touch: memory is measured here.
os.environ.pop("MALLOC_PERTURB_", None)

MEMORY_MB = 64
HOSTILE = 'description=~"^(a+)+$"'
PARTIAL = {None, "time", "memory", "groups", "regex"}
REFUSED = ("too many queries at once", "too many answers wait for their clients", "too many exports are under way")
DEAR = [
    "/api/logs?search=o&limit=1000",
    "/api/logs?search=no+such+text",
    "/api/logs?search=e&offset=20000&limit=50",
    "/api/logs?order=asc&limit=1000&total=none",
    "/api/logs?q=" + urllib.parse.quote(HOSTILE),
    "/api/logs?q=" + urllib.parse.quote('description=~"(.*a){12}" or metadata.n>=100'),
    "/api/query?by=entity_id,user_id&agg=count,distinct(metadata.n)&top=20",
    "/api/query?by=event_type&bucket=1h&agg=p95(metadata.n),sum(metadata.n)",
    "/api/logs/export?format=ndjson&event_type=PAYMENT",
]


class Memory:
    """The most of its own memory, files apart, that a daemon was seen with."""

    def __init__(self, daemon):
        self.daemon, self.peak_kib, self.done = daemon, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.done.wait(0.005) and self.daemon.alive():
            with open(f"/proc/{self.daemon.pid}/smaps_rollup", encoding="ascii") as f:
                kinds = dict(re.findall(r"^(Pss_Anon|Pss_Shmem):\s+(\d+)", f.read(), re.M))
            self.peak_kib = max(self.peak_kib, sum(map(int, kinds.values())))

    def end_mb(self):
        self.done.set()
        self.thread.join()
        return self.peak_kib / 1024


def store(lab, count=60_000, seal_rows=15_000):
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": str(seal_rows)})
    pairs = list(shop.records(count))
    for n, (_, record) in enumerate(pairs):
        if n % 50 == 0:
            record["description"] = "a" * (20 + n % 40) + "!"
    shop.ship(c, pairs, size=2000)
    astro.wait_for(lambda: c.metric("astro_store_sealed_id") >= count - seal_rows, "seals")
    return c


def verdict(status, body):
    """What became of a request, by name; a check fails where it has none."""
    if status == 503:
        problem = json.loads(body)
        astro.check(problem["error"] in REFUSED, body)
        return problem["error"]
    astro.equal(status, 200, body[:300])
    if not body.startswith(b'{"status"'):
        return "exported"
    answer = json.loads(body)
    astro.equal(answer["status"], "success")
    partial = answer.get("partial")
    astro.check(partial in PARTIAL, f"partial {partial}")
    return "whole" if partial is None else f"partial: {partial}"


def ask_all(address, paths, failures, verdicts, lock):
    try:
        client = RawClient(address, 120 * astro.TIME_SCALE)
        for path in paths:
            name = verdict(*client.get(path))
            with lock:
                verdicts[name] += 1
        client.close()
    except BaseException as e:
        failures.append(e)


def swarm(query, count, rounds):
    """So many clients with so many requests each: Counter of verdicts."""
    rnd, verdicts, failures, lock = random.Random(7), collections.Counter(), [], threading.Lock()
    there = [p for p in DEAR if query.get(p).status != 404]
    threads = [threading.Thread(target=ask_all, args=(
        query.address("http"), [rnd.choice(there) for _ in range(rounds)], failures, verdicts, lock))
        for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]
    return verdicts


def t_64_clients_and_ingest(lab):
    c = store(lab)
    q = lab.query(["--config", lab.write("c.conf", "[query]\ntime_max = 500ms\n")])
    before = q.metric("astro_query_requests_total")
    memory, shipped = Memory(q), []
    more = list(shop.records(40_000, seed=3))

    def ship():
        shop.ship(c, more, size=500, chunk="more")
        shipped.append(len(more))

    sender = threading.Thread(target=ship)
    sender.start()
    verdicts = swarm(q, 64, 6)
    sender.join()
    peak_mb = memory.end_mb()
    astro.equal(shipped, [40_000], "every frame was acknowledged")
    astro.equal(sum(verdicts.values()), 64 * 6)
    astro.equal(shop.ask(q, limit=1)["total"], 100_000)
    page = astro.metrics(q.address("http"))
    replies = sum(v for k, v in page.items() if k.startswith("astro_query_replies_total"))
    # The reply that carries the page is counted with it.
    astro.check(page["astro_query_requests_total"] - replies in (0, 1), f"{page['astro_query_requests_total']} requests")
    astro.check(page["astro_query_requests_total"] - before >= 64 * 6)
    astro.equal(page["astro_query_queue_full_total"],
                verdicts["too many queries at once"] + verdicts["too many answers wait for their clients"])
    astro.check(page["astro_query_partial_total{reason=\"time\"}"] >= verdicts["partial: time"])
    astro.equal((page["astro_query_queued"], page["astro_query_held_bytes"]), (0, 0))
    astro.check(peak_mb <= MEMORY_MB * astro.MEMORY_SCALE, f"{peak_mb:.1f} MiB")
    astro.note(f"{dict(verdicts)}, {peak_mb:.1f} MiB of own memory")


def t_a_hostile_regular_expression_ends(lab):
    """It is given up on each text that it chokes on, which is counted; others are answered beside it."""
    store(lab, 20_000, 5000)
    q = lab.query()
    with_a = [r for _, r in shop.records(20_000) if "a" in r["description"]]
    clients = [RawClient(q.address("http")) for _ in range(4)]
    for client in clients[:3]:
        client.sock.sendall(request("/api/logs?q=" + urllib.parse.quote(HOSTILE)))
    status, body = clients[3].get("/api/logs?user_id=anna&limit=1")
    astro.equal((status, json.loads(body)["total"] > 0), (200, True))
    for client in clients[:3]:
        have = client.recv()
        astro.check(bytes(client.view[:have]).startswith(b"HTTP/1.1 200"))
        astro.check(b'"total":0' in bytes(client.view[:have]), "no text is of a alone")
    page = shop.ask(q, q=HOSTILE)
    astro.check(page["stats"]["regex_given_up"] > 0, str(page["stats"]))
    astro.check(q.metric("astro_query_regex_given_up_total") > page["stats"]["regex_given_up"])
    # What it can tell it tells: the same expression on texts that are short.
    astro.equal(shop.ask(q, q='description=~"^(a+)+$" or description=~"ja?ob"', limit=1)["total"],
                sum("job" in r["description"] for n, (_, r) in enumerate(shop.records(20_000)) if n % 50))
    astro.note(f"{len(with_a)} texts with an a, given up on {page['stats']['regex_given_up']}")


def t_more_than_the_queue_holds(lab):
    """200 requests reach a daemon that sleeps; what it cannot queue when it wakes is refused and counted."""
    store(lab)
    q = lab.query(["--config", lab.write("c.conf", "[query]\nthreads = 1\n")])
    clients = [RawClient(q.address("http"), 120 * astro.TIME_SCALE) for _ in range(200)]
    raw = request("/api/logs?q=" + urllib.parse.quote('description=~"(.*e){9}(.*a){9}"') + "&limit=1")
    q.signal(signal.SIGSTOP)
    for client in clients:
        client.sock.sendall(raw)
    q.signal(signal.SIGCONT)
    verdicts = collections.Counter()
    for client in clients:
        have = client.recv()
        while b"\r\n\r\n" not in bytes(client.view[:have]) or not client.view[:have].tobytes().endswith(b"}\n"):
            have += client.recv(have)
        head, body = client.view[:have].tobytes().split(b"\r\n\r\n", 1)
        verdicts[verdict(int(head[9:12]), body)] += 1
        astro.check(b"503" not in head[:16] or b"Retry-After: 1" in head, head.decode())
    refused = verdicts["too many queries at once"]
    astro.check(refused > 0, str(verdicts))
    astro.equal(sum(verdicts.values()), 200)
    astro.equal(q.metric("astro_query_queue_full_total"), refused)
    astro.note(dict(verdicts))


def t_large_events_make_short_pages(lab):
    """A page that would be too large ends early, says so, and its cursor leads to the rest."""
    c, q = lab.collector(), lab.query()
    count = 400
    shop.ship(c, [(shop.START + i, {"description": f"{i:05} " + "x" * 60_000}) for i in range(count)], size=20)
    memory, got, cursor, short = Memory(q), [], None, 0
    while cursor is not None or not got:
        page = shop.ask(q, limit=1000, order="asc", **({"cursor": cursor} if cursor else {}))
        got += [int(e["description"][:5]) for e in page["logs"]]
        cursor = page["next"]
        short += page.get("partial") == "memory"
        astro.equal(page["total"], count)
    peak_mb = memory.end_mb()
    astro.equal(got, list(range(count)))
    astro.check(short > 0, "24 MB are more than a page")
    astro.equal(q.metric('astro_query_partial_total{reason="memory"}'), short)
    astro.check(peak_mb <= MEMORY_MB * astro.MEMORY_SCALE, f"{peak_mb:.1f} MiB")
    astro.note(f"{short} short pages, {peak_mb:.1f} MiB of own memory")


if __name__ == "__main__":
    astro.main(globals())
