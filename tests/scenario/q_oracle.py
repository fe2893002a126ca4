#!/usr/bin/python3
"""Goal: whatever is asked, the answer is the one that SQLite gives about the same events: counts, order,
pages by cursor and by offset, sealed or not, before and after a merge, beside deleted events.

Method: a share of the recorded events of the shared data and odd ones made here (numbers of every kind,
nested maps, empty and absent fields, equal times), some sealed, some in the journal, some deleted by order;
random questions of tests/support/oracle.py in the language and by filters. `--seed N` draws other ones,
`--queries N` more; a failure names both and the request.
"""
import collections
import json
import os
import random
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import oracle
import oracle_groups
import real_events
import shop

QUERIES = 300
SHARE = {"windows": 29, "access": 2}  # every so many of a file; else all
ODD_EVENTS = 1500
FAILURES_TOLD = 5
WALK_PAGES = 6
DAY_NS = 86400 * 10**9
SEAL_ROWS = 6000
CONF = f"[store]\nseal_rows = {SEAL_ROWS}\nseal_age = 1h\njournal_file_bytes = 8M\n"


# ---------------------------------------------------------------- events


def odd_number(rnd):
    return rnd.choice([0, 1, -1, 7, 12, 12.5, 12.50, -0.25, 1e300, 2**53 + 1, 2**63 - 1, -2**63, 2**64 - 1,
                       float(2**53), 100, 100.0, "12.5", "7", "007", "1e2", "-1", " 7", "7 ", "0x7"])


def odd_value(rnd, depth=0):
    kind = rnd.randrange(12)
    if kind < 5:
        return odd_number(rnd)
    if kind < 8:
        return rnd.choice(["", "a", "A", "true", "null", "Überweisung", "naïve café", "日本語のログ", "x" * 40,
                           "two words", 'quo"te', "back\\slash", "line\nbreak", "tab\there", "🙂 smile"])
    if kind == 8:
        return rnd.choice([True, False, None])
    if kind == 9 or depth > 2:
        return [odd_number(rnd) for _ in range(rnd.randrange(3))]
    return {key: odd_value(rnd, depth + 1) for key in rnd.sample(["a", "b", "a.b", "c d", "ключ", ""], 2)}


def odd_events(seed, count=ODD_EVENTS):
    """Few times, users and hosts, so that much is equal; texts that look like something else."""
    rnd = random.Random(seed)
    for i in range(count):
        event = {"timestamp": oracle.time_text(shop.START + rnd.randrange(40) * 10**7),
                 "event_type": rnd.choice(["AUTH", "auth", "ERROR", "12", ""]),
                 "metadata": {"ref": f"o{i:06}", "n": odd_number(rnd), "v": odd_value(rnd),
                              "deep": {"er": {"n": rnd.randrange(50), "v": odd_value(rnd)}}}}
        for field, values in (("user_id", ["anna", "Anna", "12.5", "émile", ""]), ("host", ["h1", "h2", "10"]),
                              ("description", ["", "Straße gesperrt", "payment of 12.50 EUR", "a\nb", "100% _x_"]),
                              ("entity_id", [str(rnd.randrange(30)), "7.0"]), ("entity_type", ["order", "Order"]),
                              ("severity", shop.SEVERITIES)):
            if rnd.randrange(4):
                event[field] = rnd.choice(values)
        if rnd.randrange(5) == 0:
            event["metadata"]["now and then"] = odd_value(rnd)
        yield json.dumps(event, ensure_ascii=False).encode() + b"\n"


def mixed_lines(seed):
    """The share of the real events, with odd ones in between: all that are sealed, and all that are not."""
    real = [line for name, lines in real_events.sources()
            for n, line in enumerate(lines) if n % SHARE.get(name, 1) == 0]
    odd = list(odd_events(seed))
    rnd = random.Random(seed)
    places = sorted(rnd.randrange(len(real) + 1) for _ in odd)
    out, at = [], 0
    for place, line in zip(places, odd):
        out += [*real[at:place], line]
        at = place
    return out + real[at:]


