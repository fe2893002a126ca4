#!/usr/bin/python3
"""End-to-end figures of one build, beside each other for several numbers of events.

    tests/bench/e2e.py --build build [--events 2000000 10000000] [--parts ingest,query,real ...]
                       [--gen ../shared/bench/gen_events.c] [--real-dir ../shared/data/events] [--keep DIR]

Parts:  ingest   durable ingest over one TCP connection with acks: rate, CPU by thread, memory, seal
                 rate, bytes on disk (columns: with --columns)
        start    start after a clean stop and after kill -9, on a copy of the ingested store
        query    Q1 to Q5 over HTTP as the collector left the store, and after astrocompact
        udp      datagrams of 400 bytes at 200,000/s for 10 s: loss
        real     bytes per event of recorded logs against msgpack + zstd -3 in 1 MiB blocks

Runs real daemons on loopback with data directories of their own; nothing here asserts a time. Each
figure is a line `name value unit`; the last lines put them beside their targets. CPU is of the whole
collector, so it counts the journal and the sealer too; compare it, and bytes, before rates.
"""
import argparse
import http.client
import json
import lzma
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

import e2e_tools as tools
from e2e_tools import Daemon, say

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ("ingest", "start", "query", "udp", "real")
REAL = ("windows", "cloudtrail", "access")
CRASH_EVENTS = 200_000

QUERIES = {
    "Q1": ("start_time=2026-01-13T12:00:00Z&end_time=2026-01-13T13:00:00Z&limit=1000", 1000),
    "Q2": ("event_type=ERROR&limit=1", None),
    "Q3": ("entity_type=order&entity_id=ord-1003404", 10),
    "Q4": ("search=ephyrin", 24),
    "Q5": ("search=completed&limit=100", 100),
}

# name in the results, target as text
TARGETS = [
    ("bytes/event sealed", "<= 27"),
    ("bytes/event compacted", "<= 24"),
    ("events/s durable", ">= 1,000,000"),
    ("CPU us/event to last ack", "<= 1.2"),
    ("CPU us/event, all sealed", ""),
    ("seal of 1 M events, s of a core", "<= 1"),
    ("memory peak PSS, MiB", "<= 64"),
    ("start after clean stop, ms", "<= 50"),
    ("start after kill -9, ms", "<= 1000"),
    ("segments sealed", ""),
    ("Q1 sealed / compacted, ms", "x <= 2"),
    ("Q2 sealed / compacted, ms", "x <= 2"),
    ("Q3 sealed / compacted, ms", "x <= 2"),
    ("Q4 sealed / compacted, ms", "x <= 2"),
    ("Q5 sealed / compacted, ms", "x <= 2"),
]


class Run:
    """One store filled with so many generated events."""

    def __init__(self, args, build, work, events):
        self.args = args
        self.build = build
        self.work = work / str(events)
        self.work.mkdir(parents=True, exist_ok=True)
        self.data = self.work / "data"
        self.events = events
        self.found = {}

    def collector(self, data=None, log="collector.log"):
        return Daemon([self.build / "collector/astrocollectd", "--data", data or self.data,
                       "--forward", "127.0.0.1:0", "--syslog", "", "--http", "127.0.0.1:0"], self.work / log)

    def send(self, to, *more, check=True):
        done = subprocess.run([self.build / "tools/astrosend", "--to", to, *more],
                              capture_output=True, text=True)
        if check and done.returncode != 0:
            sys.exit(f"astrosend failed: {done.stderr}{done.stdout}")
        return (done.stdout + done.stderr).strip().splitlines()[-1]


# ---- ingest ----


def seal_cost(log):
    """Events sealed, and the seconds the log says for that."""
    events = seconds = 0
    for line in log.read_text(errors="replace").splitlines():
        m = re.search(r"seal: sealed .*?events=(\d+).*?seconds=([\d.]+)", line)
        if m:
            events += int(m[1])
            seconds += float(m[2])
    return events, seconds


