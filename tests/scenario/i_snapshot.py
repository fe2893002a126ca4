#!/usr/bin/python3
"""Goal: retention by class, snapshots and scrubs beside live daemons, as the manual has them.

Method: events of several classes and days go in while both daemons run; then dry runs and real ones against
what the rules say; snapshots taken under load, read, verified and gone on in; a copy back answers as the
store did; scrubs with budgets, and with damage.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

DAY = 86400
TYPES = ("AUTH", "PAYMENT", "ERROR", "DEBUG")
CLASSES = """
[class audit]
match = event_type in (AUTH, PAYMENT)
keep = 365d
hold = yes
priority = 80
[class noise]
match = severity <= debug
keep = 1d
priority = 10
[class default]
keep = 3d
"""


def midnight():
    return int(time.time()) // DAY * DAY


class Load:
    """Numbered events, sent and acknowledged; remembers type and time of each."""

    def __init__(self, lab, more=CLASSES):
        self.lab, self.sent = lab, []
        self.conf = lab.write("a.conf", f"[store]\ndata = {lab.path('data')}\nseal_rows = 200\nseal_age = 1s\n"
                                        "journal_file_bytes = 8M\n" + more)
        self.collector = lab.collector(["--config", self.conf])

    def send(self, events, days=6):
        with self.collector.connect() as s:
            for first in range(0, events, 100):
                entries = []
                for _ in range(min(100, events - first)):
                    n = len(self.sent)
                    kind = TYPES[n % 4]
                    when = midnight() - DAY // 2 - (n // 4 % days) * DAY
                    severity = "debug" if kind == "DEBUG" else "info"
                    self.sent.append((kind, when))
                    entries.append([when, {"event_type": kind, "severity": severity, "n": n,
                                           "description": f"event {n}"}])
                chunk = f"c{len(self.sent)}"
                s.send(astro.forward("load", entries, {"chunk": chunk}))
                astro.equal(s.ack(), chunk)

    def sealed(self):
        def all_sealed():
            out = self.lab.run("astrodump", self.lab.path("data", "ctl")).stdout
            return int(astro.found(r"sealed=(\d+)", out).group(1)) >= len(self.sent)
        astro.wait_for(all_sealed, "all events are sealed")

    def compact(self, *args, want=0):
        r = self.lab.run("astrocompact", "--config", self.conf, *args)
        astro.equal(r.returncode, want, r.stdout + r.stderr)
        return r.stdout + r.stderr


def numbers(lab, folder="data"):
    r = lab.run("astroquery", "-D", lab.path(folder), "-o", "json", "-n", "100000", "--all")
    if r.returncode == 2:
        r = lab.run("astroquery", "-D", lab.path(folder), "-o", "json", "-n", "100000")
    astro.check(r.returncode in (0, 1), r.stderr)
    return {json.loads(line)["metadata"]["n"]: line for line in r.stdout.splitlines()}


def verify(lab, folder="data", want=0):
    r = lab.run("astrodump", "verify", lab.path(folder))
    astro.equal(r.returncode, want, r.stdout + r.stderr)
    return r.stdout


def files(folder, ending=""):
    for where, _, names in os.walk(folder):
        for name in sorted(names):
            if name.endswith(ending):
                yield os.path.join(where, name)


def t_classes_have_segments_of_their_own(lab):
    load = Load(lab)
    load.send(1200)
    load.sealed()
    names = {os.path.basename(f).split(".")[1] for f in files(lab.path("data"), ".seg")}
    astro.equal(names, {"audit", "noise", "default"})
    astro.equal(sorted(numbers(lab)), list(range(1200)))
    plan = load.compact("--dry-run")
    astro.equal(sorted(numbers(lab)), list(range(1200)))
    astro.found(r"would keep seg/\S+\.audit\.\S+ \(.*\): class audit is on hold", plan)
    astro.found(r"would drop seg/\S+\.noise\.\S+ \(.*\): newest event .*, keep is 1 d", plan)
    astro.found(r"(?m)^class audit: would keep \d+ segments \(600 events, \d+ bytes\), would drop 0 ", plan)
    load.compact("--merge")
    # Few rows of many days may share a segment until they are merged.
    load.compact("--merge")
    left = numbers(lab)
    astro.check(len(left) < 1100, f"{len(left)} of 1200 events are left")
    # A segment goes with its newest event.
    astro.found("dry run: 0 segments dropped", load.compact("--dry-run"))
    now = time.time()
    for n, (kind, when) in enumerate(load.sent):
        age = {"ERROR": 3, "DEBUG": 1}.get(kind, 9999) * DAY
        if now - when < age:
            astro.check(n in left, f"event {n} of {kind} is gone")
    # A class that is not in the configuration any more is kept, and so is everything without rules.
    bare = lab.write("bare.conf", f"[store]\ndata = {lab.path('data')}\n[retention]\nkeep = 1s\n")
    r = lab.run("astrocompact", "--config", bare, "--dry-run")
    astro.equal(r.returncode, 0, r.stderr)
    astro.found(r"would keep seg/\S+\.audit\.\S+ \(.*\): its class is not in the configuration", r.stdout)
    astro.check("would drop" in r.stdout, r.stdout)
    verify(lab)
    astro.equal(load.collector.stop(), 0)


def t_the_lowest_class_makes_room(lab):
    load = Load(lab, CLASSES.replace("keep = 1d", "keep = 0").replace("keep = 3d", "keep = 0"))
    load.send(1200)
    load.sealed()
    astro.equal(load.collector.stop(), 0)
    other = int(astro.found(r"alone take (\d+)", load.compact("--max-size", "64k", want=3)).group(1))
    sizes = {}
    for line in load.compact("--dry-run").splitlines():
        m = astro.re.match(r"class (\w+): would keep \d+ segments \(\d+ events, (\d+) bytes\)", line)
        if m:
            sizes[m.group(1)] = int(m.group(2))
    # Room for all but a part of the noise; then for the audit alone; then not even for that.
    plan = load.compact("--dry-run", "--max-size", str(other + sum(sizes.values()) - sizes["noise"] // 2))
    astro.equal({w.split(".")[1] for w in plan.split() if w.startswith("seg/")
                 and f"would drop {w}" in plan}, {"noise"})
    plan = load.compact("--dry-run", "--max-size", str(other + sizes["audit"]))
    astro.check("would drop" in plan and not astro.re.search(r"would drop \S+audit", plan), plan)
    out = load.compact("--max-size", str(other + sizes["audit"] // 2), want=1)
    astro.found(r"bytes more than allowed are left: what is on hold", out)
    astro.equal({load.sent[n][0] for n in numbers(lab)}, {"AUTH", "PAYMENT"})


def t_budgets_end_a_run(lab):
    load = Load(lab)
    load.send(1600)
    load.sealed()
    out = load.compact("--merge", "--budget", "1ns", want=5)
    astro.found("stopped early, the rest is for the next run", out)
    runs = 0
    while True:
        r = lab.run("astrocompact", "--config", load.conf, "--merge", "--budget", "30k")
        runs += 1
        if r.returncode != 5 or runs == 100:
            break
    astro.equal(r.returncode, 0, r.stderr)
    for bad in "soon", "5", "2GG", "":
        astro.equal(lab.run("astrocompact", "--config", "", "--budget", bad).returncode, 2, bad)
    verify(lab)


def t_snapshot_beside_live_daemons(lab):
    load = Load(lab, "")
    load.send(1500)
    load.sealed()
    q = lab.query()
    stop = threading.Event()

    def send():
        while not stop.wait(0.02):
            load.send(50)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for i in range(4):
            astro.wait_for(lambda: len(load.sent) > 1500 + 200 * i, "more events")
            before = len(load.sent)
            if i % 2:
                p = subprocess.Popen([astro.program("astrocompact"), "--config", load.conf, "--merge", "-q"])
            args = ["--verify"] + (["--copy"] if i == 3 else [])
            out = load.compact("snapshot", lab.path(f"snap{i}"), *args)
            if i % 2:
                # It waits while the collector is at a merge of its own.
                astro.equal(p.wait(60), 0, "astrocompact --merge")
            upto = int(astro.found(r"up to event (\d+)", out).group(1))
            astro.check(upto >= before - 50, f"{upto} of {before} at least")
            got = numbers(lab, f"snap{i}")
            astro.equal(sorted(got), list(range(upto)))
    finally:
        stop.set()
        sender.join()
    # Links, where they are asked for: the same file in both.
    a = next(files(lab.path("snap2"), ".seg"))
    astro.check(os.stat(a).st_nlink > 1, "no link")
    astro.check(all(os.stat(f).st_nlink == 1 for f in files(lab.path("snap3"))), "a link in a copy")
    astro.check(all(os.stat(f).st_nlink == 1 for f in files(lab.path("snap2", "journal"))), "a journal is linked")
    load.sealed()
    astro.equal(sorted(numbers(lab)), list(range(len(load.sent))))
    astro.equal(q.stop(), 0)
    astro.equal(load.collector.stop(), 0)
    verify(lab)


def t_copied_back_it_answers_the_same(lab):
    load = Load(lab, "")
    load.send(900)
    load.sealed()
    load.send(130)
    q = lab.query()
    want = q.get("/api/logs?limit=1000&order=asc").json
    load.compact("snapshot", lab.path("snap"))
    load.send(500)
    load.compact("--keep", "1s", "--merge")
    astro.equal(q.stop(), 0)
    astro.equal(load.collector.stop(), 0)
    shutil.rmtree(lab.path("data"))
    subprocess.run(["cp", "-a", lab.path("snap"), lab.path("data")], check=True)
    verify(lab)
    load.sent = load.sent[:1030]
    load.collector = lab.collector(["--config", load.conf])
    q = lab.query()
    got = q.get("/api/logs?limit=1000&order=asc").json
    astro.equal((got["total"], got["logs"]), (want["total"], want["logs"]))
    load.send(70)
    load.sealed()
    astro.equal(q.get("/api/logs?limit=1").json["total"], 1100)
    astro.equal(sorted(numbers(lab)), list(range(1100)))
    # What went on there is not in the snapshot; that one is a store of its own.
    astro.equal(sorted(numbers(lab, "snap")), list(range(1030)))
    verify(lab)
    verify(lab, "snap")
    # And the other way to copy back: a snapshot of the snapshot.
    r = lab.run("astrocompact", "--config", "", "--data", lab.path("snap"), "snapshot", lab.path("again"))
    astro.equal(r.returncode, 0, r.stderr)
    astro.equal(numbers(lab, "again"), numbers(lab, "snap"))


def t_a_resent_chunk_is_known_in_the_copy(lab):
    load = Load(lab, "")
    load.send(100)
    load.sealed()
    load.compact("snapshot", lab.path("snap"))
    astro.equal(load.collector.stop(), 0)
    shutil.rmtree(lab.path("data"))
    os.rename(lab.path("snap"), lab.path("data"))
    load.collector = lab.collector(["--config", load.conf])
    load.sent = []
    load.send(100)
    astro.equal(sorted(numbers(lab)), list(range(100)))


def t_snapshots_killed_half_way(lab):
    load = Load(lab, "")
    load.send(2400)
    load.sealed()
    began = time.monotonic()
    load.compact("snapshot", lab.path("whole"))
    spent = time.monotonic() - began
    partial = 0
    for i in range(12):
        p = subprocess.Popen([astro.program("astrocompact"), "--config", load.conf, "-q", "snapshot",
                              lab.path(f"s{i}")])
        try:
            p.wait(spent * (i + 1) / 12)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
        if os.path.exists(lab.path(f"s{i}", "format")):
            astro.equal(len(numbers(lab, f"s{i}")), 2400)
            verify(lab, f"s{i}")
        elif os.path.exists(lab.path(f"s{i}", "format.partial")):
            partial += 1
            for args in (("astroquery", "-D", lab.path(f"s{i}")), ("astrocollectd", "--data", lab.path(f"s{i}"))):
                r = lab.run(*args)
                astro.check(r.returncode in (1, 3), f"{args}: {r.returncode}")
                astro.found("not finished|ERR_NOT_A_STORE", r.stderr)
            r = lab.run("astrocompact", "--config", load.conf, "snapshot", lab.path(f"s{i}"))
            astro.equal(r.returncode, 3)
            astro.found("unfinished copy", r.stderr)
    astro.note(f"{partial} of 12 snapshots were cut short")
    verify(lab)


def t_snapshot_mistakes(lab):
    load = Load(lab, "")
    load.send(10)
    os.mkdir(lab.path("full"))
    lab.write("full/x", "x")
    for args, status, told in ((("snapshot",), 2, "wants one directory"),
                               (("snapshot", "a", "b"), 2, "wants one directory"),
                               (("snapshots", "a"), 2, "no such command"),
                               (("scrub", "a"), 2, "no operand"),
                               (("snapshot", "a", "--merge"), 2, "--merge goes without"),
                               (("snapshot", "a", "--budget", "1s"), 2, "--budget bounds"),
                               (("scrub", "--keep", "1d"), 2, "--keep and --max-size"),
                               (("--copy",), 2, "--copy belongs"),
                               (("snapshot", lab.path("full")), 3, "must be empty"),
                               (("snapshot", lab.path("data", "snap")), 3, "within the store"),
                               (("snapshot", lab.path("no", "such")), 3, "No such file"),
                               (("snapshot", "/dev/shm/astro-snapshot-test"), (0, 3), "")):
        r = lab.run("astrocompact", "--config", load.conf, *args)
        astro.check(r.returncode in (status if isinstance(status, tuple) else (status,)), f"{args}: {r.stderr}")
        astro.check(told in r.stderr, f"{args}: {r.stderr}")
        if r.returncode == 3 and args[-1].startswith("/dev/shm"):
            astro.found("another file system|cross file systems", r.stderr)
            shutil.rmtree(args[-1])
            r = lab.run("astrocompact", "--config", load.conf, *args, "--copy")
            astro.equal(r.returncode, 0, r.stderr)
    shutil.rmtree("/dev/shm/astro-snapshot-test", ignore_errors=True)


def t_scrub_comes_round_and_finds(lab):
    load = Load(lab)
    load.send(1600)
    load.sealed()
    line = load.compact("scrub")
    m = astro.found(r"^scrub: segments=(\d+) pages=(\d+) sidecars=\d+ bytes=\d+ damages=0 live=(\d+) left=0 "
                    r"oldest=2\S+Z\n$", line)
    astro.equal(m.group(1), m.group(3))
    runs = 0
    r = lab.run("astrodump", lab.path("data", "scrub"))
    astro.equal(r.returncode, 0, r.stderr)
    astro.found(rf"segments={m.group(3)} cut_short=0 ", r.stdout)
    left = int(m.group(3))
    while left > 0 and runs < int(m.group(3)) + 5:
        r = lab.run("astrocompact", "--config", load.conf, "scrub", "--budget", "1k")
        astro.check(r.returncode in (0, 5), r.stderr)
        left -= int(astro.found(r"segments=(\d+)", r.stdout).group(1))
        runs += 1
    astro.check(left <= 0, f"{left} segments are left after {runs} runs")
    path = max(files(lab.path("data"), ".seg"), key=os.path.getsize)
    page = astro.found(r"page +at (\d+)\+\d+ block 0 column (\w+)(?!.*inline)",
                       lab.run("astrodump", "--pages", path).stdout)
    with open(path, "r+b") as f:
        f.seek(int(page.group(1)) + 5)
        byte = f.read(1)[0]
        f.seek(-1, 1)
        f.write(bytes([byte ^ 0x10]))
    r = lab.run("astrocompact", "--config", load.conf, "scrub", "--quiet")
    astro.equal((r.returncode, r.stdout), (1, ""))
    where = os.path.relpath(path, lab.path("data"))
    astro.equal(len(r.stderr.splitlines()), 1)
    astro.found(rf"^astrocompact: damage {where} block 0 column {page.group(2)} at byte {page.group(1)}: ", r.stderr)
    # A snapshot of it is as damaged as the store, and says so if asked.
    r = lab.run("astrocompact", "--config", load.conf, "snapshot", lab.path("snap"), "--verify")
    astro.equal(r.returncode, 1)
    astro.found("damaged parts", r.stderr)


astro.main(globals())
