#!/usr/bin/python3
"""Goal: the real programs keep their promises while single system calls fail or kill them.

Method: strace lets chosen calls of a chosen program fail (counted in each thread), astrosend sends
events and logs what was acknowledged; afterwards each event is there once, ids are dense, and astrodump
finds nothing. `--seed N` sets the places, `--rounds N` how many are tried.
"""
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

SEED = astro.option("seed", 1)
ROUNDS = astro.option("rounds", 6)
CONF = "[store]\nseal_rows = 2000\njournal_file_bytes = 8M\nseal_age = 1s\n"
# Calls that write, and how many of them one run makes in a thread, more or less.
CALLS = {"pwrite64": 60, "fdatasync": 30, "fsync": 20, "renameat": 20, "unlinkat": 12, "openat": 90}


def inject(what):
    call = what.split(":")[0]
    return astro.strace("-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={what}")


def some_fault(rng, kinds):
    call, kind = rng.choice(sorted(CALLS)), rng.choice(kinds)
    first = rng.randint(1, CALLS[call])
    last = first if "SIGKILL" in kind else first + rng.choice([0, 1, 2])
    return f"{call}:{kind}:when={first}..{last}"


def write_events(lab, name, first, count, days=0):
    with open(lab.path(name), "w", encoding="ascii") as f:
        for n in range(first, first + count):
            when = {"timestamp": f"2023-11-{1 + n // 50 % days:02}T{n % 24:02}:00:00Z"} if days else {}
            f.write(json.dumps({"n": n, "description": f"event {n}", **when}) + "\n")
    return lab.path(name)


def send(lab, path, *more):
    return [astro.program("astrosend"), "--to", "unix:" + lab.path("c.sock"), "--ndjson", "--batch", "50",
            "-q", *more, path]


def compare(lab, count, what):
    """Events 0 .. count-1, all of which were acknowledged, once each, with dense ids."""
    rows = lab.rows()
    astro.equal([int(r["id"]) for r in rows], list(range(1, len(rows) + 1)), f"{what}: ids are dense")
    astro.equal(sorted(r["metadata"]["n"] for r in rows), list(range(count)), f"{what}: events")
    v = lab.run("astrodump", "verify", lab.path("data"))
    astro.equal(v.returncode, 0, f"{what}: {v.stdout} {v.stderr}")


def serve(lab, conf, sender, what):
    """The collector with the fault, and without it again wherever that ended it, until all is sent."""
    prefix, killed = inject(what), "SIGKILL" in what
    while sender.poll() is None:
        try:
            c = lab.collector(["--config", conf], prefix=prefix)
            while c.alive() and sender.poll() is None:
                time.sleep(0.01)
        except astro.Failure:
            c = lab.daemons[-1]
        if not c.alive():
            astro.check(killed or c.wait() in (0, 1), f"{what}: exit {c.wait()}: {c.lines[-3:]}")
        prefix = ()
    return c


def t_the_collector_meets_errors_and_kills(lab):
    rng = random.Random(SEED)
    astro.strace()
    for _ in range(ROUNDS):
        what = some_fault(rng, ["error=EIO", "error=ENOSPC", "signal=SIGKILL"])
        part = astro.Lab()
        try:
            part.write("a.conf", CONF)
            path = write_events(part, "in.ndjson", 0, 6000)
            # The first connection must succeed: the socket is there before the fault is.
            part.collector().stop()
            c = part.collector(["--config", part.path("a.conf")])
            head = subprocess.Popen(send(part, path, "--rate", "20000"), stderr=subprocess.PIPE)
            c.wait_metric("astro_collector_acks_total", 1)
            c.kill()
            c = serve(part, part.path("a.conf"), head, what)
            astro.equal(head.wait(), 0, f"{what}: {head.stderr.read()}")
            compare(part, 6000, what)
            code = c.stop()
            astro.check(code == 0 or "SIGKILL" in what, f"{what}: exit {code}: {c.lines[-3:]}")
            compare(part, 6000, what + ", stopped")
        finally:
            part.close()
        astro.note(what)


def t_astrocompact_meets_errors_and_kills(lab):
    rng, count = random.Random(SEED), 0
    astro.strace()
    c = lab.collector(["--config", lab.write("a.conf", CONF)])
    for _ in range(ROUNDS):
        r = subprocess.run(send(lab, write_events(lab, "in.ndjson", count, 500, days=4)), check=False)
        astro.equal(r.returncode, 0)
        count += 500
        sealed = c.metric("astro_store_sealed_id")
        c.kill()
        c = lab.collector(["--config", lab.path("a.conf")])
        what = some_fault(rng, ["error=EIO", "error=ENOSPC", "signal=SIGKILL"])
        run = inject(what) + [astro.program("astrocompact"), "--merge", "--data", lab.path("data")]
        run.remove("-D")
        r = subprocess.run(run, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, check=False)
        astro.check("SIGKILL" in what or r.returncode >= 0, f"{what}: {r.stderr} (sealed {sealed})")
        compare(lab, count, what)
        astro.note(what)
    astro.equal(lab.run("astrocompact", "--merge", "--data", lab.path("data")).returncode, 0)
    compare(lab, count, "merged at last")
    astro.equal(c.stop(), 0)
    astro.equal(os.listdir(lab.path("data", "bad")), [], "files that nobody lists")


def t_a_lost_segment_costs_its_own_events(lab):
    c = lab.collector(["--config", lab.write("a.conf", CONF)])
    subprocess.run(send(lab, write_events(lab, "in.ndjson", 0, 6000)), check=True)
    astro.wait_for(lambda: len(glob.glob(lab.path("data/seg/*/*.seg"))) >= 3, "three segments")
    os.unlink(sorted(glob.glob(lab.path("data/seg/*/*.seg")))[1])
    q = lab.query()
    r = q.get("/api/logs?limit=1000&order=asc")
    astro.equal(r.status, 200)
    astro.equal(len(r.json["logs"]), 1000)
    astro.equal(r.json["partial"], "damage")
    astro.equal(r.json["total"], None, "a total that nobody knows")
    q.wait_log("cannot be read")
    astro.equal(c.stop(), 0)


def total(q):
    r = q.get("/api/logs?limit=1")
    return r.json["total"] if r.status == 200 else r.status


def t_a_restored_store_is_seen_at_once(lab):
    data, copy = lab.path("data"), lab.path("copy")
    conf = lab.write("a.conf", CONF)
    c, q = lab.collector(["--config", conf]), lab.query()
    subprocess.run(send(lab, write_events(lab, "in.ndjson", 0, 3000)), check=True)
    astro.equal(c.stop(), 0)
    shutil.copytree(data, copy)
    c = lab.collector(["--config", conf])
    subprocess.run(send(lab, write_events(lab, "in.ndjson", 3000, 500)), check=True)
    astro.equal(total(q), 3500)
    c.kill()
    for swap in (False, True):
        if swap:
            os.rename(data, lab.path("old"))
        else:
            shutil.rmtree(data)
        astro.equal(total(q), 503, "no store")
        shutil.copytree(copy, data)
        astro.equal(total(q), 3000, "the copy")
        c = lab.collector(["--config", conf])
        subprocess.run(send(lab, write_events(lab, "in.ndjson", 3000, 7)), check=True)
        astro.equal(total(q), 3007, "and what came since")
        c.kill()
    q.wait_log("was replaced")


astro.main(globals())