def ingest(run):
    path = tools.generate(run.args.gen, run.work.parent, run.events)
    daemon = run.collector()
    start = time.perf_counter()
    print(run.send("tcp://" + daemon.ready["forward"], "--msgpack", path))
    wall = time.perf_counter() - start
    threads = daemon.threads_cpu_s()
    cpu = sum(threads.values())
    daemon.stop()
    run.found["events/s durable"] = f"{run.events / wall:,.0f}"
    run.found["CPU us/event to last ack"] = f"{cpu / run.events * 1e6:.2f}"
    run.found["CPU us/event, all sealed"] = f"{daemon.cpu_all_s / run.events * 1e6:.2f}"
    run.found["memory peak PSS, MiB"] = f"{daemon.peak_kib['all'] / 1024:.1f}"
    say("durable ingest, 1 TCP connection, acks", f"{run.events / wall:,.0f}", "events/s")
    say("collector CPU, until the last ack", f"{cpu / run.events * 1e6:.2f}", "us/event")
    for name, value in sorted(threads.items(), key=lambda kv: -kv[1])[:4]:
        say(f"  of which thread {name}", f"{value / run.events * 1e6:.2f}", "us/event")
    say("collector CPU, until all is sealed and stopped", f"{daemon.cpu_all_s / run.events * 1e6:.2f}", "us/event")
    daemon.say_memory("collector")
    sealed, seconds = seal_cost(daemon.log_path)
    if sealed:
        run.found["seal of 1 M events, s of a core"] = f"{seconds / sealed * 1e6:.2f}"
        say("seal of 1 M events", f"{seconds / sealed * 1e6:.2f}", "s, by the log")
    say("journal left after the drain", sum(p.stat().st_size for p in (run.data / "journal").iterdir()), "bytes")
    per_event = tools.say_disk("sealed", run.data, run.events)
    run.found["bytes/event sealed"] = f"{per_event:.2f}"
    run.found["segments sealed"] = len(tools.segments(run.data))
    if run.args.columns:
        tools.say_columns("sealed", run.build, run.data, run.events)


# ---- start ----


def starts(run):
    """On a copy, for it adds events. The crash comes right after acks, so that rows are unsealed."""
    copy = run.work / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run.data, copy)
    extra = tools.generate(run.args.gen, run.work.parent, CRASH_EVENTS)
    daemon = run.collector(copy, "start.log")
    daemon.stop()
    daemon = run.collector(copy, "start.log")
    run.found["start after clean stop, ms"] = f"{daemon.start_s * 1e3:.0f}"
    say("start after a clean stop", f"{daemon.start_s * 1e3:.0f}", "ms")
    run.send("tcp://" + daemon.ready["forward"], "--msgpack", extra)
    daemon.stop(signal.SIGKILL)
    daemon = run.collector(copy, "start.log")
    run.found["start after kill -9, ms"] = f"{daemon.start_s * 1e3:.0f}"
    say("start after kill -9", f"{daemon.start_s * 1e3:.0f}", "ms")
    daemon.stop()
    shutil.rmtree(copy)


# ---- queries ----


def ask(conn, query):
    start = time.perf_counter()
    conn.request("GET", "/api/logs?" + query)
    body = conn.getresponse().read()
    return (time.perf_counter() - start) * 1e3, body


def run_queries(run, addr, label):
    """Warm: the median of rounds. Cold: after dropping the page cache, where that is allowed."""
    host, port = addr.rsplit(":", 1)
    conn = http.client.HTTPConnection(host, int(port))
    took = {}
    for name, (query, rows) in QUERIES.items():
        body = json.loads(ask(conn, query)[1])
        got = len(body.get("logs", body.get("data", [])))
        if rows is not None and got != rows and run.events == 2_000_000:
            print(f"note: {name} gave {got} rows, {rows} expected at 2,000,000 events, seed 1")
        took[name] = statistics.median(ask(conn, query)[0] for _ in range(run.args.rounds))
        cold = [ask(conn, query)[0] for _ in range(3) if tools.drop_caches()]
        cold_text = f"{statistics.median(cold):.2f}" if cold else "-"
        say(f"{label} {name} warm / cold ({got} rows of {body['total']})",
            f"{took[name]:.2f} / {cold_text}", f"ms  {json.dumps(body.get('stats', {}))}")
    return took


def queries(run):
    query = Daemon([run.build / "query/astroqueryd", "--data", run.data, "--http", "127.0.0.1:0"],
                   run.work / "query.log")
    sealed = run_queries(run, query.ready["http"], "sealed")
    query.say_memory("query daemon, sealed")
    start = time.perf_counter()
    subprocess.run([run.build / "tools/astrocompact", "--data", run.data, "--merge", "-q"], check=True)
    say("astrocompact --merge", f"{time.perf_counter() - start:.1f}", "s")
    run.found["bytes/event compacted"] = f"{tools.say_disk('compacted', run.data, run.events):.2f}"
    if run.args.columns:
        tools.say_columns("compacted", run.build, run.data, run.events)
    compacted = run_queries(run, query.ready["http"], "compacted")
    query.stop()
    for name, ms in sealed.items():
        ratio = ms / compacted[name]
        run.found[f"{name} sealed / compacted, ms"] = f"{ms:.1f} / {compacted[name]:.1f} = {ratio:.2f}x"


# ---- udp ----


def counters(addr):
    conn = http.client.HTTPConnection(*addr.rsplit(":", 1))
    conn.request("GET", "/metrics")
    text = conn.getresponse().read().decode()
    return {k: float(v) for k, v in re.findall(r"^(astro_\S+) ([\d.e+]+)$", text, re.M)}


