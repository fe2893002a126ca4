#!/usr/bin/python3
"""Goal: the parts of Forward that not every client uses work end to end: compression, JSON, the
handshake, messages in parts.

Method: frames built here byte by byte, compressed with Python's gzip and with the command zstd.
"""
import gzip
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000


def entries(numbers):
    return b"".join(astro.pack([T0, {"n": n, "text": f"event {n} of a compressed payload"}]) for n in numbers)


def numbers_of(rows):
    return [r["metadata"]["n"] for r in rows]


# ---------------------------------------------------------------- compression


def by_zstd(data):
    if not shutil.which("zstd"):
        raise astro.Skip("the command zstd is not installed")
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def compressed_frames(lab, compress, word):
    c = lab.collector()
    members = compress(entries(range(40))) + compress(entries(range(40, 41))) + compress(entries(range(41, 500)))
    with c.connect() as s:
        s.send(astro.packed("zip", members, {"chunk": "one", "compressed": word, "size": 500}))
        astro.equal(s.ack(), "one")
        # No option, as a str, in pieces of a few bytes.
        frame = astro.packed("zip", compress(entries(range(500, 600))), {"chunk": "two"}, as_str=True)
        for at in range(0, len(frame), 7):
            s.send(frame[at:at + 7])
        astro.equal(s.ack(), "two")
        # The wrong word, and frames that are not compressed around it.
        s.send(astro.packed("zip", entries([600]), {"compressed": word}))
        s.send(astro.packed("zip", compress(entries([601])), {"compressed": "text"}))
        s.send(astro.packed("zip", entries([602]), {"chunk": "three"}))
        astro.equal(s.ack(), "three")
    with c.udp() as u:
        u.send(astro.packed("zip", compress(entries([603])), {"compressed": word}))
        c.wait_metric("astro_store_committed_id", 604)
    astro.equal(numbers_of(lab.rows()), list(range(604)))


def t_gzip_payloads(lab):
    compressed_frames(lab, gzip.compress, "gzip")


def t_zstd_payloads(lab):
    compressed_frames(lab, by_zstd, "zstd")


def dropped(c, reason):
    return c.metric(f'astro_collector_events_dropped_total{{reason="{reason}"}}')


def t_damaged_payloads_are_acked_and_counted(lab):
    """Their client would send them for ever; what came before the damage is kept."""
    c = lab.collector()
    whole = gzip.compress(entries(range(3)))
    with c.connect() as s:
        s.send(astro.packed("zip", whole + whole[:20], {"chunk": "cut"}))
        astro.equal(s.ack(), "cut")
        s.send(astro.packed("zip", b"\x1f\x8b\x08" + bytes(40), {"chunk": "bad"}))
        astro.equal(s.ack(), "bad")
        s.send(astro.packed("zip", b"\x28\xb5\x2f\xfd" + b"\xff" * 40, {"chunk": "worse"}))
        astro.equal(s.ack(), "worse")
        astro.equal(dropped(c, "corrupt"), 3)
        s.send(astro.packed("zip", gzip.compress(entries([3])), {"chunk": "good"}))
        astro.equal(s.ack(), "good")
    c.wait_log("a compressed payload was not read to its end")
    astro.equal(numbers_of(lab.rows()), [0, 1, 2, 3])


def t_bombs_are_dropped_in_bounded_memory(lab):
    c = lab.collector()
    before = c.rss_mb()
    bomb = gzip.compress(b"\x92\x05\xdb\x03\x00\x00\x00" + bytes(48 << 20))
    with c.connect() as s:
        for n in range(3):
            s.send(astro.packed("zip", bomb, {"chunk": f"bomb{n}"}))
            astro.equal(s.ack(60), f"bomb{n}")
        s.send(astro.packed("zip", gzip.compress(entries([1])), {"chunk": "good"}))
        astro.equal(s.ack(), "good")
    astro.equal(dropped(c, "bomb"), 3)
    astro.check(c.peak_mb() - before < 16, f"{before} MiB became {c.peak_mb()}")
    astro.equal(numbers_of(lab.rows()), [1])


def t_idle_connections_hold_no_decompressor(lab):
    """Many connections have sent compressed frames; what they hold afterwards is next to nothing."""
    c = lab.collector()
    frame = [astro.packed("zip", gzip.compress(entries([n])), {"chunk": f"c{n}"}) for n in range(200)]
    clients = [c.connect() for _ in frame]
    for n, s in enumerate(clients):
        s.send(frame[n])
    for n, s in enumerate(clients):
        astro.equal(s.ack(), f"c{n}")
    held = c.metric("astro_collector_stage_bytes")
    astro.check(held < 2 << 20, f"{held} bytes are held")
    for s in clients:
        s.close()
    astro.equal(sorted(numbers_of(lab.rows())), list(range(200)))


astro.main(globals())
