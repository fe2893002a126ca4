#!/usr/bin/python3
"""What live tails cost those who collect, and what they see.

    tests/bench/tails.py --build build [--tails 200] [--rate 20000] [--seconds 10] [--rounds 1] [KIND ...]

Ships events at a steady rate, for each kind of tails that are open meanwhile, and again without any. Kinds: `rare`
(each asks for the events of one user: all different), `types` (8 different filters, an eighth of the events each),
`same` (everything, all of them). Half of the tails are WebSockets, half server-sent events. A process of the lowest
priority reads them and throws away what it reads; where that is slower than the daemon sends, events are dropped and
counted, which is part of what is measured.

Told are the rate that was acknowledged, CPU of the collector and of astroqueryd for each second, what was sent and
dropped, the highest PSS without files of astroqueryd, and, of four more tails that ask for events that carry the
time of their sending, how long these took from before their frame was sent until they were read. Nothing here
asserts a time.
"""
import argparse
import json
import os
import pathlib
import selectors
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
sys.dont_write_bytecode = True
import astro  # noqa: E402
import e2e_tools as tools  # noqa: E402
import websocket  # noqa: E402
from e2e_tools import Daemon, say  # noqa: E402

FRAME_EVENTS = 200
PROBES = 4
TYPES = ["AUTH", "ERROR", "PAYMENT", "UPDATE", "NOTIFY", "CREATE", "DELETE", "VIEW"]


class Target:
    """An address, as the clients of tests/support want it."""

    def __init__(self, address):
        self.at = address

    def address(self, _door):
        return self.at


def filters(kind, count):
    if kind == "rare":
        return [{"user_id": f"u-{i:05d}"} for i in range(count)]
    if kind == "types":
        return [{"event_type": TYPES[i % len(TYPES)]} for i in range(count)]
    return [{} for _ in range(count)]


# ---------------------------------------------------------------- the process of the readers


def probe(target, door, took, stop):
    tail = websocket.open_tail(target, door, event_type="PROBE", fields="metadata.sent")
    while not stop.is_set():
        try:
            message = tail.message()
        except (TimeoutError, websocket.Closed):
            return
        now = time.time()
        took.extend(now - e["metadata.sent"] for e in message["data"])


def readers_main(address, kind, count):
    """Reads until its input ends; then prints what it saw."""
    target, stop, took = Target(address), threading.Event(), []
    probes = [threading.Thread(target=probe, args=(target, ("ws", "sse")[i % 2], took, stop), daemon=True)
              for i in range(PROBES)]
    for p in probes:
        p.start()
    tails = [websocket.open_tail(target, ("ws", "sse")[i % 2], **f) for i, f in enumerate(filters(kind, count))]
    os.nice(19)
    sel, room, total = selectors.DefaultSelector(), bytearray(1 << 20), 0
    for t in tails:
        t.sock.setblocking(False)
        sel.register(t.sock, selectors.EVENT_READ)
    sel.register(sys.stdin, selectors.EVENT_READ)
    print("open", flush=True)
    while not stop.is_set():
        for key, _ in sel.select():
            if key.fileobj is sys.stdin:
                stop.set()
                break
            n = key.fileobj.recv_into(room)
            total += n
            if n == 0:
                sel.unregister(key.fileobj)
    print(json.dumps({"bytes": total, "took": list(took)}), flush=True)


# ---------------------------------------------------------------- shipping


def record(n, sent=None):
    if sent:
        return {"event_type": "PROBE", "metadata": {"sent": sent}}
    return {"event_type": TYPES[n * 7 % 8], "severity": ("info", "notice", "error")[n % 3], "entity_type": "order",
            "entity_id": f"ord-{n:07d}", "user_id": f"u-{n * 7919 % 5000:05d}", "ip_address": f"203.0.113.{n % 250}",
            "service": "payments-api", "host": "pay-3",
            "description": f"payment of {n % 90000 / 100:.2f} EUR for order ord-{n:07d} was captured",
            "metadata": {"amount": n % 90000 / 100, "try": n % 5}}


