#!/usr/bin/python3
"""Goal: astrocompact and astrodump do what their manuals say beside live daemons, and a killed astrocompact
leaves the store as before or as after.

Method: events of several past days in many small segments; then dumps, retention, merges, kills at random
moments, with the rows read back and the store verified after each. `--kills N` sets the number of kills,
`--seed N` the moments.
"""
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

KILLS = astro.option("kills", 10)
SEED = astro.option("seed", 1)
DAY = 86400


def midnight():
    return int(time.time()) // DAY * DAY


def event(n, when):
    return [when, {"event_type": ("AUTH", "PAYMENT", "ERROR")[n % 3], "entity_type": "order",
                   "entity_id": f"ORD-{n % 50}", "description": f"event {n}", "n": n}]


class Load:
    """Numbered events of past days, sent and acknowledged; remembers when each happened."""

    def __init__(self, lab, args=("--data", "data")):
        self.lab, self.when = lab, {}
        self.conf = lab.write("a.conf", "[store]\nseal_rows = 400\nseal_age = 1s\n"
                                        "journal_file_bytes = 8M\n")
        self.collector = lab.collector(["--config", self.conf])

    def send(self, events, days=3, rng=random.Random(5)):
        with self.collector.connect() as s:
            for first in range(0, events, 200):
                entries = []
                for _ in range(min(200, events - first)):
                    n = len(self.when)
                    self.when[n] = midnight() - rng.randrange(DAY // 2, days * DAY)
                    entries.append(event(n, self.when[n]))
                chunk = f"c{len(self.when)}"
                s.send(astro.forward("load", entries, {"chunk": chunk}))
                astro.equal(s.ack(), chunk)

    def sealed(self):
        """Waits until all that was sent stands in segments."""
        def all_sealed():
            out = self.lab.run("astrodump", self.lab.path("data", "ctl")).stdout
            return int(astro.found(r"sealed=(\d+)", out).group(1)) >= len(self.when)
        astro.wait_for(all_sealed, "all events are sealed")

    def compare(self, since=0):
        """Each event exactly once; those before `since` may be gone."""
        got = {}
        for row in self.lab.rows():
            n = row["metadata"]["n"]
            astro.check(n not in got, lambda: f"event {n} twice: {got[n]} and {row['id']}")
            astro.equal(row["description"], f"event {n}")
            got[n] = row["id"]
        missing = [n for n, when in self.when.items() if when >= since and n not in got]
        astro.equal(missing, [], "missing events")
        return got


def verify(lab, want=0):
    r = lab.run("astrodump", "verify", lab.path("data"))
    astro.equal(r.returncode, want, r.stdout + r.stderr)
    return r.stdout


def compact(lab, *args, want=0):
    r = lab.run("astrocompact", "--config", "", "--data", lab.path("data"), *args)
    astro.equal(r.returncode, want, r.stdout + r.stderr)
    return r.stdout


def store_files(lab, ending=""):
    for folder, _, names in os.walk(lab.path("data")):
        for name in sorted(names):
            if name.endswith(ending):
                yield os.path.join(folder, name)


def t_every_file_is_dumped(lab):
    load = Load(lab)
    load.send(1000)
    load.sealed()
    astro.equal(load.collector.stop(), 0)
    got = []
    for path in store_files(lab):
        if os.path.basename(path) == "compact.lock":
            continue
        r = lab.run("astrodump", path)
        astro.equal(r.returncode, 0, path + r.stdout + r.stderr)
        astro.found(r"\d+ sections, 0 damaged", r.stdout)
        if path.endswith(".seg"):
            rows = lab.run("astrodump", "--rows", path)
            got += [json.loads(line) for line in rows.stdout.splitlines()]
    astro.equal(sorted(row["metadata"]["n"] for row in got), list(range(1000)))
    astro.found("0 damaged, 0 notes", verify(lab))


def t_damage_is_named(lab):
    load = Load(lab)
    load.send(600)
    load.sealed()
    astro.equal(load.collector.stop(), 0)
    path = max(store_files(lab, ".seg"), key=os.path.getsize)
    where = os.path.relpath(path, lab.path("data"))
    page = astro.found(r"page +at (\d+)\+\d+ block 0 column timestamp(?!.*inline)",
                       lab.run("astrodump", "--pages", path).stdout)
    with open(path, "r+b") as f:
        f.seek(int(page.group(1)) + 10)
        byte = f.read(1)[0]
        f.seek(-1, 1)
        f.write(bytes([byte ^ 0x20]))
    astro.found(rf"damage {where} block 0 column timestamp at byte {page.group(1)}: .*ERR_CORRUPT",
                verify(lab, want=1))
    r = lab.run("astrodump", path)
    astro.equal(r.returncode, 1, r.stdout)
    astro.found("block 0 column timestamp .*DAMAGED", r.stdout)


def t_mistakes_are_told(lab):
    for args, status in (((), 2), (("verify",), 2), (("verify", "a", "b"), 2), (("--nonsense",), 2),
                         (("nowhere",), 3), (("verify", "nowhere"), 3), (("verify", "/etc"), 3),
                         (("/etc/passwd",), 3)):
        r = lab.run("astrodump", *args)
        astro.equal(r.returncode, status, f"{args} {r.stderr}")
        astro.check(r.stderr.startswith("astrodump: "), r.stderr)
    for args, status in ((("--keep", "soon"), 2), (("--max-size", "-1"), 2), (("x",), 2),
                         (("--data", "nowhere"), 3), (("--data", "/etc"), 3)):
        r = lab.run("astrocompact", "--config", "", *args)
        astro.equal(r.returncode, status, f"{args} {r.stderr}")
        astro.check(r.stderr.startswith("astrocompact: "), r.stderr)


def t_retention_by_configuration(lab):
    load = Load(lab)
    load.send(800, days=6)
    load.sealed()
    conf = lab.write("b.conf", f"[store]\ndata = {lab.path('data')}\n[retention]\nkeep = 3d\n")
    began = time.time()
    r = lab.run("astrocompact", "--config", conf, "--dry-run")
    astro.found(r"would drop seg/.* keep is 3 d", r.stdout)
    astro.equal(len(load.compare()), 800)
    r = lab.run("astrocompact", "--config", conf)
    astro.equal(r.returncode, 0, r.stderr)
    astro.found(r"(?m)^dropped seg/\S+ \(\d+ events, \d+ bytes\): newest event .* is \d d old", r.stdout)
    left = load.compare(since=began - 3 * DAY + 3600)
    astro.check(len(left) < 800, "nothing was dropped")
    # Rare hours share a file with their day, whose newest event counts.
    astro.check(all(load.when[n] > began - 4 * DAY - 3600 for n in left), "too old ones are left")
    verify(lab)
    # Too small a size is refused, a fitting one changes nothing.
    r = lab.run("astrocompact", "--config", "", "--data", lab.path("data"), "--max-size", "64k")
    astro.equal(r.returncode, 3)
    astro.found("journal and other files alone take", r.stderr)
    astro.found("^0 segments dropped", compact(lab, "--max-size", "10G"))


def t_merge_beside_live_daemons(lab):
    load = Load(lab)
    load.send(3000)
    load.sealed()
    before = len(list(store_files(lab, ".seg")))
    q = lab.query()
    want = q.get("/api/logs?limit=1000&order=asc").json
    out = compact(lab, "--merge")
    astro.found(r"(?m)^merged seg/\S+ \(\d+ events, \d+ bytes\): into seg/", out)
    astro.check(len(list(store_files(lab, ".seg"))) < before, out)
    got = q.get("/api/logs?limit=1000&order=asc").json
    astro.equal((got["total"], got["logs"]), (want["total"], want["logs"]))
    load.send(500)
    load.sealed()
    astro.equal(q.get("/api/logs?limit=1").json["total"], 3500)
    load.compare()
    verify(lab)
    astro.equal(q.stop(), 0)
    astro.equal(load.collector.stop(), 0)
    astro.found("0 damaged, 0 notes", verify(lab))


def t_lost_sidecars_come_back(lab):
    load = Load(lab)
    load.send(500)
    load.sealed()
    for path in list(store_files(lab, ".evt")) + list(store_files(lab, ".ent"))[:2]:
        os.unlink(path)
    astro.found("damage seg/.*evt", verify(lab, want=1))
    astro.found(r"(?m)^rebuilt seg/\S+\.evt: was of no use", compact(lab))
    verify(lab)
    load.compare()


def t_killed_at_any_moment(lab):
    rng, load = random.Random(SEED), Load(lab)
    keep = 40 * DAY
    load.send(1400, days=3, rng=rng)
    load.sealed()
    began = time.monotonic()
    compact(lab, "--merge")
    done, spent = 0, time.monotonic() - began
    for _ in range(KILLS):
        # Some too old, so that each run has segments to drop as well.
        load.send(1200, days=3, rng=rng)
        load.send(200, days=90, rng=rng)
        load.sealed()
        began = time.monotonic()
        p = subprocess.Popen(
            [astro.program("astrocompact"), "--config", "", "--data", lab.path("data"), "--merge",
             "--keep", f"{keep}s", "--quiet"], cwd=lab.dir)
        try:
            p.wait(rng.uniform(0, 1.2 * spent))
            done += 1
            spent = max(time.monotonic() - began, 0.9 * spent)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            spent *= 1.1
        verify(lab)
        load.compare(since=time.time() - keep + DAY)
    compact(lab, "--merge", "--keep", f"{keep}s")
    load.compare(since=time.time() - keep + DAY)
    left = [f for f in os.listdir(lab.path("data", "tmp")) if f.startswith("compact-")]
    astro.equal(left, [], "left in tmp/")
    astro.equal(load.collector.stop(), 0)
    astro.check("does not list" not in verify(lab), "files that nobody lists are left")
    astro.note(f"{KILLS} starts (seed {SEED}), {KILLS - done} killed before their end, "
               f"{len(load.when)} events")


astro.main(globals())
