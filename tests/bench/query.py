#!/usr/bin/python3
"""Latency of the queries Q1 to Q10 over HTTP, the whole answer read.

    tests/bench/query.py --build build [--events 2000000 10000000] [--keep DIR] [--profile]
    tests/bench/query.py --build build --data DIR [--cold store]

Fills a store with that many events of the generator, asks it as the collector left it when all was sealed
and after `astrocompact --merge` (compacted); or asks the store of --data as it is. With --keep the stores
stay in DIR and are taken from there the next time.

warm   median of --rounds, one connection kept alive, in a daemon that has answered the query before
cold   median of 3, each in a fresh daemon after the page cache was dropped (--cold drop: all of it, root
       alone may; store: what the kernel holds of the store's files; none)
CPU    of the daemon for each warm query
PSS    highest while all queries run again one after another, with and without mapped files, sampled

What client and connection cost by themselves is what /healthz takes: the first line. Nothing here
asserts a time; row counts are compared with those that all systems agreed on, and a difference is a
line that begins with `wrong:`. A query whose route or parameter the build does not have shows `-`.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import e2e_tools as tools
from e2e_tools import Daemon, say
from raw_client import RawClient, request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOUR = "start_time=2026-01-13T12:00:00Z&end_time=2026-01-13T13:00:00Z"
LOGS = "/api/logs?"
AGG = "/api/query?"
ORDER = f"{LOGS}entity_type=order&entity_id="
EVENTS_10M = 10_000_000
COLD_ROUNDS = 3


class Query:
    """
    One question: its path, the rows that every system counts at 2,000,000 events, the target in ms;
    path_10m: what is asked of 10,000,000 instead.
    """

    def __init__(self, name, path, rows, target_ms=None, growth=5.0, path_10m=None):
        self.name, self.path, self.rows = name, path, rows
        self.target_ms, self.growth = target_ms, growth
        self.path_10m = path_10m or path

    def path_of(self, events):
        return self.path_10m if events == EVENTS_10M else self.path


QUERIES = [
    Query("Q1", f"{LOGS}{HOUR}&limit=1000&total=none", 1000, 2, 1.5),
    Query("Q1 +total", f"{LOGS}{HOUR}&limit=1000", 1000),
    Query("Q2", f"{AGG}event_type=ERROR&agg=count", 1, 0.4, 1.5),
    Query("Q2 by logs", f"{LOGS}event_type=ERROR&limit=1", 1),
    Query("Q3", f"{ORDER}ord-1003404", 10, 0.2, 1.5),
    # The same entity has 34 events among 10,000,000: this one has 10 there, too.
    Query("Q3 of 10", f"{ORDER}ord-1003404", 10, 0.2, 1.5, f"{ORDER}ord-1110001"),
    Query("Q4", f"{LOGS}search=ephyrin", 24, 8),
    Query("Q5", f"{LOGS}search=completed&limit=100&total=none", 100, 0.4, 1.5),
    Query("Q5 +total", f"{LOGS}search=completed&limit=100", 100),
    Query("Q6", f"{AGG}by=event_type&bucket=1h&agg=count", 864, 3),
    Query("Q7", f"{AGG}event_type=AUTH&by=user_id&agg=count&top=10", 10, 5),
    Query("Q8", "/api/logs/export?event_type=PAYMENT&format=ndjson", 159_802, 100),
    Query("Q9", f"{AGG}by=event_type,entity_type&agg=count", 62, 1),
    Query("Q10", f"{LOGS}q=metadata.error_code%3DE4102&limit=1000&total=none", 1000, 8),
    Query("Q10 +total", f"{LOGS}q=metadata.error_code%3DE4102&limit=1000", 1000),
]
# Rows that grow with the number of events, at 10,000,000.
ROWS_10M = {"Q3": 34, "Q4": 100, "Q8": 799_595}


def rows_of(path, body):
    """How many rows an answer has, and the answer if it is one JSON object."""
    if "/export" in path:
        return body.count(b"\n"), {}
    answer = json.loads(body)
    return len(answer.get("rows", answer.get("logs", answer.get("data", [])))), answer


class Asked:
    """What one store answered to one query."""

    def __init__(self):
        self.rows = self.warm_ms = self.cold_ms = self.cpu_ms = self.body_bytes = None
        self.answer = {}


class Bench:
    def __init__(self, args, build, data, work):
        self.args, self.build, self.data, self.work = args, build, data, work
        self.events = 0

    def daemon(self, sample_s=None):
        return Daemon([self.build / "query/astroqueryd", "--data", self.data, "--http", "127.0.0.1:0"],
                      self.work / "query.log", sample_s)

    def warm(self, asked):
        daemon = self.daemon()
        client = RawClient(daemon.ready["http"])
        took, cpu = self.rounds(daemon, client, "/healthz", 200)
        say("client and connection: /healthz", f"{took:.3f}", f"ms, {cpu:.3f} ms of the daemon's CPU")
        self.events = json.loads(client.get(f"{AGG}agg=count")[1])["rows"][0][0]
        for query in QUERIES:
            path = query.path_of(self.events)
            status, body = client.get(path)
            if status in (400, 404):
                continue
            if status != 200:
                sys.exit(f"{query.name}: {status} {body[:400]!r}")
            a = asked[query.name] = Asked()
            a.rows, a.answer = rows_of(path, body)
            a.body_bytes = len(body)
            a.warm_ms, a.cpu_ms = self.rounds(daemon, client, path, self.args.rounds)
        daemon.stop()

    @staticmethod
    def rounds(daemon, client, path, count):
        raw = request(path)
        client.exchange(raw)
        before = daemon.cpu_s()
        took = statistics.median(client.timed_ms(raw) for _ in range(count))
        return took, (daemon.cpu_s() - before) / count * 1e3

    def cold(self, asked):
        for query in QUERIES:
            if query.name not in asked:
                continue
            took = [self.cold_once(request(query.path_of(self.events))) for _ in range(COLD_ROUNDS)]
            if None in took:
                return
            asked[query.name].cold_ms = statistics.median(took)

    def cold_once(self, raw):
        if not (tools.drop_caches() if self.args.cold == "drop" else forget(self.data)):
            return None
        daemon = self.daemon()
        client = RawClient(daemon.ready["http"])
        client.exchange(request("/healthz"))
        took = client.timed_ms(raw)
        daemon.stop()
        return took

    def memory(self, asked):
        daemon = self.daemon(sample_s=0.002)
        client = RawClient(daemon.ready["http"])
        for query in QUERIES:
            for _ in range(3 if query.name in asked else 0):
                client.exchange(request(query.path_of(self.events)))
        daemon.stop()
        return daemon.peak_kib

    def command_line(self):
        """Q3 by astroquery -D, from exec to exit; its rows."""
        argv = [self.build / "tools/astroquery", "-D", self.data, "-n", "all", "-o", "json",
                "entity_type=order", "entity_id=ord-1003404"]
        took = []
        for _ in range(self.args.rounds):
            start = time.perf_counter()
            done = subprocess.run(argv, capture_output=True, check=True)
            took.append((time.perf_counter() - start) * 1e3)
        return statistics.median(took), done.stdout.count(b"\n")


def forget(data):
    """The kernel drops what it holds of the store's files, as far as nobody maps them."""
    for path in data.rglob("*"):
        if path.is_file():
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
    return True


