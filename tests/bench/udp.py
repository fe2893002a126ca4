#!/usr/bin/python3
"""Figures of the UDP door: datagrams of one event each at a steady rate, while the collector journals and seals.

    tests/bench/udp.py --build build [--rate 200000] [--seconds 10] [--bytes 400] [--train 0] [--rounds 1]

Prints, as `name value unit`, what was sent, stored, dropped by the kernel and dropped by the collector (their
sum is checked: nothing may be lost without being counted), and the CPU of each thread by datagram. `--train 1`
sends every datagram by itself, as ordinary clients do; the default lets astrosend choose.
"""
import argparse
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
sys.dont_write_bytecode = True
import astro  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
TAG = "bench"
# Array and tag, bin head, entry head with its time, {"size": 1}.
AROUND = 1 + 1 + len(TAG) + 3 + 11 + 1 + 5 + 1
DISTINCT = 20000


def say(name, value, unit):
    print(f"{name:<44} {value:>14} {unit}", flush=True)


def event(n, size):
    """The record of an audit event, msgpack, of exactly that size."""
    record = {"event_type": "PAYMENT", "severity": "info", "entity_type": "order", "entity_id": f"ord-{n:07d}",
              "user_id": f"u-{n * 7919 % 100000:05d}", "ip_address": f"203.0.113.{n % 250}",
              "service": "payments-api", "host": "pay-3", "metadata": {"amount": n / 100, "try": n % 5}}
    description = f"payment of {n % 90000 / 100:.2f} EUR for order ord-{n:07d} was captured by the bank "
    for pad in range(size):
        packed = astro.pack({**record, "description": description + "." * pad})
        if len(packed) == size:
            return packed
    raise SystemExit(f"no event of {size} bytes")


def make_events(path, size):
    with open(path, "wb") as out:
        for n in range(DISTINCT):
            out.write(event(n, size))


def threads(pid):
    out = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        stat = (task / "stat").read_text()
        name = stat[stat.index("(") + 1:stat.rindex(")")]
        rest = stat.rsplit(")", 1)[1].split()
        out[name] = out.get(name, 0) + (int(rest[11]) + int(rest[12])) / TICK
    return out


def settled(collector, sent):
    """Waits until every datagram is accounted for; the metrics then."""
    deadline = time.monotonic() + 30
    while True:
        m = astro.metrics(collector.address("http"))
        got = m["astro_collector_datagrams_total"] + m['astro_collector_datagrams_dropped_total{reason="kernel"}']
        if got >= sent or time.monotonic() > deadline:
            return m
        time.sleep(0.05)


def one_round(args, work, events):
    lab = astro.Lab()
    try:
        collector = lab.collector(unix=False)
        files = [str(events)] * (args.rate * args.seconds // DISTINCT)
        before = threads(collector.pid)
        send = subprocess.run([astro.program("astrosend"), "--to", "udp://" + collector.address("udp"), "--msgpack",
                               "--tag", TAG, "--batch", "1", "--rate", str(args.rate), "--train", str(args.train),
                               *files], capture_output=True, text=True, check=False)
        if send.returncode:
            raise SystemExit(send.stderr + send.stdout)
        print(send.stdout.strip())
        sent = int(re.search(r"in (\d+) frames", send.stdout).group(1))
        m = settled(collector, sent)
        report(args, collector, before, sent, m)
    finally:
        lab.close()


def report(args, collector, before, sent, m):
    drops = {k: int(v) for k, v in m.items() if k.startswith("astro_collector_datagrams_dropped_total")}
    time.sleep(0.2)
    m = astro.metrics(collector.address("http"))
    stored = int(m["astro_store_committed_id"])
    say("sent", sent, "datagrams")
    say("stored", stored, "events")
    for name, value in drops.items():
        say("dropped " + name[name.index("{"):], value, "datagrams")
    say("lost and not counted", sent - stored - sum(drops.values()), "datagrams")
    say("loss", f"{100 * (sent - stored) / sent:.4f}", "%")
    say("receive buffer", int(m["astro_collector_udp_buffer_bytes"]), "bytes")
    after = threads(collector.pid)
    for name in sorted(after, key=lambda n: -(after[n] - before.get(n, 0)))[:4]:
        say(f"CPU of thread {name}", f"{(after[name] - before.get(name, 0)) / sent * 1e6:.2f}", "us/datagram")
    say("segments made", int(m["astro_store_segments_made_total"]), "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(ROOT / "build")))
    parser.add_argument("--rate", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--bytes", type=int, default=400, help="of one datagram")
    parser.add_argument("--train", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    args = parser.parse_args()
    astro.BUILD = str(pathlib.Path(args.build).resolve())
    work = pathlib.Path(tempfile.mkdtemp(prefix="astro-bench-"))
    try:
        events = work / "events.msgpack"
        make_events(events, args.bytes - AROUND)
        for _ in range(args.rounds):
            one_round(args, work, events)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