def udp(args, build, work):
    run = Run(args, build, work, 2_000_000)
    path = tools.generate(args.gen, work, run.events)
    data = work / "udp"
    daemon = Daemon([build / "collector/astrocollectd", "--data", data, "--forward", "127.0.0.1:0",
                     "--syslog", "", "--http", "127.0.0.1:0"], work / "udp.log")
    to = "udp://" + daemon.ready.get("udp", daemon.ready["forward"])
    print(run.send(to, "--rate", "200000", "--datagram", "400", "--msgpack", path, check=False))
    time.sleep(1)
    found = counters(daemon.ready["http"])
    got = found.get('astro_collector_events_total{door="udp"}', 0)
    daemon.stop()
    say("udp: events lost at 200,000/s for 10 s", f"{run.events - got:,.0f}", f"of {run.events:,}")
    for name, value in sorted(found.items()):
        if "udp" in name and "dropped" in name:
            say(f"udp: {name}", f"{value:,.0f}")
    say("udp: collector CPU", f"{daemon.cpu_all_s / max(got, 1) * 1e6:.2f}", "us/event")
    daemon.say_memory("udp: collector")
    shutil.rmtree(data, ignore_errors=True)


# ---- real data ----


def real(args, build, work, name):
    source = pathlib.Path(args.real_dir) / f"{name}.ndjson.xz"
    if not source.exists():
        print(f"skipped: no {source}")
        return
    path, data = work / f"{name}.ndjson", work / f"real-{name}"
    with lzma.open(source) as src, open(path, "wb") as out:
        shutil.copyfileobj(src, out, tools.MIB)
    daemon = Daemon([build / "collector/astrocollectd", "--data", data, "--forward", "127.0.0.1:0",
                     "--syslog", "", "--http", "127.0.0.1:0"], work / f"real-{name}.log")
    run = Run(args, build, work, 0)
    run.send("tcp://" + daemon.ready["forward"], "--ndjson", path)
    daemon.stop()
    with open(path, "rb") as lines:
        raw, line, events = tools.yardstick(json.loads(x) for x in lines)
    path.unlink()
    say(f"{name}: events", f"{events:,}")
    say(f"{name}: msgpack", f"{raw / events:.1f}", "bytes/event")
    line_text = f"{line / events:.1f}" if line else "-"
    say(f"{name}: msgpack + zstd -3, 1 MiB blocks", line_text, "bytes/event")
    sealed = tools.say_disk(f"{name} sealed", data, events)
    if args.columns:
        tools.say_columns(f"{name} sealed", build, data, events)
    subprocess.run([build / "tools/astrocompact", "--data", data, "--merge", "-q"], check=True)
    compacted = tools.say_disk(f"{name} compacted", data, events)
    if args.columns:
        tools.say_columns(f"{name} compacted", build, data, events)
    if line:
        print(f"{name}: sealed {sealed * events / line:.3f}, compacted {compacted * events / line:.3f} of the line to beat")
    shutil.rmtree(data, ignore_errors=True)


# ---- all of it ----


def table(runs):
    print("\n" + f"{'':<34}" + "".join(f"{r.events:>26,}" for r in runs) + "   target")
    for name, target in TARGETS:
        cells = [str(r.found.get(name, "-")) for r in runs]
        if any(c != "-" for c in cells):
            print(f"{name:<34}" + "".join(f"{c:>26}" for c in cells) + f"   {target}")


def bench(args, build, work):
    say("commit", tools.commit(ROOT))
    say("load average before", f"{os.getloadavg()[0]:.2f}")
    runs = []
    for events in args.events:
        if "ingest" not in args.parts:
            break
        run = Run(args, build, work, events)
        runs.append(run)
        print(f"\n{events:,} events")
        ingest(run)
        if "start" in args.parts:
            starts(run)
        if "query" in args.parts:
            queries(run)
        if not args.keep:
            shutil.rmtree(run.work)
            (work / f"events-{events}.msgpack").unlink(missing_ok=True)
    if "udp" in args.parts:
        print()
        udp(args, build, work)
    for name in args.real if "real" in args.parts else ():
        print()
        real(args, build, work, name)
    if runs:
        table(runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(ROOT / "build")))
    parser.add_argument("--events", type=int, nargs="+", default=[2_000_000, 10_000_000])
    parser.add_argument("--parts", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--real", nargs="*", default=REAL, help="of " + ", ".join(REAL))
    parser.add_argument("--columns", action="store_true", help="bytes per event of each column")
    parser.add_argument("--gen", default=str(ROOT / "../shared/bench/gen_events.c"))
    parser.add_argument("--real-dir", default=str(ROOT / "../shared/data/events"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", help="work in this directory and leave it behind")
    args = parser.parse_args()
    args.parts = set(args.parts.split(","))
    if args.parts - set(PARTS):
        parser.error("no such part")
    if not tools.has_generator(args.gen):
        return 77
    with tools.work_dir(args.keep, "astro-bench-") as work:
        bench(args, pathlib.Path(args.build).resolve(), work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