def ship(address, rate, seconds):
    """At that rate as far as the collector goes along; (events acknowledged, seconds)."""
    now = astro.event_time(int(time.time()), 0)
    made = [astro.pack(*[[now, record(f * FRAME_EVENTS + i)] for i in range(FRAME_EVENTS - 1)]) for f in range(200)]
    frames = rate * seconds // FRAME_EVENTS
    acked = threading.Semaphore(64)
    with astro.Client(address) as c:
        done = threading.Thread(target=lambda: [(c.ack(), acked.release()) for _ in range(frames)])
        done.start()
        begin = time.perf_counter()
        for n in range(frames):
            wait = begin + n * FRAME_EVENTS / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            acked.acquire()
            body = made[n % len(made)] + astro.pack([now, record(n, time.time())])
            c.send(astro.packed("bench", body, {"chunk": f"c{n}-{begin}"}))
        done.join()
        return frames * FRAME_EVENTS, time.perf_counter() - begin


# ---------------------------------------------------------------- one round


def metrics_of(address):
    return {k.replace("astro_query_", ""): v for k, v in astro.metrics(address).items() if "tail" in k}


def one_round(args, kind, collector, query):
    http = query.ready["http"]
    readers, seen = None, {"bytes": 0, "took": []}
    if kind != "none":
        readers = subprocess.Popen([sys.executable, __file__, "--read", http, kind, str(args.tails)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert readers.stdout.readline() == "open\n"
    before, c0, q0 = metrics_of(http), collector.cpu_s(), query.cpu_s()
    query.peak_kib = {"all": 0, "own": 0}
    events, took = ship(collector.ready["forward"], args.rate, args.seconds)
    c1, q1, after = collector.cpu_s(), query.cpu_s(), metrics_of(http)
    if readers:
        out, _ = readers.communicate("")
        seen = json.loads(out.splitlines()[-1])
        astro.wait_for(lambda: astro.metrics(http)["astro_query_tails"] == 0, "all tails have gone")
    delta = {k: after[k] - before[k] for k in after}
    return {"rate": events / took, "collector": (c1 - c0) / took, "query": (q1 - q0) / took, "pss": query.peak_kib["own"],
            "mb": seen["bytes"] / took / 1e6, "took": sorted(seen["took"]), "delta": delta, "seconds": took}


def tell(kind, r):
    say(f"{kind}: events acknowledged", f"{r['rate']:.0f}", "/s")
    say(f"{kind}: CPU of the collector", f"{r['collector'] * 1e3:.0f}", "ms/s")
    say(f"{kind}: CPU of astroqueryd", f"{r['query'] * 1e3:.0f}", "ms/s")
    say(f"{kind}: highest PSS without files of astroqueryd", f"{r['pss'] / 1024:.1f}", "MiB")
    if kind == "none":
        return
    d, t = r["delta"], r["took"]
    say(f"{kind}: of it in turns", f"{d['tail_run_seconds_total'] / r['seconds'] * 1e3:.0f}", "ms/s")
    say(f"{kind}: turns", f"{d['tail_turns_total'] / r['seconds']:.1f}", "/s")
    say(f"{kind}: events sent to tails", f"{d['tail_events_total'] / r['seconds']:.0f}", "/s")
    say(f"{kind}: events dropped", f"{d['tail_dropped_total'] / r['seconds']:.0f}", "/s")
    say(f"{kind}: read by clients", f"{r['mb']:.0f}", "MB/s")
    if t:
        q = statistics.quantiles(t, n=100)
        say(f"{kind}: latency p50 / p95 / p99", f"{q[49] * 1e3:.0f} / {q[94] * 1e3:.0f} / {q[98] * 1e3:.0f}", "ms")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", required=True, type=pathlib.Path)
    ap.add_argument("--tails", type=int, default=200)
    ap.add_argument("--rate", type=int, default=20_000)
    ap.add_argument("--seconds", type=int, default=10)
    ap.add_argument("--rounds", type=int, default=1)
    ap.add_argument("kinds", nargs="*", default=["rare", "types", "same"])
    args = ap.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="tails-"))
    say("commit", tools.commit(ROOT))
    collector = Daemon([args.build / "collector/astrocollectd", "--data", work / "data", "--forward", "127.0.0.1:0",
                        "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0"], work / "collector.log")
    query = Daemon([args.build / "query/astroqueryd", "--data", work / "data", "--http", "127.0.0.1:0"],
                   work / "query.log")
    try:
        for _ in range(args.rounds):
            for kind in args.kinds:
                for which in ("none", kind):
                    tell(which, one_round(args, which, collector, query))
    finally:
        for d in (query, collector):
            d.stop()
        shutil.rmtree(work)


if len(sys.argv) > 1 and sys.argv[1] == "--read":
    readers_main(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    main()
