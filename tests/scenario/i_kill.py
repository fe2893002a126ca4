#!/usr/bin/python3
"""Goal: whatever is killed, every acknowledged event is there exactly once, and none half.

Method: four clients send numbered events without pause and send again, under the same chunk id, what
was not acknowledged when the connection was lost; the collector is killed (or, one time in ten, told to
stop) at random moments; at the end the store is compared with what each client was promised.
`--kills N` sets the number of kills, `--seed N` the moments. The same with messages in parts that begin in
one frame and end in a later one. Then one client sends so many frames that
their ids fill journal files and more, and after kills sends old ones again.
"""
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

KILLS = astro.option("kills", 8)
SEED = astro.option("seed", 1)
CLIENTS = 4
PER_FRAME = 20
IN_FLIGHT = 4
T0 = 1700000000


class Sender(threading.Thread):
    """Keeps up to IN_FLIGHT frames on their way; a frame is sent until it is acknowledged."""

    def __init__(self, number, place):
        super().__init__(daemon=True)
        self.number, self.place = number, place
        self.unacked, self.acked = [], []
        self.next, self.resent, self.error = 0, 0, None
        self.stop = threading.Event()

    def frame(self, n):
        first = n * PER_FRAME
        events = [[T0 + n, {"client": self.number, "n": i, "description": f"event {i}"}]
                  for i in range(first, first + PER_FRAME)]
        option = {"chunk": f"{self.number}-{n}", "size": PER_FRAME}
        mode = astro.packed if n % 3 else astro.forward
        return mode(f"load.{self.number}", events, option)

    def converse(self, s):
        for n in self.unacked:
            self.resent += 1
            s.send(self.frame(n))
        while not (self.stop.is_set() and not self.unacked):
            while len(self.unacked) < IN_FLIGHT and not self.stop.is_set():
                self.unacked.append(self.next)
                self.next += 1
                s.send(self.frame(self.unacked[-1]))
            got = s.value()
            if got is None:
                raise ConnectionError("closed")
            want = f"{self.number}-{self.unacked[0]}"
            astro.equal(got, {"ack": want})
            self.acked.append(self.unacked.pop(0))

    def run(self):
        while not (self.stop.is_set() and not self.unacked):
            try:
                with astro.Client(self.place["address"]) as s:
                    self.converse(s)
            except OSError:
                time.sleep(0.01)
            except BaseException as e:
                self.error = e
                return


def send_and_kill(lab, rng, kind):
    """Senders of that kind through all kills until they have their acks; with the collector and its slowest start."""
    place = {}
    # Small files and early seals, so that kills fall into rotations and seals as well.
    args = ["--config", lab.write("a.conf", "[store]\nseal_rows = 20000\njournal_file_bytes = 8M\n")]
    c = lab.collector(args)
    place["address"] = c.address("forward")
    senders = [kind(i, place) for i in range(CLIENTS)]
    for s in senders:
        s.start()
    slowest = 0.0
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.02, 0.6))
        if rng.random() < 0.1:
            c.signal(signal.SIGTERM)
            astro.equal(c.wait(60), 0)
        else:
            c.kill()
        lab.daemons.remove(c)
        began = time.monotonic()
        c = lab.collector(args)
        slowest = max(slowest, time.monotonic() - began)
        place["address"] = c.address("forward")
    for s in senders:
        s.stop.set()
    for s in senders:
        s.join(60 * astro.TIME_SCALE)
        if s.error:
            raise s.error
        astro.check(not s.is_alive(), "a client still waits for acks")
    return senders, c, slowest


def t_every_acked_event_exactly_once_after_kills(lab):
    senders, c, slowest = send_and_kill(lab, random.Random(SEED), Sender)
    compare(lab, senders)
    astro.equal(c.stop(), 0)
    compare(lab, senders)
    acked = sum(len(s.acked) for s in senders) * PER_FRAME
    astro.note(f"{KILLS} kills (seed {SEED}): {acked} events acked, "
               f"{sum(s.resent for s in senders)} frames sent again, slowest start {slowest:.2f} s")


