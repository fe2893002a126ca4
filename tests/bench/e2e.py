#!/usr/bin/python3
"""End-to-end figures: durable ingest over one TCP connection with acks, bytes on disk, memory of both
daemons, and the queries Q1 to Q5 over HTTP.

    tests/bench/e2e.py --build build [--events 2000000] [--gen ../shared/bench/gen_events.c] [--keep DIR]

Runs real daemons on loopback with a data directory of their own; nothing here asserts a time. Each
figure is printed as one line `name value unit`. CPU is user+sys of the collector from /proc, so it
counts the journal and the sealer too; compare it, and bytes, before rates: machines are noisy.
"""
import argparse
import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
TICK = os.sysconf("SC_CLK_TCK")

QUERIES = {
    "Q1": ("start_time=2026-01-13T12:00:00Z&end_time=2026-01-13T13:00:00Z&limit=1000", 1000),
    "Q2": ("event_type=ERROR&limit=1", None),
    "Q3": ("entity_type=order&entity_id=ord-1003404", 10),
    "Q4": ("search=ephyrin", 24),
    "Q5": ("search=completed&limit=100", 100),
}


class Daemon:
    """A daemon on loopback whose ready line names its addresses; its memory is sampled as it runs."""

    def __init__(self, argv, log):
        self.log_path = log
        with open(log, "wb") as out:
            self.proc = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        atexit.register(self.proc.kill)
        self.ready = self.await_ready()
        self.pss_peak_kib = 0
        self.done = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()

    def await_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for line in self.log_path.read_text(errors="replace").splitlines():
                if "ready " in line:
                    return dict(re.findall(r"(\w+)=(\S+)", line))
            if self.proc.poll() is not None:
                break
            time.sleep(0.01)
        sys.exit(f"not ready:\n{self.log_path.read_text(errors='replace')}")

    def sample(self):
        """PSS of all but file mappings: shared page cache is not the daemon's own."""
        while not self.done.wait(0.1):
            try:
                text = pathlib.Path(f"/proc/{self.proc.pid}/smaps_rollup").read_text()
            except OSError:
                return
            anon = sum(int(v) for v in re.findall(r"^Pss_(?:Anon|Shmem):\s+(\d+)", text, re.M))
            self.pss_peak_kib = max(self.pss_peak_kib, anon)

    def cpu_s(self):
        stat = pathlib.Path(f"/proc/{self.proc.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / TICK

    def threads_cpu_s(self):
        out = {}
        for task in pathlib.Path(f"/proc/{self.proc.pid}/task").iterdir():
            stat = (task / "stat").read_text()
            name = stat[stat.index("(") + 1 : stat.rindex(")")]
            rest = stat.rsplit(")", 1)[1].split()
            out[name] = out.get(name, 0) + (int(rest[11]) + int(rest[12])) / TICK
        return out

    def rss_peak_kib(self):
        text = pathlib.Path(f"/proc/{self.proc.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", text).group(1))

    def stop(self):
        self.done.set()
        self.proc.send_signal(signal.SIGTERM)
        code = self.proc.wait(120)
        if code != 0:
            sys.exit(f"exit status {code}:\n{self.log_path.read_text(errors='replace')[-2000:]}")


def say(name, value, unit):
    print(f"{name:<44} {value:>14} {unit}", flush=True)


def disk(data):
    """Bytes below seg/, by the ending of the file."""
    kinds = {}
    for path in (data / "seg").rglob("*"):
        if path.is_file():
            kinds[path.suffix] = kinds.get(path.suffix, 0) + path.stat().st_size
    return kinds


def say_disk(label, data, events):
    kinds = disk(data)
    files = sum(1 for p in (data / "seg").rglob("*.seg"))
    for suffix in sorted(kinds):
        say(f"{label}: {suffix}", f"{kinds[suffix] / events:.2f}", "bytes/event")
    say(f"{label}: all", f"{sum(kinds.values()) / events:.2f}", f"bytes/event in {files} segments")


def ask(conn, query):
    start = time.perf_counter()
    conn.request("GET", "/api/logs?" + query)
    body = conn.getresponse().read()
    took = time.perf_counter() - start
    return took, body


def drop_caches():
    try:
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        return True
    except OSError:
        return False