def check_rows(label, events, asked):
    for query in QUERIES:
        want = query.rows
        if events == EVENTS_10M:
            want = ROWS_10M.get(query.name, want)
        elif events != 2_000_000:
            continue
        if query.name in asked and asked[query.name].rows != want:
            print(f"wrong: {label} {query.name}: {asked[query.name].rows} rows, {want} expected")
    two = [asked.get(n) for n in ("Q2", "Q2 by logs")]
    if all(two) and two[0].answer["rows"] != [[two[1].answer["total"]]]:
        print(f"wrong: {label} Q2: {two[0].answer['rows']}, by logs {two[1].answer['total']}")


def measure(args, build, data, work, label):
    """Asks one store everything: {name: Asked}."""
    print(f"\n{label}")
    bench, asked = Bench(args, build, data, work), {}
    bench.warm(asked)
    if args.cold != "none":
        bench.cold(asked)
    check_rows(label, bench.events, asked)
    for query in QUERIES:
        a = asked.get(query.name)
        if not a:
            say(f"{label} {query.name}", "-")
            continue
        cold = "-" if a.cold_ms is None else f"{a.cold_ms:.2f}"
        target = f"target {query.target_ms}" if query.target_ms else ""
        say(f"{label} {query.name} warm / cold", f"{a.warm_ms:.2f} / {cold}",
            f"ms, CPU {a.cpu_ms:.2f} ms, {a.rows:,} rows, {a.body_bytes:,} bytes  {target}")
        if args.profile:
            print(f"    {json.dumps(a.answer.get('stats', {}))}")
    peak = bench.memory(asked)
    say(f"{label} memory peak, PSS / without files", f"{peak['all'] / 1024:.1f} / {peak['own'] / 1024:.1f}",
        "MiB  target: without files 64")
    took, rows = bench.command_line()
    say(f"{label} Q3 by astroquery -D, start to end", f"{took:.1f}", f"ms, {rows} rows  target 20")
    return asked


