#!/usr/bin/python3
"""Goal: `astrocompact delete` hides what its query means from every reader at once, whether sealed or not, and
the next upkeep takes it off the disk; nothing else is touched, and what is under legal hold stays.

Method: numbered events of a few users beside live daemons; deletion, reads over HTTP and of the directory, the
bytes of the files themselves, a restart, `astrodump verify`.
"""
import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

EVENTS = 900


def event(n):
    user = f"user{n % 9}"
    return {"event_type": "PAYMENT" if n % 2 else "AUTH", "user_id": user, "entity_type": "order",
            "entity_id": f"ORD-{n % 30}", "description": f"event {n} of secret-{user}", "n": n}


class Shop:
    """A store with sealed and unsealed events, and a query daemon."""

    def __init__(self, lab, classes="", seal_rows=400):
        self.lab = lab
        self.conf = lab.write("a.conf", f"[store]\nseal_rows = {seal_rows}\nseal_age = 1h\n"
                                        f"journal_file_bytes = 8M\n{classes}")
        self.collector = lab.collector(["--config", self.conf])
        with self.collector.connect() as s:
            for first in range(0, EVENTS, 100):
                entries = [[1763640000 + n, event(n)] for n in range(first, first + 100)]
                s.send(astro.forward("shop", entries, {"chunk": f"c{first}"}))
                astro.equal(s.ack(), f"c{first}")
        self.query = lab.query()

    def seen(self, **filters):
        """Numbers of the events that the daemon and the directory show; both agree."""
        over_http, cursor = [], None
        while cursor != "":
            words = dict(filters, limit=1000, **({"cursor": cursor} if cursor else {}))
            reply = self.query.get("/api/logs?" + urllib.parse.urlencode(words))
            astro.equal(reply.status, 200, reply.text)
            over_http += [row["metadata"]["n"] for row in reply.json["logs"]]
            cursor = reply.json.get("next") or ""
        astro.equal(reply.json["total"], len(over_http))
        r = self.lab.run("astroquery", "-D", self.lab.path("data"), "-n", "all", "-o", "json", "-q",
                         *(f"{k}={v}" for k, v in filters.items()))
        astro.equal(r.returncode, 0 if over_http else 1, r.stderr)
        direct = [json.loads(line)["metadata"]["n"] for line in r.stdout.splitlines()]
        astro.equal(sorted(direct), sorted(over_http))
        return set(over_http)

    def search(self, text):
        return self.query.get("/api/logs?search=" + text).json["total"]

    def compact(self, *args, want=0):
        r = self.lab.run("astrocompact", "--config", self.conf, "--data", self.lab.path("data"), *args)
        astro.equal(r.returncode, want, r.stdout + r.stderr)
        return r.stdout + r.stderr


def of_user(user):
    return {n for n in range(EVENTS) if n % 9 == user}


def bytes_of(lab, word):
    """Files of the store in which the word stands in the clear."""
    found = []
    for folder, _, names in os.walk(lab.path("data")):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                if word in f.read():
                    found.append(name)
    return found


def hidden_and_gone(lab, seal_rows):
    shop = Shop(lab, seal_rows=seal_rows)
    everything = set(range(EVENTS))
    astro.equal(shop.seen(), everything)
    astro.found("would delete 100", shop.compact("delete", "--query", "user_id=user3", "--dry-run"))
    astro.equal(shop.seen(), everything)
    astro.found("cannot be undone", shop.compact("delete", "--query", "user_id=user3", want=2))
    astro.equal(shop.seen(), everything)
    astro.found("deleted 100 ", shop.compact("delete", "--query", "user_id=user3", "--yes",
                                              "--reason", "request 17"))
    left = everything - of_user(3)
    astro.equal(shop.seen(), left)
    astro.equal(shop.seen(user_id="user3"), set())
    astro.equal(shop.seen(event_type="AUTH"), {n for n in left if n % 2 == 0})
    astro.equal(shop.search("secret-user3"), 0)
    out = shop.compact()
    astro.equal(shop.seen(), left)
    astro.equal(shop.collector.stop(), 0)
    astro.found("100 deleted events purged", out + shop.compact())
    astro.equal(shop.seen(), left)
    astro.equal(os.listdir(lab.path("data", "redact")), ["0000000000000001.done"])
    dump = lab.run("astrodump", lab.path("data", "redact", "0000000000000001.done")).stdout
    astro.found("ids=100 .*reason=request 17", dump)
    out = lab.run("astrodump", "verify", lab.path("data")).stdout
    astro.found("0 damaged, 0 notes", out)
    astro.equal([f for f in bytes_of(lab, b"secret-user3") if not f.endswith(".aj")], [])


def t_sealed_events_are_hidden_and_gone_later(lab):
    hidden_and_gone(lab, 400)


def t_unsealed_events_are_hidden_and_gone_later(lab):
    hidden_and_gone(lab, 100000)


def t_survives_a_restart(lab):
    shop = Shop(lab)
    shop.compact("delete", "--query", "user_id=user1 event_type=AUTH", "--yes")
    left = {n for n in range(EVENTS) if n % 9 != 1 or n % 2}
    shop.collector.kill()
    astro.equal(shop.seen(), left)
    shop.collector = lab.collector(["--config", shop.conf])
    astro.equal(shop.seen(), left)


def t_legal_hold_stands(lab):
    shop = Shop(lab, "[class money]\nmatch = event_type = PAYMENT\nhold = yes\n")
    out = shop.compact("delete", "--query", "user_id=user2", "--yes", want=1)
    held = {n for n in of_user(2) if n % 2}
    astro.found(f"{len(held)} of them are under legal hold", out)
    astro.equal(shop.seen(user_id="user2"), held)
    out = shop.compact("delete", "--query", "user_id=user2", "--yes", want=1)
    astro.equal(shop.seen(user_id="user2"), held)


def t_a_damaged_order_stops_readers_alone(lab):
    shop = Shop(lab)
    shop.compact("delete", "--query", "user_id=user4", "--yes")
    left = set(range(EVENTS)) - of_user(4)
    path = lab.path("data", "redact", "0000000000000001.ids")
    with open(path, "rb") as f:
        sound = f.read()
    with open(path, "wb") as f:
        f.write(bytes(b ^ 1 for b in sound))
    astro.equal(shop.collector.stop(), 0)
    shop.collector = lab.collector(["--config", shop.conf])
    with shop.collector.connect() as s:
        s.send(astro.forward("shop", [[1763650000 + n, event(n)] for n in range(9000, 9900)], {"chunk": "more"}))
        astro.equal(s.ack(), "more")
    shop.collector.wait_log("seal: sealed")
    astro.equal(shop.query.get("/api/logs").status, 503)
    with open(path, "wb") as f:
        f.write(sound)
    astro.equal(shop.seen(), left | set(range(9000, 9900)))


def t_mistakes_are_told(lab):
    shop = Shop(lab)
    for args in (("delete",), ("delete", "--query", ""), ("delete", "--query", "anna"),
                 ("delete", "--query", "userid=anna"), ("delete", "--query", "limit=5"),
                 ("delete", "x", "--query", "user_id=a"), ("--query", "user_id=a"), ("--yes",),
                 ("delete", "--query", "user_id=a", "--merge")):
        astro.found("^astrocompact: ", shop.compact(*args, want=2))
    astro.found("nothing to delete", shop.compact("delete", "--query", "user_id=nobody", "--yes"))
    astro.equal(shop.seen(), set(range(EVENTS)))


astro.main(globals())
