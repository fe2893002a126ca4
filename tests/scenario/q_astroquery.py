#!/usr/bin/python3
"""Goal: astroquery shows what is in the store, by HTTP and from the directory alike; it follows through
a restart, never lets an event drive a terminal, and its exit status says how it went.

Method: a collector fed over TCP, a query daemon, and the program itself, on pipes and on a pty.
"""
import contextlib
import csv
import io
import itertools
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1786000000  # 2026-08-06T07:06:40Z
HIDDEN = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x7f\x9b31m\u202etxt.exe\n\t=1+1"


def record(n, **more):
    return {"event_type": "PAYMENT" if n % 2 else "AUTH", "severity": "error" if n % 5 == 0 else "info",
            "entity_type": "order", "entity_id": f"ORD-{n % 7}", "user_id": "anna",
            "description": f"number {n}", "n": n, **more}


CHUNKS = itertools.count()


def feed(c, records, at=T0):
    """Sends records a second apart and waits for the ack."""
    entries = [[at + i, r] for i, r in enumerate(records)]
    with c.connect() as s:
        s.send(astro.forward("shop.api", entries, {"chunk": f"chunk {next(CHUNKS)}"}))
        s.ack()


def places(lab, c):
    """The two ways to ask, as flags."""
    q = lab.query()
    return [["--addr", q.address("http")], ["-D", lab.path("data")]]


def ask(lab, place, *words, status=0, **more):
    r = lab.run("astroquery", *place, *words, env={"TZ": "UTC"}, **more)
    astro.equal(r.returncode, status, f"exit status of {words}: {r.stderr}")
    return r.stdout


def ids(text):
    return [int(line) for line in text.split()]


def t_the_newest_oldest_and_all_in_order(lab):
    c = lab.collector()
    feed(c, [record(n) for n in range(1, 251)])
    for place in places(lab, c):
        astro.equal(ids(ask(lab, place, "-o", "id", "-n", "3")), [248, 249, 250])
        astro.equal(ids(ask(lab, place, "-o", "id", "-n", "3", "-r")), [250, 249, 248])
        astro.equal(ids(ask(lab, place, "-o", "id", "-n", "+3")), [1, 2, 3])
        astro.equal(ids(ask(lab, place, "-o", "id", "-n", "all")), list(range(1, 251)))
        astro.equal(ids(ask(lab, place, "-o", "id", "-n", "all", "-r")), list(range(250, 0, -1)))
        astro.equal(ids(ask(lab, place, "-o", "id", "-q")), list(range(151, 251)))
        r = lab.run("astroquery", *place, "-o", "id")
        astro.equal(r.stderr, "-- the newest 100 of 250 events; -n all shows every one --\n")


def t_filters_by_flag_and_by_word(lab):
    c = lab.collector()
    feed(c, [record(n) for n in range(1, 31)])
    for place in places(lab, c):
        def found(*words):
            return ids(ask(lab, place, "-o", "id", "-n", "all", *words))
        astro.equal(found("-t", "PAYMENT"), list(range(1, 31, 2)))
        astro.equal(found("event_type=PAYMENT", "severity=error"), [5, 15, 25])
        astro.equal(found("-t", "PAYMENT", "-t", "AUTH"), list(range(1, 31)))
        astro.equal(found("-p", "err"), [5, 10, 15, 20, 25, 30])
        astro.equal(found("--entity", "order/ORD-3"), [3, 10, 17, 24])
        astro.equal(found("number", "12"), [12])
        astro.equal(found("-g", "NUMBER 2"), [2] + list(range(20, 30)))
        astro.equal(found("--utc", "-S", "2026-08-06 07:06:50", "-U", "2026-08-06 07:06:52"), [11, 12, 13])
        astro.equal(found("--utc", "-S", "2026-08-06", "-U", "2026-08-06"), list(range(1, 31)))