def compare(lab, senders):
    got = {}
    rows = lab.rows()
    for r in rows:
        key = (r["metadata"]["client"], r["metadata"]["n"])
        astro.check(key not in got, f"twice: {key} as {got.get(key)} and {r['id']}")
        astro.equal(r["description"], f"event {key[1]}")
        got[key] = r["id"]
    astro.equal([r["id"] for r in rows], list(range(1, len(rows) + 1)), "ids are dense")
    for s in senders:
        for frame in s.acked:
            for i in range(frame * PER_FRAME, (frame + 1) * PER_FRAME):
                astro.check((s.number, i) in got, f"acked and missing: {(s.number, i)}")
        whole = {}
        for client, i in got:
            if client == s.number:
                whole[i // PER_FRAME] = whole.get(i // PER_FRAME, 0) + 1
        astro.check(all(v == PER_FRAME for v in whole.values()), "half a frame is there")


# ---- messages in parts ----


class Docker(Sender):
    """Frame n has an event, begins message n, and brings what is next of those before; a third of them has
    three parts. One client's are of the form without ids."""

    def part(self, message, ordinal, last):
        record = {"container_id": f"c{self.number}.{message}", "source": "stdout",
                  "log": f"{self.number}.{message}.{ordinal};"}
        if self.number > 0:
            record.update({"partial_message": "true", "partial_id": f"{message}", "partial_ordinal": str(ordinal),
                           "partial_last": "true" if last else "false"})
        elif not last:
            record["partial_message"] = "true"
        return record

    @staticmethod
    def parts_of(message):
        return 3 if message % 3 == 2 else 2

    def records(self, n):
        parts = [(m, n - m + 1) for m in (n - 2, n - 1, n) if 0 <= m and n - m < self.parts_of(m)]
        return [{"log": f"{self.number}.{n}.0;"}] * (n % 4 > 0) + [
            self.part(m, ordinal, ordinal == self.parts_of(m)) for m, ordinal in parts]

    def frame(self, n):
        return astro.packed("docker", [[T0 + n, r] for r in self.records(n)], {"chunk": f"{self.number}-{n}"})


def compare_texts(lab, senders):
    seen, joined = set(), 0
    for r in lab.rows():
        texts = [tuple(int(n) for n in t.split(".")) for t in r["description"].rstrip(";").split(";")]
        for t in texts:
            astro.check(t not in seen, f"twice: {t}")
            seen.add(t)
        if len(texts) > 1:
            client, message, first = texts[0]
            joined += 1
            astro.equal(texts, [(client, message, first + i) for i in range(len(texts))])
            astro.equal(texts[-1][2], Docker.parts_of(message))
            astro.check(client == 0 or first == 1, f"{texts} is not all of it")
    for s in senders:
        astro.equal([t for t in sorted(seen) if t[0] == s.number],
                    sorted(tuple(int(n) for n in r["log"].rstrip(";").split(".")) for f in s.acked for r in s.records(f)))
    return len(seen), joined


def t_parts_exactly_once_after_kills(lab):
    senders, c, _ = send_and_kill(lab, random.Random(SEED + 1), Docker)
    compare_texts(lab, senders)
    astro.equal(c.stop(), 0)
    texts, joined = compare_texts(lab, senders)
    astro.check(joined > 0, "no message was joined")
    astro.note(f"{KILLS} kills: {texts} texts, {joined} messages whole, "
               f"{sum(s.resent for s in senders)} frames sent again")


# ---- ids of long ago ----

MANY = 80000  # frames: more than the 65,536 ids that a journal file could ever carry
WINDOW = 512  # frames not yet acknowledged


def small_frame(n):
    text = random.Random(n).randbytes(160).hex()
    return astro.message("many", T0, {"n": n, "description": text}, {"chunk": f"many-{n}"})


def send_many(c, numbers):
    """Sends the frames of these numbers and takes an ack for each."""
    with c.connect() as s:
        for i in range(0, len(numbers) + WINDOW, WINDOW):
            if i < len(numbers):
                s.send(b"".join(small_frame(n) for n in numbers[i:i + WINDOW]))
            for n in numbers[i - WINDOW:i] if i else []:
                astro.equal(s.ack(), f"many-{n}")


def t_ids_of_long_ago_are_known_after_kills(lab):
    first = lab.path("data", "journal", "0000000000000001.aj")
    args = ["--config", lab.write("a.conf", "[store]\nseal_rows = 5000\njournal_file_bytes = 8M\n")]
    for half in (range(MANY // 2), range(MANY // 2, MANY)):
        c = lab.collector(args)
        send_many(c, half)
        # The sealer's thread is the last to get the processor.
        astro.wait_for(lambda: not os.path.exists(first), "the first journal file is sealed and gone", 120)
        c.kill()
        lab.daemons.remove(c)
    astro.check(any(name.startswith("chunks-") for name in os.listdir(lab.path("data"))),
                "the ids of that file are in the chunk log")
    again = [*range(1000), *range(1000, MANY, 97), *range(MANY - 1000, MANY)]
    for _ in range(2):
        c = lab.collector(args)
        send_many(c, again)
        astro.equal(c.metric("astro_collector_repeats_total"), len(again))
        c.kill()
        lab.daemons.remove(c)
    numbers = [r["metadata"]["n"] for r in lab.rows()]
    astro.equal(len(numbers), MANY, "none is stored twice")
    astro.equal(sorted(numbers), list(range(MANY)))


astro.main(globals())
