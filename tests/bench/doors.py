#!/usr/bin/python3
"""One table of what each door of the collector takes: events/s, CPU, loss and memory.

    tests/bench/doors.py --build build [--events 1000000] [--rate 200000] [--keep DIR] [DOOR ...]

Each door gets a collector and a data directory of its own, and the same audit events in its own form, made
before the clock starts: stream doors are fed by a sendall loop of Python in a thread for each connection, datagrams
by tests/support/pump at --rate a second. A run ends when every event that was sent is durable (acknowledged, where
the door does that). A door that the collector does not have is shown as absent: it was tried and refused.

CPU is that of the whole collector up to then, and, beside it, until all is sealed and the collector has ended. events/s
depend on what else the machine does; `bound` does not: what the busiest thread of the collector would take with a core
of its own. Nothing here asserts a figure.
"""
import argparse
import ctypes
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
sys.dont_write_bytecode = True
import astro  # noqa: E402
import e2e_tools as tools  # noqa: E402

DISTINCT = 20000   # different events
FRAME_EVENTS = 1000
BODY_EVENTS = 2000
EPOCH = 1796040000


class Absent(Exception):
    """The collector has no such door; the text says how that was seen."""


# ---------------------------------------------------------------- the events


def event(n):
    """An audit event as services write it: about 330 bytes of JSON."""
    return {"timestamp": stamp(n), "event_type": ("PAYMENT", "AUTH", "CREATE", "ERROR")[n % 4],
            "severity": ("info", "info", "notice", "error")[n % 4], "entity_type": "order",
            "entity_id": f"ord-{n:07d}", "user_id": f"u-{n * 7919 % 5000:05d}", "ip_address": f"203.0.113.{n % 250}",
            "service": "payments-api", "host": "pay-3",
            "description": f"payment of {n % 90000 / 100:.2f} EUR for order ord-{n:07d} was captured",
            "metadata": {"amount": n % 90000 / 100, "try": n % 5, "bank": ("north", "south", "east")[n % 3]}}