def seal_and_stop(daemon):
    """What is not sealed would be asked in the journal, which is another bench."""
    tools.await_sealed(daemon)
    daemon.stop()
    if "everything is durable and sealed" not in daemon.log_path.read_text():
        sys.exit(f"the collector stopped before all was sealed, see {daemon.log_path}")


def fill(args, build, work, events):
    """The sealed store and the compacted one; both stay when --keep is given."""
    sealed, compacted = work / f"{events}-sealed", work / f"{events}-compacted"
    if not sealed.exists():
        path = tools.generate(args.gen, work, events)
        daemon = Daemon([build / "collector/astrocollectd", "--data", work / "filling",
                         "--forward", "127.0.0.1:0", "--syslog", "", "--http", "127.0.0.1:0"], work / "collector.log", None)
        subprocess.run([build / "tools/astrosend", "--to", "tcp://" + daemon.ready["forward"], "--msgpack", path],
                       check=True, capture_output=True)
        seal_and_stop(daemon)
        path.unlink()
        (work / "filling").rename(sealed)
    if not compacted.exists():
        shutil.copytree(sealed, compacted)
        subprocess.run([build / "tools/astrocompact", "--data", compacted, "--merge", "-q"], check=True)
    return {"sealed": sealed, "compacted": compacted}


def table(found):
    """Every store beside the targets, and what five times the events cost."""
    labels = list(found)
    print("\n" + f"{'warm, ms':<12}" + "".join(f"{x:>20}" for x in labels) + f"{'target':>10}")
    for query in QUERIES:
        cells = [found[x].get(query.name) for x in labels]
        if any(cells):
            print(f"{query.name:<12}" + "".join(f"{c.warm_ms:>20.2f}" if c else f"{'-':>20}" for c in cells)
                  + f"{query.target_ms or '':>10}")
    for kind in ("sealed", "compacted"):
        small, large = (found.get(f"{n:,} {kind}") for n in (2_000_000, 10_000_000))
        for query in QUERIES if small and large else ():
            if query.name in small and query.name in large:
                ratio = large[query.name].warm_ms / small[query.name].warm_ms
                say(f"{query.name} {kind}, 10 M / 2 M", f"{ratio:.2f}", f"target {query.growth}")


def bench(args, build, work):
    say("commit", tools.commit(ROOT))
    say("load average before", f"{os.getloadavg()[0]:.2f}")
    found = {}
    if args.data:
        data = pathlib.Path(args.data).resolve()
        found["as given"] = measure(args, build, data, work, "as given")
    for events in () if args.data else args.events:
        for kind, data in fill(args, build, work, events).items():
            label = f"{events:,} {kind}"
            found[label] = measure(args, build, data, work, label)
        if not args.keep:
            shutil.rmtree(work)
            work.mkdir()
    table(found)
    say("load average after", f"{os.getloadavg()[0]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(ROOT / "build")))
    parser.add_argument("--events", type=int, nargs="+", default=[2_000_000, 10_000_000],
                        help="with --data: how many it has, for the check of the rows")
    parser.add_argument("--data", help="ask this store, as it is")
    parser.add_argument("--keep", help="work in this directory and leave the stores there")
    parser.add_argument("--gen", default=str(ROOT / "../shared/bench/gen_events.c"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cold", choices=("drop", "store", "none"), default="drop")
    parser.add_argument("--profile", action="store_true", help="the stats object of each answer, too")
    args = parser.parse_args()
    if not args.data and not tools.has_generator(args.gen):
        return 77
    with tools.work_dir(args.keep, "astro-query-") as work:
        bench(args, pathlib.Path(args.build).resolve(), work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
