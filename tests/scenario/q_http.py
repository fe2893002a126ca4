"""Goal: astroqueryd speaks HTTP/1.1 as it should to good clients, and bad, slow and greedy ones cost
themselves alone. Method: raw sockets, byte by byte where it matters."""

import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402


class Raw:
    """A client that sends what it is told and reads answers one by one."""

    def __init__(self, daemon):
        self.sock = socket.create_connection(astro.split_address(daemon.address("http")))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(astro.DEADLINE * astro.TIME_SCALE)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def _more(self):
        got = self.sock.recv(65536)
        self.left += got
        return bool(got)

    def answer(self, head=False):
        """(status, headers, body) of the next answer; None when the connection has ended."""
        while b"\r\n\r\n" not in self.left:
            if not self._more():
                astro.equal(self.left, b"")
                return None
        top, self.left = self.left.split(b"\r\n\r\n", 1)
        lines = top.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        n = 0 if head else int(headers["content-length"])
        while len(self.left) < n:
            astro.check(self._more(), "the answer is cut")
        body, self.left = self.left[:n], self.left[n:]
        return int(lines[0].split()[1]), headers, body

    def ended(self):
        """True when the server ends the connection, an answer of any kind before it or not."""
        try:
            while self._more():
                pass
        except ConnectionResetError:
            pass
        except socket.timeout:
            return False
        return True


def get(path, *fields):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *fields, "", ""])


def t_keep_alive_and_pipelining(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(300))
    with Raw(q) as s:
        for i in range(20):
            status, headers, _ = s.send(get(f"/api/logs?limit={i + 1}")).answer()
            astro.equal((status, headers["connection"]), (200, "keep-alive"))
        s.send("".join(get(f"/api/logs?limit={i + 1}&total=none") for i in range(200)))
        for i in range(200):
            status, _, body = s.answer()
            astro.equal(status, 200)
            astro.check(f'"limit":{i + 1},'.encode() in body, f"answer {i} is not in its place")
        s.send(get("/healthz", "Connection: close") + get("/healthz"))
        astro.equal(s.answer()[1]["connection"], "close")
        astro.equal(s.answer(), None)
    astro.equal(q.metric("astro_query_connections"), 1)


def t_methods_and_paths(lab):
    q = lab.query()
    with Raw(q) as s:
        body = s.send(get("/healthz")).answer()[2]
        status, headers, _ = s.send("HEAD /healthz HTTP/1.1\r\nHost: [::1]:9\r\n\r\n").answer(True)
        astro.equal((status, headers["content-length"]), (200, str(len(body))))
        status, _, body = s.send(get("/api/lugs")).answer()
        astro.equal(status, 404)
        astro.check(b"/api/logs" in body, body)
        for path in ("/api/logs/", "//api/logs", "/api/%2e%2e/logs", "/..%2f..%2fetc/passwd"):
            astro.equal(s.send(get(path)).answer()[0], 404, path)
        astro.equal(s.send(get("/%00")).answer()[0], 404)
        astro.equal(s.send(get("/health%7a")).answer()[0], 200)
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
            status, headers, _ = s.send(f"{method} /api/fields HTTP/1.1\r\nHost: x.y\r\n\r\n".replace(
                "x.y", "127.0.0.1")).answer()
            astro.equal((status, headers["allow"]), (405, "GET, HEAD, OPTIONS"), method)
        status, headers, body = s.send(get("/")).answer()
        astro.equal(status, 200)
        astro.check("default-src 'none'" in headers["content-security-policy"])
        status, headers, _ = s.send("GET /healthz HTTP/1.0\r\n\r\n").answer()
        astro.equal((status, headers["connection"]), (200, "close"))
        astro.equal(s.answer(), None)