def stamp(n):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(EPOCH + n // 100)) + f".{n % 100 * 10:03d}Z"


def json_line(e):
    return json.dumps(e, separators=(",", ":")).encode()


def syslog_line(n):
    """RFC 5424 with structured data, about 200 bytes."""
    e = event(n)
    return (f"<{134 - n % 3}>1 {e['timestamp']} pay-3 payments-api 4242 {e['event_type']} "
            f"[order@32473 entity_id=\"{e['entity_id']}\" user_id=\"{e['user_id']}\"] {e['description']}").encode()


def groups(items, size):
    return [items[i:i + size] for i in range(0, len(items), size)]


# ---------------------------------------------------------------- feeding


def lengthened(datagrams):
    return b"".join(struct.pack("=I", len(d)) + d for d in datagrams)


def connect(address):
    where = astro.split_address(address)
    if isinstance(where, str):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(where)
        return s
    return socket.create_connection(where, 60)


class Forward:
    """Frames with chunk ids of 16 digits, so that an ack has 22 bytes."""

    ACK_BYTES = 22
    numbers = iter(range(1 << 60))

    def __init__(self, pack_entries=None, option=None):
        entries = [astro.pack([astro.event_time(EPOCH + n // 100, n % 100 * 10000000), event(n)]) for n in range(DISTINCT)]
        pack_entries = pack_entries or (lambda raw: raw)
        self.option = option or {}
        self.heads = []
        for g in groups(entries, FRAME_EVENTS):
            body = pack_entries(b"".join(g))
            self.heads.append(b"\x93" + astro.pack("bench") + struct.pack(">BI", 0xC6, len(body)) + body)

    def tail(self):
        return astro.pack({**self.option, "size": FRAME_EVENTS, "chunk": f"{next(self.numbers):016x}"})

    def probe(self, address):
        with connect(address) as s:
            s.settimeout(20)
            s.sendall(self.heads[0] + self.tail())
            if len(read_exactly(s, self.ACK_BYTES)) < self.ACK_BYTES:
                raise Absent("the frame was not acknowledged")
        return FRAME_EVENTS

    def feed(self, address, events):
        frames = events // FRAME_EVENTS
        with connect(address) as s:
            reader = threading.Thread(target=read_exactly, args=(s, frames * self.ACK_BYTES))
            reader.start()
            for i in range(frames):
                s.sendall(self.heads[i % len(self.heads)])
                s.sendall(self.tail())
            reader.join()
        return frames * FRAME_EVENTS


def read_exactly(s, count):
    got = b""
    left = count
    while left > 0:
        try:
            got = s.recv(min(left, 65536))
        except OSError:
            got = b""
        if not got:
            break
        left -= len(got)
    return b"." * (count - left)


class Lines:
    """Newline-framed lines on a stream."""

    def __init__(self):
        lines = [syslog_line(n) for n in range(DISTINCT)]
        self.blocks = [b"\n".join(g) + b"\n" for g in groups(lines, FRAME_EVENTS)]

    def probe(self, address):
        return 0

    def feed(self, address, events):
        blocks = events // FRAME_EVENTS
        with connect(address) as s:
            for i in range(blocks):
                s.sendall(self.blocks[i % len(self.blocks)])
            s.shutdown(socket.SHUT_WR)
            s.settimeout(60)
            read_exactly(s, 1)
        return blocks * FRAME_EVENTS


class Datagrams:
    """One event each, by the program pump."""

    def __init__(self, work, rate, datagrams):
        self.rate = rate
        self.path = work / "datagrams"
        self.path.write_bytes(lengthened(datagrams))

    def probe(self, address):
        return 0

    def feed(self, address, events):
        where = astro.split_address(address)
        to = ["unix", where, "-"] if isinstance(where, str) else ["udp", where[0], str(where[1])]
        r = subprocess.run([astro.program("pump"), *to, str(self.rate), str(events), self.path], check=True,
                           stdout=subprocess.PIPE)
        return int(r.stdout)


class Http:
    """Bodies of BODY_EVENTS events, one request after another on each connection."""

    def __init__(self, path, make, connections=1, kind="application/x-ndjson"):
        self.connections = connections
        self.requests = []
        self.count = BODY_EVENTS
        for g in groups(list(range(DISTINCT)), BODY_EVENTS):
            body = make(g)
            head = (f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\n\r\n")
            self.requests.append(head.encode() + body)

    def probe(self, address):
        with connect(address) as s:
            s.settimeout(20)
            s.sendall(self.requests[0])
            status = Answers(s).next()
        if status in (0, 404, 405, 413):
            raise Absent(f"HTTP status {status}" if status else "the connection was closed")
        if status >= 300:
            raise SystemExit(f"the first body was refused with {status}")
        return BODY_EVENTS

    def feed(self, address, events):
        each = events // BODY_EVENTS // self.connections
        failures = []
        threads = [threading.Thread(target=self.one, args=(address, each, i, failures))
                   for i in range(self.connections)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if failures:
            raise SystemExit(f"refused: {failures[:3]}")
        return each * self.connections * BODY_EVENTS

    def one(self, address, count, first, failures):
        with connect(address) as s:
            s.settimeout(60)
            answers = Answers(s)
            for i in range(count):
                s.sendall(self.requests[(first + i) % len(self.requests)])
                status = answers.next()
                if status >= 300 or status == 0:
                    failures.append(status)
                    return


class Answers:
    """The status of each answer of a connection; bodies are read and thrown away."""

    def __init__(self, s):
        self.s = s
        self.rest = b""

    def more(self):
        got = self.s.recv(1 << 18)
        self.rest += got
        return bool(got)

    def next(self):
        while b"\r\n\r\n" not in self.rest:
            if not self.more():
                return 0
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status == 100:
            return self.next()
        m = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if m:
            self.skip(int(m[1]))
        elif re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
            self.skip_chunks()
        return status

    def skip(self, count):
        while len(self.rest) < count and self.more():
            pass
        self.rest = self.rest[count:]

    def skip_chunks(self):
        while True:
            while b"\r\n" not in self.rest:
                if not self.more():
                    return
            size, _, self.rest = self.rest.partition(b"\r\n")
            self.skip(int(size, 16) + 2)
            if int(size, 16) == 0:
                return


# ---------------------------------------------------------------- forms of bodies


def ndjson(numbers):
    return b"".join(json_line(event(n)) + b"\n" for n in numbers)


def victoria(numbers):
    """What VictoriaLogs' clients send: their names for time, text and stream."""
    out = []
    for n in numbers:
        e = event(n)
        e["_time"] = e.pop("timestamp")
        e["_msg"] = e.pop("description")
        out.append(json_line(e) + b"\n")
    return b"".join(out)


def bulk(numbers):
    out = []
    for n in numbers:
        e = event(n)
        e["@timestamp"] = e.pop("timestamp")
        e["message"] = e.pop("description")
        out.append(b'{"create":{"_index":"audit"}}\n' + json_line(e) + b"\n")
    return b"".join(out)


def loki(numbers):
    values = [[str((EPOCH + n // 100) * 10**9 + n % 100 * 10**7), json_line(event(n)).decode()] for n in numbers]
    return json_line({"streams": [{"stream": {"service": "payments-api", "host": "pay-3"}, "values": values}]})


def zstd_frame(raw):
    lib = tools.Zstd.open()
    if not lib:
        raise Absent("no libzstd beside the sender")
    bound = lib.lib.ZSTD_compressBound(len(raw))
    dst = ctypes.create_string_buffer(bound)
    size = lib.lib.ZSTD_compress(dst, bound, raw, len(raw), 3)
    return dst.raw[:size]


def gzip_member(raw):
    z = zlib.compressobj(6, zlib.DEFLATED, 31)
    return z.compress(raw) + z.flush()


# ---------------------------------------------------------------- the table


def datagram_frames():
    return [b"\x93" + astro.pack("bench", astro.event_time(EPOCH, n), event(n)) for n in range(DISTINCT)]


def syslog_datagrams():
    return [syslog_line(n) for n in range(DISTINCT)]


# name, ready keys of its address, target of events/s, target of CPU us/event, how to feed it
DOORS = [
    ("forward-tcp", ("forward",), None, None, lambda a, w: Forward()),
    ("forward-gzip", ("forward",), 500_000, None, lambda a, w: Forward(gzip_member, {"compressed": "gzip"})),
    ("forward-zstd", ("forward",), None, None, lambda a, w: Forward(zstd_frame, {"compressed": "zstd"})),
    ("forward-unix", ("unix",), None, None, lambda a, w: Forward()),
    ("forward-udp", ("udp",), None, None, lambda a, w: Datagrams(w, a.rate, datagram_frames())),
    ("syslog-tcp", ("syslog_tcp", "syslog"), 600_000, 2.0, lambda a, w: Lines()),
    ("syslog-udp", ("syslog_udp", "syslog"), None, None, lambda a, w: Datagrams(w, a.rate, syslog_datagrams())),
    ("syslog-unix", ("syslog_unix",), None, None, lambda a, w: Datagrams(w, 0, syslog_datagrams())),
    ("http-logs-1", ("http",), None, None, lambda a, w: Http("/api/logs", ndjson)),
    ("http-logs-2", ("http",), 400_000, None, lambda a, w: Http("/api/logs", ndjson, 2)),
    ("http-jsonline", ("http",), None, None, lambda a, w: Http("/insert/jsonline", victoria, kind="application/stream+json")),
    ("http-bulk", ("http",), None, None, lambda a, w: Http("/_bulk", bulk)),
    ("http-loki", ("http",), None, None, lambda a, w: Http("/loki/api/v1/push", loki, kind="application/json")),
]
MEMORY_TARGET_MIB = 64


class Row:
    def __init__(self, name, rate, cpu):
        self.name, self.rate_target, self.cpu_target = name, rate, cpu
        self.cells = None
        self.absent = None


def extra_flags(build, work):
    """Doors that are off until asked for, by the flags that this collector has."""
    text = subprocess.run([build / "collector/astrocollectd", "--help"], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    out = []
    for flag, value in (("syslog-tcp", "127.0.0.1:0"), ("syslog-udp", "127.0.0.1:0"), ("syslog", "127.0.0.1:0"),
                        ("syslog-unix", str(work / "s.sock"))):
        if re.search(rf"--{flag}\b(?!-)", text):
            out += [f"--{flag}", value]
    return out


def stored(daemon):
    return int(astro.metrics(daemon.ready["http"]).get("astro_store_committed_id", 0))


def settled(daemon, wanted):
    """Waits until so many events are stored, or none has come for two seconds; (stored, when the last came)."""
    was, at = stored(daemon), time.perf_counter()
    while was < wanted:
        time.sleep(0.01)
        now = stored(daemon)
        if now > was:
            was, at = now, time.perf_counter()
        elif time.perf_counter() - at > 2:
            break
    return was, at


def measure(args, build, door, row, work):
    name, keys, _, _, make = door
    data = work / "data"
    daemon = tools.Daemon([build / "collector/astrocollectd", "--data", data, "--forward", "127.0.0.1:0",
                           "--unix", work / "f.sock", "--http", "127.0.0.1:0", *extra_flags(build, work)],
                          work / "collector.log", sample_s=0.02)
    try:
        address = next((daemon.ready[k] for k in keys if k in daemon.ready), None)
        if not address:
            raise Absent(f"no {keys[0]} in its ready line")
        feeder = make(args, work)
        before = feeder.probe(address)
        settled(daemon, before)
        threads = daemon.threads_cpu_s()
        cpu, wall = daemon.cpu_s(), time.perf_counter()
        own = time.process_time() + children_s()
        sent = feeder.feed(address, args.events)
        got, end = settled(daemon, before + sent)
        cpu = daemon.cpu_s() - cpu
        busiest = max(s - threads.get(name, 0) for name, s in daemon.threads_cpu_s().items())
        own = time.process_time() + children_s() - own
        daemon.stop()
        row.cells = {"sent": sent, "rate": sent / (end - wall), "bound": sent / busiest, "cpu": cpu / sent * 1e6,
                     "all": daemon.cpu_all_s / (before + sent) * 1e6, "loss": before + sent - got,
                     "peak": daemon.peak_kib["own"] / 1024, "sender": own / sent * 1e6}
    except Absent as e:
        row.absent = str(e)
        daemon.stop()
    finally:
        if not args.keep:
            shutil.rmtree(data, ignore_errors=True)


def children_s():
    t = os.times()
    return t.children_user + t.children_system


def verdict(row):
    c, out = row.cells, []
    if row.rate_target:
        word = "ok" if c["rate"] >= row.rate_target else "ok by its bound" if c["bound"] >= row.rate_target else "MISSED"
        out.append(f"{word}: >= {row.rate_target:,}/s")
    if row.cpu_target:
        out.append(f"{'ok' if c['cpu'] <= row.cpu_target else 'MISSED'}: <= {row.cpu_target} us")
    if c["peak"] > MEMORY_TARGET_MIB:
        out.append(f"MISSED: <= {MEMORY_TARGET_MIB} MiB")
    return "  ".join(out)


HEAD = f"{'door':<14} {'sent':>9} {'events/s':>10} {'bound':>10} {'CPU us':>7} {'sealed':>7} {'sender':>7} {'lost':>7} {'MiB':>6}  target"


def show(row):
    if row.absent:
        print(f"{row.name:<14} absent: {row.absent}", flush=True)
        return
    c = row.cells
    print(f"{row.name:<14} {c['sent']:>9} {c['rate']:>10,.0f} {c['bound']:>10,.0f} {c['cpu']:>7.2f} {c['all']:>7.2f} {c['sender']:>7.2f} "
          f"{c['loss']:>7} {c['peak']:>6.1f}  {verdict(row)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(ROOT / "build")))
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=200_000, help="datagrams a second (UDP)")
    parser.add_argument("--keep", help="keep data directories and logs below this directory")
    parser.add_argument("doors", nargs="*", metavar="DOOR", help=", ".join(d[0] for d in DOORS))
    args = parser.parse_args()
    build = pathlib.Path(args.build).resolve()
    astro.BUILD = str(build)
    print(f"commit {tools.commit(ROOT)}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU in us/event: of the collector until durable, until "
          f"sealed,\nand of the sender; memory is the collector's own (PSS without files), at most {MEMORY_TARGET_MIB} MiB\n")
    print(HEAD, flush=True)
    with tools.work_dir(args.keep, "astro-doors-") as work:
        for door in DOORS:
            if args.doors and not any(word in door[0] for word in args.doors):
                continue
            place = work / door[0]
            place.mkdir(parents=True, exist_ok=True)
            row = Row(door[0], door[2], door[3])
            measure(args, build, door, row, place)
            show(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