def t_formats_hold_every_field(lab):
    c = lab.collector()
    want = record(1, ip_address="192.0.2.1", description="a, \"b\"\nc", nested={"x": [1, 2.5, None, True]})
    feed(c, [want])
    for place in places(lab, c):
        got = json.loads(ask(lab, place, "-o", "json"))
        astro.equal(got["timestamp"], "2026-08-06T07:06:40Z")
        astro.equal(got["service"], "shop")
        astro.equal(got["metadata"], {"n": 1, "nested": want["nested"]})
        for field in ("event_type", "severity", "entity_type", "entity_id", "user_id", "description", "ip_address"):
            astro.equal(got[field], want[field])
        row, = csv.DictReader(io.StringIO(ask(lab, place, "-o", "csv").replace("\r\n", "\n"), newline=""))
        astro.equal(row["description"], want["description"])
        astro.equal(json.loads(row["metadata"]), got["metadata"])
        astro.equal(ask(lab, place, "-o", "cat"), "a, \"b\"\nc\n")
        astro.equal(ask(lab, place, "--utc"), "2026-08-06 07:06:40.000Z info   shop PAYMENT order/ORD-1 (anna): "
                    "a, \"b\"\\nc\n")
        astro.found(r'(?m)^    metadata\.nested=\{"x":\[1,2\.5,null,true\]\}$', ask(lab, place, "-o", "verbose"))


def t_both_places_say_the_same(lab):
    c = lab.collector()
    feed(c, [record(n) for n in range(1, 40)])
    by_http, by_dir = places(lab, c)
    for words in (["-o", "json"], ["-o", "csv", "-r"], ["-o", "verbose", "-n", "5"], ["-p", "3"]):
        astro.equal(ask(lab, by_http, *words), ask(lab, by_dir, *words))


def t_the_exit_status_says_how_it_went(lab):
    c = lab.collector()
    feed(c, [record(1)])
    for place in places(lab, c):
        ask(lab, place, "-n", "1")
        astro.equal(ask(lab, place, "no such text", status=1), "")
        astro.equal(ask(lab, place, "-o", "csv", "no such text", status=1).count("\n"), 1)
        ask(lab, place, "event_typ=X", status=2)
        ask(lab, place, "-n", "many", status=2)
    r = lab.run("astroquery", "--addr", "127.0.0.1:1")
    astro.equal(r.returncode, 3)
    astro.found(r"Is astroqueryd running there\?.*-D DIR", r.stderr)
    r = lab.run("astroquery", "-D", lab.path("nowhere"))
    astro.equal(r.returncode, 3)
    astro.found(r"astrocollectd --data", r.stderr)
    astro.equal(lab.run("astroquery", "--addr", "ftp://x").returncode, 2)
    # The collector speaks HTTP too, but is not what is asked for.
    r = lab.run("astroquery", "--addr", c.address("http"))
    astro.equal(r.returncode, 3)
    astro.found(r"is another program listening there\?", r.stderr)


def t_a_directory_needs_no_daemon_alive(lab):
    c = lab.collector()
    feed(c, [record(n) for n in range(1, 6)])
    place = ["-D", lab.path("data")]
    c.kill()
    astro.equal(ids(ask(lab, place, "-o", "id")), [1, 2, 3, 4, 5])
    c = lab.collector()
    astro.equal(c.stop(), 0)
    astro.equal(ids(ask(lab, place, "-o", "id")), [1, 2, 3, 4, 5])