def t_another_host_is_refused(lab):
    """A page that rebinds its own name to this address must not read events."""
    q = lab.query(["--config", lab.write("c.conf", "[query]\nhosts = logs.example, other.example\n")])
    for host, status in (("evil.example", 421), ("127.0.0.1.evil.example", 421), ("", 200),
                         ("LOCALHOST:80", 200), ("192.0.2.7", 200), ("logs.example:9000", 200),
                         ("OTHER.example", 200), ("logs.example.evil", 421)):
        with Raw(q) as s:
            got = s.send(f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n").answer()
            astro.equal(got[0], status, host)
    astro.equal(q.metric("astro_query_hosts_wrong_total"), 3)


def t_malformed_requests(lab):
    q = lab.query()
    bad = [
        b"GET / HTTP/1.1\nHost: a\n\n", b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", b"A" * 300 + b"\r\n\r\n",
    ]
    for data in bad:
        with Raw(q) as s:
            status, headers, body = s.send(data).answer()
            astro.equal((status, headers["connection"]), (400, "close"), repr(data))
            astro.check(b'"status":"error"' in body, body)
            astro.equal(s.answer(), None, repr(data))
    astro.equal(q.metric("astro_query_malformed_total"), len(bad))
    astro.equal(Raw(q).send("GET / HTTP/2.0\r\nHost: a\r\n\r\n").answer()[0], 505)


def line_of(size):
    """A request whose first line has so many bytes, with its end."""
    start, end = "GET /api/logs?search=", " HTTP/1.1\r\n"
    return start + "x" * (size - len(start) - len(end)) + end + "Host: localhost\r\n\r\n"


def head_of(size):
    """A request of so many bytes."""
    return get("/api/logs", "X-Long: " + "x" * (size - len(get("/api/logs", "X-Long: "))))


def fields_of(count):
    return get("/api/logs", *(f"X-{i}: y" for i in range(count - 1)))


def t_too_long(lab):
    q = lab.query()
    line, head = astro.limit("LIMIT_HTTP_LINE_BYTES"), astro.limit("LIMIT_HTTP_HEAD_BYTES")
    fields = astro.limit("LIMIT_HTTP_FIELDS")
    cases = [
        (414, line_of(line + 1)),
        (431, head_of(head + 1)),
        (431, fields_of(fields + 1)),
        (413, get("/api/logs", "Content-Length: 1") + "x"),
        (413, get("/api/logs", "Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n"),
    ]
    for status, data in cases:
        with Raw(q) as s:
            astro.equal(s.send(data).answer()[0], status)
            astro.equal(s.answer(), None)
    # What is as long as it may be is understood: there is no store.
    with Raw(q) as s:
        for request in (line_of(line), head_of(head), fields_of(fields)):
            astro.equal(s.send(request).answer()[0], 503)
    astro.equal(q.metric("astro_query_too_large_total"), len(cases))


def t_slow_clients(lab):
    """A byte now and then moves no deadline."""
    conf = lab.write("c.conf", "[query]\nheader_timeout = 1s\nidle_timeout = 1s\n")
    q = lab.query(["--config", conf])
    silent, slow = Raw(q), Raw(q)
    began = time.monotonic()
    request = get("/healthz", "X: " + "y" * 1000).encode()
    slow.sock.settimeout(0.05)
    for i in range(len(request)):
        try:
            slow.sock.sendall(request[i:i + 1])
            if slow._more():
                break
        except socket.timeout:
            pass
        except OSError:
            break
    slow.sock.settimeout(astro.DEADLINE)
    status, headers, _ = slow.answer()
    astro.equal((status, headers["connection"]), (408, "close"))
    astro.check(time.monotonic() - began < 10 * astro.TIME_SCALE, "the dribble moved the deadline")
    astro.equal(silent.answer(), None, "an idle connection")
    with Raw(q) as s:
        astro.equal(s.send(get("/healthz")).answer()[0], 200)
        astro.equal(s.answer(), None, "idle between requests")
    astro.check(q.metric("astro_query_timeouts_total") >= 3)


def t_a_reader_that_does_not_read(lab):
    """It pipelines for ever and takes nothing: memory stays, others are answered."""
    # A sanitizer keeps freed memory for a while, which is not what is measured here.
    asan = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"
    c, q = lab.collector(), lab.query(env={"ASAN_OPTIONS": asan})
    shop.ship(c, shop.records(2000))
    shop.ask(q, limit=1000)
    before = q.rss_mb()
    deaf = [Raw(q) for _ in range(20)]
    for s in deaf:
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sock.setblocking(False)
        try:
            for _ in range(1000):
                s.sock.send(get("/api/logs?limit=1000").encode() * 50)
        except BlockingIOError:
            pass
    for _ in range(20):
        astro.equal(shop.ask(q, limit=5)["total"], 2000)
    grown = q.rss_mb() - before
    astro.note(f"20 deaf readers: {grown:.1f} MB more")
    astro.check(grown < 64 * astro.TIME_SCALE, f"{grown} MB")
    for s in deaf:
        s.sock.close()
    astro.wait_for(lambda: q.metric("astro_query_held_bytes") == 0, "their answers are dropped")
    astro.wait_for(lambda: q.metric("astro_query_connections") == 1, "their connections end")


def t_answers_nobody_takes_have_a_limit(lab):
    """Who holds the memory for answers without reading loses it; the others are answered."""
    c, q = lab.collector(), lab.query()
    # An answer is larger than what the kernel takes of it.
    shop.ship(c, ((t, {**r, "description": "x" * 7000}) for t, r in shop.records(1000)))
    page, most = "/api/logs?limit=1000", astro.limit("LIMIT_QUERY_HELD_BYTES")
    size = len(q.get(page).body)
    astro.check(size > 6 << 20)

    def answered():
        m = astro.metrics(q.address("http"))
        return m["astro_query_runs_total"] + m["astro_query_queue_full_total"]

    def used_up():
        m = astro.metrics(q.address("http"))
        return m["astro_query_held_bytes"] > most or m["astro_query_shed_total"] >= 1

    deaf = []
    while not used_up():
        astro.check(len(deaf) < 100, "the memory is never used up")
        before = answered()
        s = Raw(q)
        s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.send(get(page))
        deaf.append(s)
        astro.wait_for(lambda: answered() > before, "one more answer is made")
    astro.wait_for(lambda: q.get("/api/logs?limit=1").status == 200, "others are answered")
    astro.check(q.metric("astro_query_shed_total") >= 1)
    astro.check(q.metric("astro_query_held_bytes") <= most + size)
    for s in deaf:
        s.sock.close()


def t_an_answer_too_large(lab):
    """Tiny binary values grow most in JSON: the page fits its budget, its text does not."""
    c = lab.collector()
    q = lab.query(["--config", lab.write("c.conf", "[query]\nmemory_max = 1M\n")])
    grows = {"description": "grows", "metadata": {"x": [astro.Ext(5, b"a")] * 45_000}}
    shop.ship(c, [(shop.START, {"description": "d" * 100_000}) for _ in range(5)], size=1)
    shop.ship(c, [(shop.START, grows)], chunk="grows")
    page = shop.ask(q, search="d", limit=5)
    astro.equal((page["partial"], page["total"]), ("memory", 5))
    got, cursor = len(page["logs"]), page["next"]
    astro.check(0 < got < 5)
    while cursor:
        page = shop.ask(q, search="d", limit=5, cursor=cursor)
        got, cursor = got + len(page["logs"]), page["next"]
    astro.equal(got, 5)
    answer = shop.ask(q, search="grows", status=400)
    astro.equal((answer["error"], answer["field"]), ("the answer is too large", "limit"))


def t_connections_have_a_limit(lab):
    q = lab.query(["--config", lab.write("c.conf", "[query]\nconnections_max = 8\n")])
    fds = q.fds()
    held = [Raw(q) for _ in range(8)]
    for s in held:
        astro.equal(s.send(get("/healthz")).answer()[0], 200)
    for _ in range(20):
        with Raw(q) as s:
            astro.equal(s.answer()[0], 503)
    astro.equal(held[0].send(get("/healthz")).answer()[0], 200)
    for s in held:
        s.sock.close()
    astro.wait_for(lambda: q.fds() <= fds, "the descriptors are back")
    astro.equal(q.metric("astro_query_refused_total"), 20)


def t_a_client_that_leaves(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(10))
    waiting = [Raw(q).send(get("/api/logs?after=10&wait=60")) for _ in range(20)]
    astro.wait_for(lambda: q.metric("astro_query_waiting") == 20, "they wait")
    for s in waiting:
        s.sock.close()
    astro.wait_for(lambda: q.metric("astro_query_waiting") == 0, "nobody waits any more")
    astro.check(q.metric("astro_query_gone_total") >= 20)
    # Half closed is not gone: the answer still comes.
    with Raw(q) as s:
        s.send(get("/api/logs?limit=3"))
        s.sock.shutdown(socket.SHUT_WR)
        astro.equal(s.answer()[0], 200)
        astro.equal(s.answer(), None)


def t_the_end(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(10))
    idle, poll = Raw(q), Raw(q).send(get("/api/logs?after=10&wait=60"))
    astro.wait_for(lambda: q.metric("astro_query_waiting") == 1, "it waits")
    q.signal(signal.SIGTERM)
    status, headers, body = poll.answer()
    astro.equal((status, headers["connection"]), (200, "close"))
    astro.check(b'"logs":[]' in body)
    astro.equal(idle.answer(), None)
    astro.equal(q.wait(), 0)


def t_configuration(lab):
    run = lab.run("astroqueryd", "--check-config", "--http", "127.0.0.1:0")
    astro.equal(run.returncode, 0, run.stderr)
    astro.check("configuration ok" in run.stdout)
    bad = lab.write("bad.conf", "[query]\nhtpp = 127.0.0.1:0\n")
    run = lab.run("astroqueryd", "--config", bad)
    astro.equal(run.returncode, 2)
    astro.check("http" in run.stderr and "bad.conf" in run.stderr, run.stderr)
    run = lab.run("astroqueryd", "--config", lab.path("none.conf"))
    astro.equal(run.returncode, 2)
    astro.check("none.conf" in run.stderr, run.stderr)
    run = lab.run("astroqueryd", "--nope")
    astro.equal(run.returncode, 2)
    q = lab.query(["--config", lab.write("q.conf", "[query]\nconnections_max = 50\n")])
    run = lab.run("astroqueryd", "--http", q.address("http"), "--data", lab.path("data"))
    astro.equal(run.returncode, 1)
    astro.check(q.address("http") in run.stderr, run.stderr)
    lab.write("q.conf", "[query]\nconnections_max = 1\n[log]\nlevel = debug\n")
    q.signal(signal.SIGHUP)
    q.wait_log("config: reread")
    with Raw(q) as one, Raw(q) as two:
        astro.equal(one.send(get("/healthz")).answer()[0], 200)
        astro.equal(two.answer()[0], 503)
    lab.write("q.conf", "[query]\nconnections_max = none\n")
    q.signal(signal.SIGHUP)
    q.wait_log("config: not reread")
    astro.check(q.alive())


if __name__ == "__main__":
    astro.main(globals())