class Shelf:
    """A store with sealed rows, rows in the journal and deleted ones, and what is left of them in SQLite."""

    def __init__(self, lab, seed):
        self.lab = lab
        self.conf = lab.write("a.conf", CONF)
        self.collector = lab.collector(["--config", self.conf])
        lines = mixed_lines(seed)
        self.fill(lines)
        self.daemon = lab.query()
        events = shop.everything(self.daemon)
        astro.equal([e["id"] for e in events], list(range(1, len(lines) + 1)), "every event, in order of arrival")
        sealed = int(self.collector.metric("astro_store_sealed_id"))
        astro.note(f"seed {seed}: {len(lines)} events, {sealed} sealed")
        self.store = oracle.Store(self.delete(events))

    def fill(self, lines):
        """Seal after seal; what is left is too little for another one."""
        for at in range(0, len(lines), SEAL_ROWS):
            part = lines[at:at + SEAL_ROWS]
            real_events.send("tcp://" + self.collector.address("forward"), part, "--batch", "500")
            if len(part) == SEAL_ROWS:
                astro.wait_for(lambda end=at + SEAL_ROWS: self.collector.metric("astro_store_sealed_id") == end,
                               "a seal", 60)

    def delete(self, events):
        """Deletes those of one host of the odd events and of one user of the real ones; the rest."""
        users = sorted({e["user_id"] for e in events if e.get("user_id")})
        gone = [("user_id", users[len(users) // 2]), ("host", "h2")]
        for field, value in gone:
            self.compact("delete", "--query", f"{field}={value}", "--yes")
        kept = [e for e in events if not any(e.get(field) == value for field, value in gone)]
        astro.check(len(kept) < len(events), "something was deleted")
        return kept

    def compact(self, *args):
        r = self.lab.run("astrocompact", "--config", self.conf, "--data", self.lab.path("data"), *args)
        astro.equal(r.returncode, 0, r.stdout + r.stderr)


# ---------------------------------------------------------------- one question


def path_of(route, pairs):
    return f"{route}?{urllib.parse.urlencode(pairs)}"


def get(daemon, route, pairs):
    reply = daemon.get(path_of(route, pairs), timeout=60)
    astro.equal(reply.status, 200, reply.text[:600])
    return reply.json


def rows_of(page):
    return page["data"] if "data" in page else page["logs"]


def ask_page(shelf, rnd, question, want):
    limit, offset = rnd.randrange(1, 60), rnd.choice([0, 0, rnd.randrange(len(want) + 5)])
    pairs = question.pairs() + [("order", "asc" if question.asc else "desc"), ("limit", limit), ("offset", offset)]
    page = get(shelf.daemon, "/api/logs", pairs)
    astro.equal(page.get("partial"), None)
    astro.equal(page["total"], len(want), "total")
    astro.equal(shop.ids(rows_of(page)), want[offset:offset + limit], "ids of the page")
    for event in rows_of(page):
        astro.equal(event, shelf.store.events[event["id"]], "an event")
    astro.equal(page["next"] is not None, offset + limit < len(want), "there is a next page")
    page = get(shelf.daemon, "/api/logs", pairs + [("total", "none")])
    astro.equal((page["total"], shop.ids(rows_of(page))), (None, want[offset:offset + limit]), "without a total")


def ask_walk(shelf, rnd, question, want):
    """By cursor, then by offset."""
    limit = min(1000, len(want) // rnd.randrange(1, WALK_PAGES) + 1)
    pairs = question.pairs() + [("order", "asc" if question.asc else "desc"), ("limit", limit)]
    got, cursor = [], []
    while cursor is not None:
        page = get(shelf.daemon, "/api/logs", pairs + cursor)
        astro.equal(page["total"], len(want), "total")
        got += shop.ids(rows_of(page))
        cursor = [("cursor", page["next"])] if page["next"] else None
    astro.equal(got, want, "ids by cursor")
    offset = rnd.randrange(len(want) + 1) // limit * limit
    page = get(shelf.daemon, "/api/logs", pairs + [("offset", offset)])
    astro.equal(shop.ids(rows_of(page)), want[offset:offset + limit], f"ids at offset {offset}")


def ask_arrival(shelf, rnd, question, want):
    """After some id, in order of arrival."""
    after, limit = rnd.randrange(max(shelf.store.events)), rnd.randrange(1, 200)
    page = get(shelf.daemon, "/api/logs", question.pairs() + [("after", after), ("limit", limit)])
    rest = sorted(i for i in want if i > after)
    astro.equal(shop.ids(rows_of(page)), rest[:limit], f"ids after {after}")
    covered = rest[limit - 1] if len(rest) > limit else max(page["covered"], after)
    astro.equal(page["covered"], covered, "covered")


def ask_groups(shelf, rnd, question, want):
    grouping = oracle_groups.Grouping(shelf.store, rnd)
    pairs = question.pairs() + grouping.pairs()
    answer = get(shelf.daemon, "/api/query", pairs)
    wrong = list(grouping.differences(question, answer))
    if wrong:
        raise astro.Failure(f"{path_of('/api/query', grouping.pairs())}: {'; '.join(wrong[:4])}")
    astro.equal(answer["total"], len(want), "total")


def ask_stats(shelf, _rnd, question, want):
    answer = get(shelf.daemon, "/api/logs/stats", question.pairs())
    astro.equal(answer["total_logs"], len(want), "total")
    for name in ("by_event_type", "by_entity_type", "by_severity"):
        field = name[3:]
        there = collections.Counter(shelf.store.events[i].get(field) for i in want)
        got = answer[name]
        astro.equal({k: there[k] for k in got}, got, name)
        astro.equal(sorted(got.values()), sorted(v for k, v in there.items() if k is not None)[-len(got):] if got else [],
                    f"{name}: the most frequent")
    if not want:
        return
    width = answer["histogram"]["bucket_ns"]
    monday = 4 * DAY_NS if width % (7 * DAY_NS) == 0 else 0  # 1970-01-05
    counts = collections.Counter(
        (shop.nanoseconds(shelf.store.events[i]["timestamp"]) - monday) // width * width + monday for i in want)
    got = {shop.nanoseconds(t): n for t, n in answer["histogram"]["buckets"] if n}
    astro.equal(got, dict(counts), "histogram")


def ask_values(shelf, rnd, question, want):
    """The values of one field with their counts, all or the most frequent."""
    grouping = oracle_groups.Grouping(shelf.store, rnd)
    grouping.by, grouping.bucket, grouping.calls = [grouping.path()], None, [oracle_groups.Call("count", None)]
    name = urllib.parse.quote(oracle.field_name(grouping.by[0]), safe="")
    top = rnd.choice([3, 1000])
    answer = get(shelf.daemon, f"/api/fields/{name}/values", question.pairs() + [("top", top)])
    counts = {key: group[0][0] for key, group in grouping.groups(question).items() if key[0][0] is not None}
    got = [(grouping.key_of([v["value"]]), v["count"]) for v in answer["values"] if v["value"] is not None]
    astro.equal({k: counts.get(k) for k, _ in got}, dict(got), f"values of {name}")
    astro.equal(len(dict(got)), len(got), f"values of {name}: each once")
    if top > len(counts) + 1:
        astro.equal(len(got), len(counts), f"values of {name}")
    else:
        astro.equal([n for _, n in got], sorted(counts.values(), reverse=True)[:len(got)], f"most frequent of {name}")
    astro.equal(answer["total"], len(want), "total")


def ask_export(shelf, rnd, question, want):
    """Everything, as lines, in one of the three orders."""
    order = rnd.choice(["arrival", "asc", "desc"])
    pairs = question.pairs() + [("format", "ndjson"), ("order", order)]
    reply = shelf.daemon.get(path_of("/api/logs/export", pairs), timeout=60)
    astro.equal(reply.status, 200, reply.text[:600])
    events = [json.loads(line) for line in reply.text.split("\n") if line]
    turned = want if question.asc == (order == "asc") else want[::-1]
    astro.equal(shop.ids(events), sorted(want) if order == "arrival" else turned, f"exported, {order}")
    for event in events[:50]:
        astro.equal(event, shelf.store.events[event["id"]], "an event")


ASKS = [ask_page] * 6 + [ask_walk] * 2 + [ask_arrival] + [ask_groups] * 5 + [ask_stats, ask_values, ask_export]


class Exam:
    """Asks question after question; what differs is collected and told together."""

    def __init__(self, shelf, seed):
        self.shelf, self.seed = shelf, seed
        self.failures, self.empty = [], 0

    def ask(self, number):
        rnd = random.Random(f"{self.seed}-{number}")
        question = oracle.Asker(self.shelf.store, rnd).question()
        want = self.shelf.store.ids(question)
        self.empty += not want
        try:
            rnd.choice(ASKS)(self.shelf, rnd, question, want)
        except astro.Failure as e:
            self.failures.append(f"--seed {self.seed}, question {number}: {e}\n"
                                 f"  q {question.q}\n  params {question.params}\n"
                                 f"  {path_of('/api/logs', question.pairs())}\n"
                                 f"  SQL {question.where}\n  {question.args}")

    def run(self, numbers):
        for number in numbers:
            if len(self.failures) < FAILURES_TOLD:
                self.ask(number)

    def end(self, count):
        if self.failures:
            raise astro.Failure("\n".join(self.failures))
        astro.check(self.empty < count * 2 // 3, f"{self.empty} of {count} questions mean nothing at all")
        astro.note(f"{count} questions, {self.empty} of them with no answer")


# ---------------------------------------------------------------- the tests


def t_random_questions(lab):
    """Half of them before a merge takes the deleted events off the disk, half after; some both times."""
    seed, count = astro.option("seed", 1), astro.option("queries", QUERIES)
    shelf = Shelf(lab, seed)
    exam = Exam(shelf, seed)
    exam.run(range(count // 2))
    shelf.compact("--merge", "-q")
    exam.run(range(count // 2 - count // 10, count))
    exam.end(count + count // 10)


class Traffic:
    """Events that arrive and merges that happen, one after another, so many times."""

    ROUNDS = 30

    def __init__(self, lab, collector, conf):
        self.lab, self.collector, self.conf = lab, collector, conf
        self.failure, self.merges = None, 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            for n in range(self.ROUNDS):
                shop.ship(self.collector, shop.records(400, seed=n + 2), chunk=f"t{n}")
                r = self.lab.run("astrocompact", "--config", self.conf, "--data", self.lab.path("data"), "--merge", "-q")
                astro.equal(r.returncode, 0, r.stdout + r.stderr)
                self.merges += 1
        except BaseException as e:
            self.failure = e

    def end(self):
        self.thread.join()
        if self.failure:
            raise self.failure


def walk(daemon, between, **params):
    """All pages of one walk: (ids in their order, the newest id of its snapshot)."""
    page = shop.ask(daemon, **params)
    newest, got = page["covered"], shop.ids(page["logs"])
    while page["next"]:
        between()
        page = shop.ask(daemon, cursor=page["next"], **params)
        got += shop.ids(page["logs"])
    return got, newest


def t_walks_while_events_arrive_and_segments_merge(lab):
    """Many equal times. A walk is over the events of its beginning: compared when all is over."""
    conf = lab.write("a.conf", "[store]\nseal_rows = 500\nseal_age = 1h\njournal_file_bytes = 8M\n")
    collector = lab.collector(["--config", conf])
    shop.ship(collector, shop.records(3000, step=0), size=500)
    daemon = lab.query()
    traffic, walks = Traffic(lab, collector, conf), []
    merges = [0]

    def between():
        """Some pages wait until segments were merged since the last one."""
        if len(walks) % 2:
            astro.wait_for(lambda: traffic.merges > merges[0] or not traffic.thread.is_alive(), "a merge")
            merges[0] = traffic.merges

    try:
        for n in range(8):
            params = {"order": "asc" if n % 4 < 2 else "desc", "limit": 900 if n % 2 else 300}
            if n >= 4:
                params["user_id"] = ["anna", "bob"]
            walks.append((params, *walk(daemon, between, **params)))
    finally:
        traffic.end()
    events = shop.everything(daemon)
    for params, got, newest in walks:
        some = {"user_id": params["user_id"]} if "user_id" in params else {}
        there = [e for e in events if e["id"] <= newest]
        want = shop.ids(shop.naive(there, params["order"] == "asc", **some))
        astro.equal(len(got), len(set(got)), f"{params}: none twice")
        astro.equal(got, want, f"{params}: those up to {newest}")
    astro.note(f"{len(events)} events at the end, {traffic.merges} merges")


if __name__ == "__main__":
    astro.main(globals())
