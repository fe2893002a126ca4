#!/usr/bin/python3
"""Goal: a disk that gets full costs old events first, then new ones, and never one that was acknowledged.

Method: a small file system of its own (tmpfs, which needs root; else the tests are skipped), filled by another
file and emptied again, twenty times, while a sender with acks, a sender of datagrams and queries go on. At the
end every acknowledged event must be there once. Retention at the soft limit is watched with two classes, one of
which is held.
"""
import contextlib
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000
MIB = 1 << 20
ROUNDS = astro.option("rounds", 20)
RESUME_S = 2
FULL = 'astro_store_disk_below{limit="hard"}'


@contextlib.contextmanager
def small_disk(path, megabytes):
    os.mkdir(path)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path],
                       check=False, stderr=subprocess.PIPE, text=True)
    if r.returncode:
        raise astro.Skip("cannot mount a tmpfs here: " + r.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def fill(path, leave):
    """Takes all bytes but so many; what others free or take meanwhile is made up for."""
    with open(path, "ab", buffering=0) as f:
        while free_bytes(os.path.dirname(path)) > leave + MIB:
            f.write(bytes(MIB // 4))


class Sender(threading.Thread):
    """Sends frames with acks, one by one, as long as it is wanted; knows what was acknowledged, and when last."""

    def __init__(self, collector):
        super().__init__(daemon=True)
        self.collector, self.stop = collector, threading.Event()
        self.acked, self.last = 0, time.monotonic()

    def run(self):
        with self.collector.connect(timeout=120) as s:
            while not self.stop.is_set():
                n = self.acked
                s.send(astro.packed("t", [[T0, {"n": n, "pad": os.urandom(100).hex()}]], {"chunk": f"n{n}"}))
                astro.equal(s.ack(120), f"n{n}")
                self.acked += 1
                self.last = time.monotonic()

    def end(self):
        self.stop.set()
        self.join(120)
        astro.check(not self.is_alive(), "the sender still waits for an ack")


def answers(query):
    r = query.get("/api/logs?limit=1")
    astro.equal(r.status, 200, r.text)
    return r.json["total"]


def one_round(lab, collector, query, sender, udp):
    disk, other = lab.path("disk"), lab.path("disk", "other")
    fill(other, 16 * MIB)
    astro.wait_for(lambda: collector.metric(FULL) == 1, "the hard limit is met")
    time_full = time.monotonic()
    ready = collector.get("/readyz")
    astro.equal(ready.status, 503)
    astro.check("disk is full" in ready.text, ready.text)
    astro.equal(collector.get("/healthz").status, 200)
    # What was taken before it was full is still acknowledged; then nothing is.
    astro.wait_for(lambda: time.monotonic() - max(sender.last, time_full) > 0.3, "acks have ended")
    dropped = collector.metric('astro_collector_datagrams_dropped_total{reason="disk"}')
    for _ in range(10):
        udp.send(astro.message("t", T0, {"datagram": 1}))
    collector.wait_metric('astro_collector_datagrams_dropped_total{reason="disk"}', dropped + 10)
    acked = sender.acked
    astro.check(answers(query) >= acked, "queries go on")
    astro.check(free_bytes(disk) > 0, "the limit is met before the disk is full")
    os.remove(other)
    emptied = time.monotonic()
    astro.wait_for(lambda: sender.acked > acked, "acks come again")
    return time.monotonic() - emptied


def t_hard_limit_ends_and_resumes(lab):
    conf = lab.write("a.conf", "[store]\njournal_file_bytes = 8M\nseal_rows = 2000\nseal_age = 1s\n"
                               "disk_soft = 0\ndisk_hard = 48M\n")
    with small_disk(lab.path("disk"), 200):
        c = lab.collector(["--config", conf], data="disk/data")
        q = lab.query(data="disk/data")
        sender = Sender(c)
        sender.start()
        took = []
        with c.udp() as udp:
            for _ in range(ROUNDS):
                astro.wait_for(lambda: c.metric(FULL) == 0, "there is room")
                took.append(one_round(lab, c, q, sender, udp))
        sender.end()
        astro.note(f"{ROUNDS} rounds, {sender.acked} acked, acks came again after {max(took):.2f} s at most")
        astro.check(max(took) < RESUME_S * astro.TIME_SCALE, f"it took {max(took):.2f} s to go on")
        astro.check(c.metric('astro_store_disk_below_total{limit="hard"}') >= ROUNDS, "each time is counted")
        check_all(lab, sender.acked)
        astro.equal(c.stop(), 0)
        check_all(lab, sender.acked)


def check_all(lab, acked):
    numbers = sorted(r["metadata"]["n"] for r in lab.rows("disk/data") if "n" in r["metadata"])
    astro.equal(numbers, list(range(acked)))


def t_killed_on_the_full_disk(lab):
    """A crash at the hard limit, and a start there: what was acknowledged is there, and it goes on after."""
    conf = lab.write("a.conf", "[store]\njournal_file_bytes = 8M\ndisk_soft = 0\ndisk_hard = 24M\n")
    with small_disk(lab.path("disk"), 96):
        c = lab.collector(["--config", conf], data="disk/data")
        with c.connect() as s:
            for n in range(20):
                s.send(astro.packed("t", [[T0, {"n": n}]], {"chunk": f"n{n}"}))
                astro.equal(s.ack(), f"n{n}")
        fill(lab.path("disk", "other"), 8 * MIB)
        astro.wait_for(lambda: c.metric(FULL) == 1, "the hard limit is met")
        c.kill()
        c = lab.collector(["--config", conf], data="disk/data")
        astro.equal(c.metric(FULL), 1)
        check_all(lab, 20)
        with c.connect() as s:
            s.send(astro.packed("t", [[T0, {"n": 20}]], {"chunk": "n20"}))
            astro.check(s.silent(0.5), "nothing is acknowledged")
            os.remove(lab.path("disk", "other"))
            astro.equal(s.ack(), "n20")
        astro.equal(c.stop(), 0)
        check_all(lab, 21)


def t_limits_are_reread(lab):
    def conf(hard):
        return lab.write("a.conf", f"[store]\ndisk_soft = 0\ndisk_hard = {hard}\n")
    c = lab.collector(["--config", conf("0")])
    with c.connect() as s:
        conf("8388607T")
        c.signal(1)
        astro.wait_for(lambda: c.metric(FULL) == 1, "no disk has so much room")
        s.send(astro.packed("t", [[T0, {"n": 0}]], {"chunk": "n0"}))
        astro.check(s.silent(0.5), "nothing is acknowledged")
        conf("1%")
        c.signal(1)
        astro.equal(s.ack(), "n0")
    astro.equal(c.stop(), 0)


def send_class(s, kind, first, count):
    """Frames of a hundred events of one type that do not compress."""
    for at in range(first, first + count, 100):
        s.send(astro.packed("t", [[T0 + n, {"event_type": kind, "n": n, "pad": os.urandom(1000).hex()}]
                                  for n in range(at, at + 100)], {"chunk": f"{kind}{at}"}))
        astro.equal(s.ack(), f"{kind}{at}")


def numbers(lab, kind):
    return sorted(r["metadata"]["n"] for r in lab.rows("disk/data") if r.get("event_type") == kind)


def t_soft_limit_retires_the_oldest_and_never_what_is_held(lab):
    conf = lab.write("a.conf", "[store]\njournal_file_bytes = 8M\nseal_rows = 2000\nseal_age = 1s\n"
                               "disk_soft = 40M\ndisk_hard = 8M\n\n"
                               "[class audit]\nmatch = event_type = AUDIT\nhold = yes\n")
    with small_disk(lab.path("disk"), 160):
        c = lab.collector(["--config", conf], data="disk/data")
        with c.connect() as s:
            send_class(s, "AUDIT", 0, 6000)
            for round_at in range(0, 20000, 4000):
                send_class(s, "DEBUG", round_at, 4000)
                c.wait_metric("astro_store_sealed_events_total", 6000 + round_at + 4000)
        fill(lab.path("disk", "other"), 30 * MIB)
        c.wait_log("retired events to make room")
        astro.wait_for(lambda: c.metric('astro_store_disk_below{limit="soft"}') == 0, "there is room again", 30)
        left = numbers(lab, "DEBUG")
        astro.equal(numbers(lab, "AUDIT"), list(range(6000)))
        astro.check(0 < len(left) < 20000, f"{len(left)} left")
        astro.equal(left, list(range(20000 - len(left), 20000)), "the oldest are gone")
        astro.equal(c.get("/readyz").status, 200)
        # With nothing left that may go, it says so, and goes on taking events.
        fill(lab.path("disk", "other"), 20 * MIB)
        c.wait_log("no event may be dropped", 60)
        ready = c.get("/readyz")
        astro.equal(ready.status, 200)
        astro.check("warning" in ready.json, ready.text)
        astro.equal(c.metric("astro_store_disk_stuck"), 1)
        astro.equal(numbers(lab, "AUDIT"), list(range(6000)))
        with c.connect() as s:
            send_class(s, "AUDIT", 6000, 100)
        os.remove(lab.path("disk", "other"))
        astro.wait_for(lambda: c.metric("astro_store_disk_stuck") == 0, "no longer stuck")
        astro.equal(c.stop(), 0)


astro.main(globals())
