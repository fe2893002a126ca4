"""Goal: an acknowledged event is in the next answer, a follower gets every event once and in order of
arrival while others are sealed, and damage costs one block and is named. Method: conditions, not
clocks: what was acknowledged before a question was asked must be in its answer."""

import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402


def t_read_your_acks(lab):
    """300 times: acknowledged, then asked at once."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "100"})
    q = lab.query()
    with c.connect() as s:
        for i in range(300):
            s.send(astro.message("app", 1_800_000_000 + i % 7, {"user_id": f"u{i}"},
                                 {"chunk": f"c{i}"}))
            astro.equal(s.ack(), f"c{i}")
            page = shop.ask(q, user_id=f"u{i}")
            astro.equal((page["total"], len(page["logs"])), (1, 1), f"event {i}")
            astro.check(page["covered"] >= i + 1)


def t_long_poll(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(5))
    page = shop.ask(q, after=5, wait=1)
    astro.equal((page["logs"], page["covered"]), ([], 5), "nothing within its second")
    answers = []

    def poll(**params):
        answers.append(shop.ask(q, **params))

    polls = [threading.Thread(target=poll, kwargs={"after": 5, "wait": 60}) for _ in range(10)]
    picky = threading.Thread(target=poll, kwargs={"after": 0, "wait": 60, "user_id": "zoe"})
    for t in polls + [picky]:
        t.start()
    astro.wait_for(lambda: q.metric("astro_query_waiting") == 11, "all wait")
    shop.ship(c, shop.records(3, seed=9), chunk="late")
    for t in polls:
        t.join(astro.DEADLINE)
    astro.equal(len(answers), 10)
    for page in answers:
        astro.equal([e["id"] for e in page["logs"]], list(range(6, 6 + len(page["logs"]))))
        astro.equal(page["covered"], 5 + len(page["logs"]))
    astro.equal(q.metric("astro_query_waiting"), 1, "the picky one still waits")
    shop.ship(c, [(shop.START, {"user_id": "zoe"})], chunk="zoe")
    picky.join(astro.DEADLINE)
    astro.equal([e["user_id"] for e in answers[-1]["logs"]], ["zoe"])


def t_followers_miss_nothing(lab):
    """Four followers, one of them picky, while 20000 events arrive and are sealed."""
    count = 20_000
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "3000"})
    q = lab.query()
    pairs = list(shop.records(count))
    results = {}

    def follow(name, **params):
        seen, after = [], 0
        while after < count:
            page = shop.ask(q, after=after, wait=20, limit=500, **params)
            seen += page["logs"]
            astro.check(page["covered"] >= after)
            after = page["covered"]
        results[name] = seen

    threads = [threading.Thread(target=follow, args=(i,)) for i in range(3)]
    threads.append(threading.Thread(target=follow, args=("picky",), kwargs={"user_id": "bob"}))
    for t in threads:
        t.start()
    shop.ship(c, pairs)
    for t in threads:
        t.join(60 * astro.TIME_SCALE)
    for i in range(3):
        astro.equal([e["metadata"]["n"] for e in results[i]], list(range(count)), f"follower {i}")
    astro.equal([e["metadata"]["n"] for e in results["picky"]],
                [i for i, (_, r) in enumerate(pairs) if r.get("user_id") == "bob"])


def follow_from(query, after, until, limit, **params):
    """Everything behind a position, page by page; ids."""
    got = []
    while after < until:
        page = shop.ask(query, after=after, limit=limit, **params)
        got += shop.ids(page["logs"])
        astro.check(page["covered"] > after, f"{page['covered']} after {after}")
        after = page["covered"]
    astro.equal(after, until)
    return got


def segment_ends(lab):
    """The last id of each segment, by the names of the files."""
    names = [n for _, _, names in os.walk(lab.path("data", "seg")) for n in names if n.endswith(".seg")]
    return sorted(int(n.split(".")[-3].split("-")[1]) for n in names)


def t_from_any_position(lab):
    """At both ends, at the edges of every segment and of the journal, within, with pages of any size."""
    count = 3500
    c = lab.collector(["--config", lab.write("a.conf", "[store]\nseal_rows = 1000\nseal_age = 1h\n")])
    for at in (1000, 2000, 3000):
        shop.ship(c, shop.records(1000, seed=at), chunk=f"c{at}")
        astro.wait_for(lambda n=at: c.metric("astro_store_sealed_id") == n, f"{at} are sealed")
    shop.ship(c, shop.records(500), chunk="journal")
    q, sealed = lab.query(), int(c.metric("astro_store_sealed_id"))
    astro.equal(sealed, 3000)
    edges = {0, sealed, count, *segment_ends(lab)}
    astro.check(len(edges) > 4, str(edges))
    positions = sorted({e + d for e in edges for d in (-1, 0, 1)} & set(range(count + 1)))
    for after in positions:
        for limit in (1000, 333):
            astro.equal(follow_from(q, after, count, limit), list(range(after + 1, count + 1)), f"after {after}")
        page = shop.ask(q, after=after, limit=1)
        want = [after + 1] if after < count else []
        astro.equal((shop.ids(page["logs"]), page["covered"]), (want, after + len(want)), f"one after {after}")
    bobs = [e["id"] for e in shop.everything(q) if e.get("user_id") == "bob"]
    for after in positions:
        astro.equal(follow_from(q, after, count, 50, user_id="bob"), [i for i in bobs if i > after])
    r = lab.run("astrocompact", "--data", lab.path("data"), "delete", "--query", "user_id=bob", "--yes")
    astro.equal(r.returncode, 0, r.stderr)
    for after in positions:
        astro.equal(follow_from(q, after, count, 500), sorted(set(range(after + 1, count + 1)) - set(bobs)),
                    f"after {after}, beside deleted ones")


def t_from_beyond_the_newest(lab):
    """A follower that knows more than the store does, one put back from a backup, say, is told where it ends."""
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(10))
    for after in (11, 1000, 2**53, 2**63):
        page = shop.ask(q, after=after)
        astro.equal((page["logs"], page["covered"]), ([], 10), f"after {after}")
    page = shop.ask(q, after=15, wait=1)
    astro.equal((page["logs"], page["covered"]), ([], 10))
    answers = []
    poll = threading.Thread(target=lambda: answers.append(shop.ask(q, after=1000, wait=60)))
    poll.start()
    astro.wait_for(lambda: q.metric("astro_query_waiting") == 1, "it waits")
    shop.ship(c, shop.records(3), chunk="more")
    poll.join(astro.DEADLINE)
    astro.equal(follow_from(q, answers[0]["covered"] - len(answers[0]["logs"]), 13, 100), [11, 12, 13])


def t_while_segments_merge(lab):
    """From positions within segments that are merged and replaced meanwhile."""
    count = 6000
    conf = lab.write("a.conf", "[store]\nseal_rows = 300\nseal_age = 1h\njournal_file_bytes = 8M\n")
    c = lab.collector(["--config", conf])
    q = lab.query()
    failures, merges = [], 0

    def follow(after):
        try:
            astro.equal(follow_from(q, after, count, 100, wait=20), list(range(after + 1, count + 1)), f"after {after}")
        except BaseException as e:
            failures.append(e)

    shop.ship(c, shop.records(1000), size=250)
    threads = [threading.Thread(target=follow, args=(after,)) for after in (0, 1, 299, 300, 301, 777, 999, 1000)]
    for t in threads:
        t.start()
    for n in range(20):
        shop.ship(c, shop.records(250, seed=n + 2), size=250, chunk=f"m{n}")
        r = lab.run("astrocompact", "--config", conf, "--data", lab.path("data"), "--merge", "-q")
        astro.equal(r.returncode, 0, r.stdout + r.stderr)
        merges += 1
    for t in threads:
        t.join(60 * astro.TIME_SCALE)
    if failures:
        raise failures[0]
    astro.check(len(segment_ends(lab)) < count // 300, "segments were merged")


def t_too_many_wait(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(5))
    statuses, lock = [], threading.Lock()

    def poll():
        reply = q.get("/api/logs?after=5&wait=60", timeout=60)
        with lock:
            statuses.append(reply.status)

    threads = [threading.Thread(target=poll) for _ in range(132)]
    for t in threads:
        t.start()
    astro.wait_for(lambda: q.metric("astro_query_waiters_full_total") == 4, "four are refused")
    astro.wait_for(lambda: len(statuses) == 4, "they are answered")
    astro.equal(statuses, [503] * 4)
    shop.ship(c, shop.records(1), chunk="x")
    for t in threads:
        t.join(astro.DEADLINE)
    astro.equal(sorted(statuses), [200] * 128 + [503] * 4)


def damage(path, at, count=64):
    with open(path, "r+b") as f:
        f.seek(at)
        was = f.read(count)
        f.seek(at)
        f.write(bytes(b ^ 0x5A for b in was))


def t_a_damaged_block_is_named(lab):
    count = 60_000
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": str(count // 4)})
    shop.ship(c, shop.records(count, step=10**6), size=2000)
    c.stop()
    segments = []
    for folder, _, names in os.walk(lab.path("data", "seg")):
        segments += [os.path.join(folder, n) for n in names if n.endswith(".seg")]
    astro.check(segments, "there are segments")
    largest = max(segments, key=os.path.getsize)
    whole = lab.query()
    astro.equal(shop.ask(whole, search="job", limit=1)["total"] > 0, True)
    whole.stop()
    damage(largest, os.path.getsize(largest) // 3)
    q = lab.query()
    events, lost = 0, None
    cursor = None
    while True:
        params = {"limit": 1000, "search": "o"}
        if cursor:
            params["cursor"] = cursor
        page = shop.ask(q, **params)
        events += len(page["logs"])
        if page.get("partial") == "damage":
            lost = page["damage"]
        cursor = page["next"]
        if not cursor:
            break
    astro.check(lost, "the damage was told")
    astro.check(any(os.path.basename(largest) in d["file"] for d in lost), str(lost))
    astro.check(q.alive())
    astro.check(events > count // 8, f"{events} events are left")
    q.wait_log("a part of the store cannot be read")
    astro.check(q.metric("astro_query_damaged_units_total") >= 1)
    astro.note(f"of the matches {events} are read; named: {lost[0]}")


if __name__ == "__main__":
    astro.main(globals())