def t_a_closed_pipe_ends_it_quietly(lab):
    c = lab.collector()
    feed(c, [record(n, pad="x" * 200) for n in range(1, 3001)])
    for place in places(lab, c):
        p = subprocess.Popen([astro.program("astroquery"), *place, "-n", "all", "-o", "json"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        astro.found(r'"id":1,', p.stdout.readline().decode())
        p.stdout.close()
        astro.equal(p.wait(astro.DEADLINE), 0)
        astro.equal(p.stderr.read(), b"")
        p.stderr.close()


# ---------------------------------------------------------------- following


class Follower:
    """astroquery -f, its lines read as they come."""

    def __init__(self, place, *words):
        self.proc = subprocess.Popen([astro.program("astroquery"), *place, "-f", "-o", "id", *words],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.got, self.said = [], b""
        self.threads = [threading.Thread(target=self._lines, daemon=True),
                        threading.Thread(target=self._errors, daemon=True)]
        for t in self.threads:
            t.start()

    def _lines(self):
        for line in self.proc.stdout:
            self.got.append(int(line))

    def _errors(self):
        for line in self.proc.stderr:
            self.said += line

    def wait(self, want):
        astro.wait_for(lambda: self.got == want or len(self.got) > len(want), f"{want} to be shown")
        astro.equal(self.got, want)

    def end(self):
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait(astro.DEADLINE)
        for t in self.threads:
            t.join(astro.DEADLINE)
        self.proc.stdout.close()
        self.proc.stderr.close()


def t_follow_shows_what_comes(lab):
    c = lab.collector()
    feed(c, [record(n) for n in range(1, 21)])
    followers = [Follower(p) for p in places(lab, c)]
    followers += [Follower(["-D", lab.path("data")], "-t", "PAYMENT", "-n", "1")]
    try:
        for f in followers[:2]:
            f.wait(list(range(11, 21)))
        followers[2].wait([19])
        # An event of long ago is new all the same.
        feed(c, [record(21)], at=T0 - 86400)
        feed(c, [record(22)])
        for f in followers[:2]:
            f.wait(list(range(11, 23)))
        followers[2].wait([19, 21])
    finally:
        for f in followers:
            f.end()


def t_follow_survives_a_restarted_daemon(lab):
    c = lab.collector()
    feed(c, [record(1), record(2)])
    q = lab.query()
    http = q.address("http")
    f = Follower(["--addr", http])
    try:
        f.wait([1, 2])
        q.kill()
        feed(c, [record(3)])
        astro.wait_for(lambda: b"trying again" in f.said, "the loss to be told")
        q = lab.query(["--http", http])
        f.wait([1, 2, 3])
        astro.wait_for(lambda: b"connected again" in f.said, "the return to be told")
        feed(c, [record(4)])
        f.wait([1, 2, 3, 4])
        astro.equal(f.said.count(b"\n"), 2)
    finally:
        f.end()


# ---------------------------------------------------------------- terminals


def on_terminal(args, keys=b"", env=None, stop=None):
    """Everything that the program writes to a terminal of 24 lines."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "TZ": "UTC", **(env or {})})
        os.execv(astro.program("astroquery"), ["astroquery", *args])
    out, end = b"", time.monotonic() + astro.DEADLINE * astro.TIME_SCALE
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            got = os.read(fd, 65536)
        except OSError:
            break
        if not got:
            break
        out += got
        if keys and stop and re.search(stop, out):
            os.write(fd, keys)
            keys = b""
    else:
        os.kill(pid, signal.SIGKILL)
        raise astro.Failure(f"astroquery did not end on a terminal; it wrote {out[-500:]!r}")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return status, out


def t_a_host_that_does_not_answer_is_given_up(lab):
    """LIMIT_CLIENT_CONNECT_MS: a listener whose queue is full answers no further connection."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(deaf.getsockname())
        began = time.monotonic()
        r = lab.run("astroquery", "--addr", "http://127.0.0.1:%d" % deaf.getsockname()[1], timeout=40)
        took = time.monotonic() - began
    astro.equal(r.returncode, 3, r.stderr)
    astro.check("cannot connect" in r.stderr and "timed out" in r.stderr, r.stderr)
    astro.check(took >= 4.9, f"it took {took:.1f} s")


def t_an_answer_too_large_to_be_read(lab):
    """Its head says so, and nothing more of it is waited for."""
    most = astro.limit("LIMIT_CLIENT_BODY_BYTES")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve():
            con, _ = server.accept()
            with con:
                con.recv(65536)
                con.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{"
                            % (most + 1))
                while con.recv(65536):
                    pass

        t = threading.Thread(target=serve)
        t.start()
        r = lab.run("astroquery", "--addr", "http://127.0.0.1:%d" % server.getsockname()[1])
        t.join()
    astro.equal(r.returncode, 3, r.stderr)
    astro.check("too large" in r.stderr and "-n" in r.stderr, r.stderr)


def t_colour_and_pager_on_a_terminal_only(lab):
    c = lab.collector()
    feed(c, [record(5), record(6)])
    place = ["-D", lab.path("data")]
    pager = lab.write("pager", "#!/bin/sh\nsed 's/^/P:/'\n")
    os.chmod(pager, 0o755)
    astro.check(b"\x1b" not in ask(lab, place, "-n", "5").encode())
    status, out = on_terminal([*place], env={"ASTRO_PAGER": pager})
    astro.equal(status, 0)
    astro.equal(out.count(b"P:2026-"), 2)
    astro.check(b"\x1b[1;31merror" in out, out)
    status, out = on_terminal([*place], env={"ASTRO_PAGER": pager, "NO_COLOR": "1"})
    astro.check(b"\x1b" not in out and b"P:2026-" in out, out)
    status, out = on_terminal([*place, "--no-pager", "--color", "never"], env={"ASTRO_PAGER": pager})
    astro.check(b"\x1b" not in out and b"P:" not in out and out.count(b"2026-") == 2, out)
    status, out = on_terminal([*place, "nothing"], env={"ASTRO_PAGER": "", "PAGER": pager})
    astro.equal(status, 1)
    astro.check(b"-- no events --" in out, out)


def t_a_pager_that_is_left_ends_it(lab):
    c = lab.collector()
    feed(c, [record(n, pad="x" * 200) for n in range(1, 3001)])
    pager = lab.write("pager", "#!/bin/sh\nhead -n 2\n")
    os.chmod(pager, 0o755)
    status, out = on_terminal(["-D", lab.path("data"), "-n", "all", "-o", "json"], env={"ASTRO_PAGER": pager})
    astro.equal(status, 0)
    astro.equal(out.count(b'"id":'), 2)


def t_no_event_drives_a_terminal(lab):
    c = lab.collector()
    feed(c, [{"event_type": HOSTILE, "severity": "info", "entity_type": HOSTILE, "entity_id": HOSTILE,
              "user_id": HOSTILE, "description": HOSTILE, "service": HOSTILE, "host": HOSTILE,
              "user_agent": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}}])
    place = ["-D", lab.path("data"), "--no-pager", "--color", "never"]
    for fmt in ("short", "verbose", "json", "csv", "cat"):
        status, out = on_terminal([*place, "-o", fmt])
        astro.equal(status, 0)
        text = out.decode().replace("\r\n", "\n")
        if fmt == "csv":
            text = text.replace("\r\n", "\n")
        astro.equal(re.findall(HIDDEN, text), [], f"-o {fmt} on a terminal")
        if fmt == "json":
            astro.equal(json.loads(text)["description"], HOSTILE)
    # In a pipe, people's formats are safe too, and programs get the exact text.
    for fmt in ("short", "verbose"):
        astro.check("\x1b" not in ask(lab, place, "-o", fmt) and "\u202e" not in ask(lab, place, "-o", fmt))
    astro.equal(json.loads(ask(lab, place, "-o", "json"))["description"], HOSTILE)
    row, = csv.DictReader(io.StringIO(ask(lab, place, "-o", "csv"), newline=""))
    # The harness reads text: it has made the CR a line feed.
    astro.equal(row["description"], HOSTILE.replace("\r", "\n"))


if __name__ == "__main__":
    astro.main(globals())