def run_queries(addr, label, rounds):
    host, port = addr.rsplit(":", 1)
    conn = http.client.HTTPConnection(host, int(port))
    for name, (query, rows) in QUERIES.items():
        body = json.loads(ask(conn, query)[1])
        got = len(body.get("logs", body.get("data", [])))
        if rows is not None and got != rows:
            print(f"note: {name} gave {got} rows, {rows} expected at 2,000,000 events, seed 1")
        warm = [ask(conn, query)[0] * 1e3 for _ in range(rounds)]
        cold = []
        for _ in range(3):
            if drop_caches():
                cold.append(ask(conn, query)[0] * 1e3)
        cold_text = f"{statistics.median(cold):.2f}" if cold else "-"
        stats = body.get("stats", {})
        say(f"{name} warm / cold ({got} rows of {body['total']})",
            f"{statistics.median(warm):.2f} / {cold_text}", f"ms  {json.dumps(stats)}")


def generate(args, work):
    gen = work / "gen_events"
    subprocess.run(["cc", "-O2", "-o", gen, args.gen, "-lm"], check=True)
    path = work / "events.msgpack"
    with open(path, "wb") as out:
        subprocess.run([gen, "-n", str(args.events), "-s", "1", "-f", "msgpack"], stdout=out, check=True)
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(ROOT / "build")))
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--gen", default=str(ROOT / "../shared/bench/gen_events.c"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--keep", help="work in this directory and leave it behind")
    args = parser.parse_args()
    if not os.path.exists(args.gen):
        print(f"skipped: no event generator at {args.gen}; name one with --gen")
        return 77
    build = pathlib.Path(args.build).resolve()
    work = pathlib.Path(args.keep or tempfile.mkdtemp(prefix="astro-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        bench(args, build, work)
    finally:
        if not args.keep:
            shutil.rmtree(work, ignore_errors=True)
    return 0


def bench(args, build, work):
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    say("commit", commit, "")
    say("load average before", f"{os.getloadavg()[0]:.2f}", "")
    events = generate(args, work)
    data = work / "data"
    collector = Daemon([build / "collector/astrocollectd", "--data", data, "--forward", "127.0.0.1:0",
                        "--http", "127.0.0.1:0"], work / "collector.log")
    start = time.perf_counter()
    send = subprocess.run([build / "tools/astrosend", "--to", "tcp://" + collector.ready["forward"],
                           "--msgpack", events], capture_output=True, text=True)
    wall = time.perf_counter() - start
    if send.returncode != 0:
        sys.exit(f"astrosend failed: {send.stderr}{send.stdout}")
    print((send.stdout + send.stderr).strip().splitlines()[-1])
    cpu = collector.cpu_s()
    threads = collector.threads_cpu_s()
    say("durable ingest, 1 TCP connection, acks", f"{args.events / wall:,.0f}", "events/s")
    say("collector CPU, until the last ack", f"{cpu / args.events * 1e6:.2f}", "us/event")
    for name, value in sorted(threads.items(), key=lambda kv: -kv[1])[:4]:
        say(f"  of which thread {name}", f"{value / args.events * 1e6:.2f}", "us/event")
    say("collector memory peak, anonymous PSS", f"{collector.pss_peak_kib / 1024:.1f}", "MiB")
    say("collector memory peak, RSS with page cache", f"{collector.rss_peak_kib() / 1024:.1f}", "MiB")
    query = Daemon([build / "query/astroqueryd", "--data", data, "--http", "127.0.0.1:0"], work / "query.log")
    collector.stop()
    say("journal left after the drain", sum(p.stat().st_size for p in (data / "journal").iterdir()), "bytes")
    say_disk("sealed", data, args.events)
    run_queries(query.ready["http"], "sealed", args.rounds)
    say("query daemon memory peak, anonymous PSS", f"{query.pss_peak_kib / 1024:.1f}", "MiB")
    say("query daemon memory peak, RSS with page cache", f"{query.rss_peak_kib() / 1024:.1f}", "MiB")
    start = time.perf_counter()
    subprocess.run([build / "tools/astrocompact", "--data", data, "--merge", "-q"], check=True)
    say("astrocompact --merge", f"{time.perf_counter() - start:.1f}", "s")
    say_disk("compacted", data, args.events)
    run_queries(query.ready["http"], "compacted", args.rounds)
    query.stop()


if __name__ == "__main__":
    sys.exit(main())
