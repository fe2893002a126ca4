#!/usr/bin/python3
"""Goal: of the collector's HTTP door: what is answered 201 is stored exactly once, with the ids that were told,
whatever shape it came in; what is bad is told and costs itself alone; limits hold; a page of another
site posts nothing; astroqueryd hands on what it is sent.

Method: raw sockets and http.client against both daemons; the store is read back without them.
"""

import contextlib
import gzip
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
from astro import check, equal, found  # noqa: E402

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


def post(daemon, body, path="/api/logs", headers=None, **more):
    if not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    return astro.http_request(daemon.address("http"), path, "POST", body,
                              JSON if headers is None else headers, **more)


def stored(lab, daemon):
    """Every event, by its id, after the daemon ended well."""
    equal(daemon.stop(), 0)
    return {int(row["id"]): row for row in lab.rows()}


def raw(daemon, data, timeout=astro.DEADLINE):
    """All bytes that come back for these, until the server ends the connection."""
    with socket.create_connection(astro.split_address(daemon.address("http"))) as s:
        s.settimeout(timeout * astro.TIME_SCALE)
        s.sendall(data)
        out = b""
        while True:
            try:
                got = s.recv(65536)
            except ConnectionResetError:
                return out
            if not got:
                return out
            out += got


def zstd(data):
    """A zstd frame of raw blocks: what needs no compressor to write."""
    out = b"\x28\xb5\x2f\xfd" + bytes([0xa0]) + len(data).to_bytes(4, "little")
    step = 100000
    for at in range(0, len(data), step):
        part = data[at:at + step]
        last = at + step >= len(data)
        out += (len(part) << 3 | last).to_bytes(3, "little") + part
    return out


# ---------------------------------------------------------------- what is stored


def t_shapes_and_ids(lab):
    c = lab.collector()
    one = post(c, {"event_type": "AUTH", "user_id": 7, "description": "in", "result": "ok"})
    equal(one.status, 201)
    equal(one.json, {"status": "success", "stored": 1, "id": 1, "first_id": 1, "last_id": 1})
    two = post(c, [{"message": "a"}, {"event_type": "CREATE", "details": {"order": 5}}])
    equal((two.status, two.json["first_id"], two.json["last_id"]), (201, 2, 3))
    check("id" not in two.json)
    three = post(c, '{"msg":"x"}\n{"msg":"y"}\r\n\n{"msg":"z"}', headers=LINES)
    equal((three.status, three.json["stored"], three.json["last_id"]), (201, 3, 6))
    # Nobody said what it is: sniffed. Values on several lines, one after another, a mark before them.
    four = post(c, '\ufeff{\n "log": "p"\n}\n{"log":"q"}{"log":"r"}', headers={})
    equal((four.status, four.json["stored"]), (201, 3))
    equal(post(c, "[]").json, {"status": "success", "stored": 0})
    rows = stored(lab, c)
    equal(sorted(rows), list(range(1, 10)))
    equal(rows[1]["user_id"], "7")
    equal(rows[1]["metadata"], {"result": "ok"})
    equal(rows[3]["event_type"], "CREATE")
    equal(rows[3]["metadata"], {"order": 5})
    equal([rows[i]["description"] for i in range(4, 10)], list("xyzpqr"))
    equal(rows[1]["host"], "127.0.0.1")


def t_content_types(lab):
    c = lab.collector()
    for kind in ("application/json; charset=utf-8", "application/vnd.x+json", "text/plain",
                 "application/x-www-form-urlencoded", "application/stream+json",
                 "application/jsonl"):
        r = post(c, {"msg": kind}, headers={"Content-Type": kind})
        equal(r.status, 201, kind)
    for kind in ("multipart/form-data; boundary=x", "application/xml", "application/msgpack"):
        r = post(c, {"msg": kind}, headers={"Content-Type": kind})
        equal((r.status, r.json["field"]), (415, "Content-Type"))
    equal(len(stored(lab, c)), 6)


def t_packed_bodies(lab):
    c = lab.collector()
    lines = b"".join(b'{"msg":"%d %s"}\n' % (i, b"x" * 200) for i in range(3000))
    half = len(lines) // 2
    packed = {
        "gzip": gzip.compress(lines[:half]) + gzip.compress(lines[half:]),
        "deflate": zlib.compress(lines),
        "zstd": zstd(lines[:half]) + zstd(lines[half:]),
        "identity": lines,
    }
    for coding, body in packed.items():
        r = post(c, body, headers={**LINES, "Content-Encoding": coding})
        equal((r.status, r.json["stored"]), (201, 3000), coding)
    r = post(c, packed["gzip"][:-20], headers={**LINES, "Content-Encoding": "gzip"})
    equal(r.status, 400)
    found("ends too early", r.json["error"])
    r = post(c, lines, headers={**LINES, "Content-Encoding": "gzip"})
    equal(r.status, 400)
    r = post(c, lines, headers={**LINES, "Content-Encoding": "br"})
    equal((r.status, r.json["field"]), (415, "Content-Encoding"))
    found("gzip", r.headers["accept-encoding"])
    # A bomb: nothing, a thousand times as long as what is sent.
    bomb = zlib.compressobj(9)
    body = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(100)) + bomb.flush()
    r = post(c, body, headers={**LINES, "Content-Encoding": "deflate"})
    check(r.status in (400, 413), r.status)
    check(c.peak_mb() < 64 * astro.MEMORY_SCALE, f"{c.peak_mb()} MiB")
    equal(len(stored(lab, c)), 12000)


def t_bad_lines_cost_themselves(lab):
    c = lab.collector()
    body = '{"msg":"one"}\n{"msg":\n[1]\n{"msg":"two"} x\n{"msg":"three"}\n7\n{"msg":"four"}'
    r = post(c, body, headers=LINES)
    equal(r.status, 200)
    equal((r.json["status"], r.json["stored"], r.json["rejected"]), ("partial", 4, 4))
    equal([e["line"] for e in r.json["errors"]], [2, 3, 4, 6])
    found("column 8: expected a value", r.json["errors"][0]["error"])
    equal((r.json["first_id"], r.json["last_id"]), (1, 4))
    # Of many, the first are told and all are counted.
    r = post(c, "nonsense\n" * 1000 + '{"a":1}', headers=LINES)
    equal((r.status, r.json["stored"], r.json["rejected"]), (200, 1, 1000))
    equal(len(r.json["errors"]), 20)
    r = post(c, "nonsense\nmore\n")
    equal((r.status, r.json["stored"], r.json["rejected"]), (400, 0, 2))
    # In one document what follows a fault cannot be read: nothing of it is stored.
    r = post(c, '[{"msg":"a"},{"msg":"b"},{"msg":]')
    equal(r.status, 400)
    found("line 1, byte 33: expected a value", r.json["error"])
    r = post(c, '{\n"msg": tru\n}')
    equal(r.status, 400)
    r = post(c, '[{"msg":"good"},5,{"msg":"good"}]')
    equal((r.status, r.json["stored"], r.json["errors"]),
          (200, 2, [{"index": 1, "error": "an event is an object"}]))
    # More pairs than an event may have, and more bytes.
    wide = json.dumps({f"k{i}": i for i in range(1025)})
    big = json.dumps({"msg": "x" * (1100 << 10)})
    r = post(c, f'{wide}\n{big}\n{{"msg":"last"}}', headers=LINES)
    equal((r.status, r.json["stored"], r.json["rejected"]), (200, 1, 2))
    equal(post(c, "").status, 400)
    equal(len(stored(lab, c)), 8)


def t_framing(lab):
    c = lab.collector()
    head = b"POST /api/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n"
    close = b"Connection: close\r\n"
    lines = b'{"msg":"a"}\n{"msg":"b"}\n'
    chunks = b"".join(b"1\r\n%c\r\n" % b for b in lines) + b"0\r\n\r\n"
    out = raw(c, head + close + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    found(rb"201 Created", out)
    found(rb'"stored":2', out)
    # A client that waits to be told to go on.
    with socket.create_connection(astro.split_address(c.address("http"))) as s:
        s.settimeout(astro.DEADLINE * astro.TIME_SCALE)
        s.sendall(head + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(lines))
        equal(s.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
        s.sendall(lines)
        found(rb"201 Created", s.recv(1000))
        # Byte by byte, on the same connection.
        for b in head + b"Content-Length: %d\r\n\r\n" % len(lines) + lines:
            s.sendall(bytes([b]))
        found(rb"201 Created", s.recv(1000))
    # Two requests at once: answers in their order.
    request = head + b"Content-Length: %d\r\n\r\n" % len(lines) + lines
    out = raw(c, request * 20 + b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n")
    equal(out.count(b"201 Created"), 20)
    check(out.rindex(b"201 Created") < out.index(b"200 OK"))
    # One that breaks off leaves nothing.
    with socket.create_connection(astro.split_address(c.address("http"))) as s:
        s.sendall(head + b"Content-Length: 1000\r\n\r\n" + lines)
    c.wait_metric("astro_collector_http_broken_total", 1)
    out = raw(c, head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n\r\nzz")
    found(rb"400 Bad Request", out)
    out = raw(c, head + b"Content-Length: %d\r\n\r\n" % (astro.limit("LIMIT_POST_BYTES") + 1))
    found(rb"413 ", out)
    equal(c.metric("astro_collector_http_too_large_total"), 1)
    equal(len(stored(lab, c)), 2 + 2 + 2 + 40)


def t_large_bodies(lab):
    c = lab.collector()
    line = b'{"msg":"%s","n":1}\n' % (b"y" * 1000)
    count = 8000
    r = post(c, line * count, headers=LINES)
    equal((r.status, r.json["stored"]), (201, count))
    equal(r.json["last_id"] - r.json["first_id"] + 1, count)
    r = post(c, b"[" + b",".join([line] * 3000) + b"]")
    equal((r.status, r.json["stored"]), (201, 3000))
    check(c.peak_mb() < 64 * astro.MEMORY_SCALE, f"{c.peak_mb()} MiB")
    check(c.metric("astro_collector_frames_spilled_total") >= 2)
    equal(len(stored(lab, c)), count + 3000)


def t_a_key_stores_once(lab):
    c = lab.collector()
    key = {**JSON, "Idempotency-Key": "7f9c"}
    first = post(c, {"msg": "once"}, headers=key)
    equal((first.status, first.json["id"]), (201, 1))
    again = post(c, {"msg": "once"}, headers=key)
    equal((again.status, again.json), (200, {"status": "success", "stored": 0, "repeated": True}))
    equal(post(c, {"msg": "other"}, headers={**JSON, "Idempotency-Key": "7f9d"}).status, 201)
    c.kill()
    c = lab.collector()
    again = post(c, {"msg": "once"}, headers=key)
    equal((again.status, again.json["repeated"]), (200, True))
    # Where another format is sent to, the key is another one.
    equal(post(c, '{"_msg":"jl"}', "/insert/jsonline", headers=key).json["stored"], 1)
    r = post(c, {"msg": "long"}, headers={**JSON, "Idempotency-Key": "k" * 257})
    equal((r.status, r.json["field"]), (400, "Idempotency-Key"))
    equal([row["description"] for row in stored(lab, c).values()], ["once", "other", "jl"])


def t_what_was_answered_survives_a_kill(lab):
    c = lab.collector()
    answered, lock = {}, threading.Lock()

    def sender(name):
        where = astro.split_address(c.address("http"))
        con = http.client.HTTPConnection(*where, timeout=astro.DEADLINE)
        try:
            for i in range(100000):
                texts = [f"{name} {i} {j}" for j in range(5)]
                con.request("POST", "/api/logs", json.dumps([{"msg": t} for t in texts]), JSON)
                r = con.getresponse()
                doc = json.loads(r.read())
                equal(r.status, 201)
                with lock:
                    answered.update(zip(range(doc["first_id"], doc["last_id"] + 1), texts))
        except (OSError, http.client.HTTPException, ValueError):
            pass

    threads = [threading.Thread(target=sender, args=(n,)) for n in ("p", "q", "r")]
    for t in threads:
        t.start()
    astro.wait_for(lambda: len(answered) > 1000, "a thousand events are answered")
    c.kill()
    for t in threads:
        t.join()
    c = lab.collector()
    rows = stored(lab, c)
    for number, text in answered.items():
        equal(rows[number]["description"], text)
    texts = [row["description"] for row in rows.values()]
    equal(len(texts), len(set(texts)))
    equal(len(texts) % 5, 0)
    astro.note(f"{len(answered)} answered, {len(texts)} stored")


# ---------------------------------------------------------------- other shapes


def t_jsonline(lab):
    c = lab.collector()
    path = ("/insert/jsonline?_msg_field=log.message,text&_time_field=date&"
            "_stream_fields=stream,app,node&ignore_fields=secret&extra_fields=site=b%3D1,zone=z")
    body = "\n".join(json.dumps(doc) for doc in (
        {"log": {"message": "deep", "level": "x"}, "date": "2024-08-12T10:00:00Z", "app": "shop",
         "node": "n1", "secret": "s", "level": "error"},
        {"text": "flat", "date": "1723456800000", "description": "own", "timestamp": 5},
        {"date": "never", "other": 1}))
    r = post(c, body, path, headers={"Content-Type": "application/stream+json"})
    equal((r.status, r.json["stored"]), (201, 3))
    r = post(c, '{"_msg":"m","_time":1723456800.5}\nbad', "/insert/jsonline",
             headers={"VL-Stream-Fields": "app", "VL-Extra-Fields": "from=header"})
    equal((r.status, r.json["stored"], r.json["rejected"]), (200, 1, 1))
    equal(post(c, "{}", "/insert/jsonline?debug=1").status, 400)
    rows = stored(lab, c)
    equal((rows[1]["description"], rows[1]["service"], rows[1]["host"], rows[1]["severity"]),
          ("deep", "shop", "n1", "error"))
    equal(rows[1]["timestamp"], "2024-08-12T10:00:00Z")
    equal(rows[1]["metadata"], {"log": {"message": "deep", "level": "x"}, "app": "shop",
                                "node": "n1", "site": "b=1", "zone": "z"})
    equal((rows[2]["description"], rows[2]["timestamp"]), ("flat", "2024-08-12T10:00:00Z"))
    equal(rows[2]["metadata"]["_displaced"], {"description": "own", "timestamp": 5})
    equal(rows[3]["metadata"]["date"], "never")
    equal(rows[4]["metadata"], {"from": "header"})
    equal(rows[4]["timestamp"], "2024-08-12T10:00:00.5Z")


def t_alerts(lab):
    c = lab.collector()
    r = post(c, {"severity": "critical", "message": "disk", "source": "probe", "n": 1}, "/api/alerts")
    equal((r.status, r.json["id"]), (201, 1))
    r = post(c, [{"title": "only a title", "event_type": "disk"}], "/api/alerts")
    equal(r.status, 201)
    hook = {
        "version": "4", "receiver": "hook", "groupKey": "g", "externalURL": "http://am",
        "status": "firing",
        "alerts": [
            {"status": "firing", "fingerprint": "f1", "startsAt": "2024-08-12T10:00:00Z",
             "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p",
             "labels": {"alertname": "Down", "severity": "page", "job": "shop",
                        "instance": "h1:9100"},
             "annotations": {"summary": "shop is down"}},
            {"status": "resolved", "fingerprint": "f1", "startsAt": "2024-08-12T10:00:00Z",
             "endsAt": "2024-08-12T10:05:00Z",
             "labels": {"alertname": "Down", "severity": "critical"}, "annotations": {}},
            "no object"],
    }
    r = post(c, hook, "/api/alerts")
    equal((r.status, r.json["stored"], r.json["rejected"]), (200, 2, 1))
    rows = stored(lab, c)
    check(all(row["event_type"] == "ALERT" for row in rows.values()))
    equal((rows[1]["severity"], rows[1]["description"], rows[1]["service"]),
          ("critical", "disk", "probe"))
    equal(rows[1]["metadata"], {"source": "probe", "n": 1})
    equal(rows[2]["description"], "only a title")
    equal(rows[2]["metadata"]["alert_type"], "disk")
    equal((rows[3]["severity"], rows[3]["description"], rows[3]["service"], rows[3]["host"],
           rows[3]["entity_id"], rows[3]["timestamp"]),
          ("critical", "shop is down", "shop", "h1:9100", "f1", "2024-08-12T10:00:00Z"))
    equal(rows[3]["metadata"]["labels"]["severity"], "page")
    equal(rows[3]["metadata"]["receiver"], "hook")
    equal((rows[4]["severity"], rows[4]["description"], rows[4]["timestamp"]),
          ("notice", "Down", "2024-08-12T10:05:00Z"))


# ---------------------------------------------------------------- who may, and when


def t_pages_of_other_sites(lab):
    c, q = lab.collector(), None
    q = lab.query(env={"ASTRO_QUERY_COLLECTOR": c.address("http")})
    for d in (c, q):
        own = d.address("http")
        for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"},
                        {"Sec-Fetch-Site": "cross-site"},
                        {"Origin": "http://evil.example:80", "Host": "evil.example:80"}):
            r = post(d, {"msg": "no"}, headers={"Content-Type": "text/plain", **headers})
            check(r.status in (403, 421), f"{headers} {r.status}")
        r = post(d, {"msg": "yes"}, headers={**JSON, "Origin": f"http://{own}",
                                             "Sec-Fetch-Site": "same-origin"})
        equal(r.status, 201)
    equal([row["description"] for row in stored(lab, c).values()], ["yes", "yes"])


def t_a_full_disk_and_the_end(lab):
    c = lab.collector(env={"ASTRO_STORE_DISK_HARD": "1000000G"})
    r = post(c, {"msg": "no"})
    equal((r.status, r.headers["retry-after"]), (507, "1"))
    found("disk is full", r.json["error"])
    equal(c.get("/readyz").status, 503)
    equal(c.metric("astro_collector_http_full_total"), 1)
    equal(c.stop(), 0)
    c = lab.collector()
    # What is under way when the end comes is finished.
    with socket.create_connection(astro.split_address(c.address("http"))) as s:
        s.settimeout(astro.DEADLINE * astro.TIME_SCALE)
        body = b'{"msg":"late"}'
        s.sendall(b"POST /api/logs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        s.sendall(body[:5])
        astro.wait_for(lambda: c.metric("astro_collector_http_open") == 1, "the request is open")
        c.signal(15)
        c.wait_log("stopping")
        s.sendall(body[5:])
        found(rb"201 Created", s.recv(1000))
    equal(c.wait(), 0)
    equal(len(lab.rows()), 1)


def journal_thread(c):
    for task in os.listdir(f"/proc/{c.pid}/task"):
        with open(f"/proc/{c.pid}/task/{task}/comm", encoding="ascii") as f:
            if f.read().strip() == "journal":
                return task
    raise astro.Failure("there is no thread of the journal")


def t_a_journal_that_is_behind(lab):
    astro.strace()
    c = lab.collector()
    equal(post(c, {"msg": "first"}).status, 201)
    task = journal_thread(c)
    # The next sync takes longer than a request may wait for room.
    tracer = subprocess.Popen(
        ["strace", "-qq", "-o", lab.path("trace"), "-p", task, "-e", "trace=fdatasync", "-e",
         "inject=fdatasync:delay_enter=12000000:when=1"])
    try:
        def traced():
            with open(f"/proc/{c.pid}/task/{task}/status", encoding="ascii") as f:
                return not re.search(r"TracerPid:\t0\n", f.read())

        astro.wait_for(traced, "the journal's thread is traced")
        body = b'{"msg":"%s"}\n' % (b"w" * 1000) * 300
        answers = []

        def sender():
            answers.append(post(c, body, headers=LINES, timeout=40))

        threads = [threading.Thread(target=sender, daemon=True) for _ in range(24)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        tracer.terminate()
        tracer.wait()
    good = [r for r in answers if r.status == 201]
    late = [r for r in answers if r.status == 503]
    equal(len(good) + len(late), 24)
    check(len(good) >= 10 and len(late) >= 4, f"{len(good)} good, {len(late)} late")
    for r in late:
        found("journal is behind: nothing was stored", r.json["error"])
        equal(r.headers["retry-after"], "1")
    c.kill()
    equal(len(lab.rows()), 1 + 300 * len(good))


def t_metrics_are_well_formed(lab):
    c = lab.collector()
    post(c, "bad", headers=LINES)
    post(c, {"msg": "good"})
    page = c.get("/metrics")
    found(r"text/plain; version=0.0.4", page.headers["content-type"])
    seen, typed = set(), {}
    for line in page.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(name not in typed, f"{name} has two types")
            check(kind == "counter" or not name.endswith("_total"), line)
            check(kind in ("counter", "gauge"), line)
            check(kind != "counter" or name.endswith("_total"), line)
            typed[name] = kind
        elif not line.startswith("#"):
            name = found(r'^([a-z_:][a-z0-9_:]*)(\{[a-z_]+="[^"\\]*"(,[a-z_]+="[^"\\]*")*\})? '
                         r"-?[0-9.e+-]+$", line).group(1)
            key = line.rsplit(" ", 1)[0]
            check(key not in seen, f"{key} twice")
            check(name in typed, f"{name} has no type")
            seen.add(key)
        else:
            check(line.startswith("# HELP "), line)
    if shutil.which("promtool"):
        r = subprocess.run(["promtool", "check", "metrics"], input=page.body, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        equal((r.returncode, r.stdout), (0, b""))
    equal(c.metric('astro_collector_events_total{door="http"}'), 1)
    equal(c.metric("astro_collector_http_requests_total"), 2)
    equal(c.metric("astro_collector_http_refused_total"), 1)


def t_too_many_connections(lab):
    c, most = lab.collector(), astro.limit("LIMIT_POST_CONNS")
    where = astro.split_address(c.address("http"))
    with contextlib.ExitStack() as stack:
        # From as many addresses: one peer alone may not have all of them.
        held = [stack.enter_context(socket.create_connection(where, source_address=(f"127.0.{1 + n // 99}.{1 + n % 99}", 0)))
                for n in range(most)]
        for s in held:
            s.settimeout(astro.DEADLINE * astro.TIME_SCALE)
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            found(rb"200 OK", s.recv(1000))
        out = raw(c, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        found(rb"503 Service Unavailable", out)
        found(rb"too many connections", out)
    astro.wait_for(lambda: raw(c, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"),
                   "there is room again")
    check(c.metric("astro_collector_http_connections_refused_total") >= 1)


# ---------------------------------------------------------------- the relay


def t_relay(lab):
    c = lab.collector()
    q = lab.query(env={"ASTRO_QUERY_COLLECTOR": c.address("http")})
    r = post(q, {"msg": "by way of the query daemon"})
    equal((r.status, r.json["id"]), (201, 1))
    r = post(q, gzip.compress(b'{"msg":"a"}\nbad\n'), headers={
        **LINES, "Content-Encoding": "gzip", "Idempotency-Key": "k"})
    equal((r.status, r.json["stored"], r.json["errors"][0]["line"]), (200, 1, 2))
    equal(post(q, '{"msg":"a"}', headers={**LINES, "Idempotency-Key": "k"}).json["repeated"], True)
    equal(post(q, {"severity": "alert"}, "/api/alerts").status, 201)
    # What was posted is found, at the same address.
    got = astro.wait_for(lambda: [e for e in q.get("/api/logs?limit=10").json["logs"]
                                  if e["id"] == 1], "the event is there")
    equal(got[0]["host"], "127.0.0.1")
    most, all_most = astro.limit("LIMIT_RELAY_BODY_BYTES"), astro.limit("LIMIT_RELAY_HELD_BYTES")
    r = post(q, b"x" * (most + 1))
    equal(r.status, 413)
    line = b'{"msg":"%s"}\n' % (b"z" * 1000)
    r = post(q, (line * (most // len(line))).ljust(most, b"\n"), headers=LINES)
    equal((r.status, r.json["stored"]), (201, most // len(line)))
    # What is on its way together has a bound, too.
    part = most * 7 // 8
    with contextlib.ExitStack() as stack:
        for _ in range(all_most // part + 1):
            s = stack.enter_context(
                socket.create_connection(astro.split_address(q.address("http"))))
            s.settimeout(astro.DEADLINE * astro.TIME_SCALE)
            s.sendall(b"POST /api/logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
                      % part)
            with contextlib.suppress(OSError):
                s.sendall(b" " * (part * 7 // 8))
        found(rb"503 Service Unavailable", s.recv(1000))
    astro.wait_for(lambda: q.metric("astro_query_relay_held_bytes") == 0, "all is let go")
    equal(q.metric("astro_query_relay_full_total"), 1)
    c.kill()
    r = post(q, {"msg": "nobody there"})
    equal((r.status, r.headers["retry-after"]), (503, "1"))
    found("cannot be reached", r.json["error"])
    q.wait_log("the collector does not take events")
    equal(q.metric("astro_query_relay_failed_total"), 1)
    equal(q.metric("astro_query_relay_held_bytes"), 0)
    equal(q.stop(), 0)


def take_post(server):
    """The next connection that posts, and what it said at first; those that ask for figures are ended."""
    while True:
        con, _ = server.accept()
        con.settimeout(astro.DEADLINE * astro.TIME_SCALE)
        got = con.recv(65536)
        if got.startswith(b"POST"):
            return con, got
        con.close()


def t_relay_of_a_collector_that_breaks_off(lab):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        answers = [b"", b"HTTP/1.1 201 Cre", b"nonsense\r\n\r\n",
                   b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n{}",
                   b"HTTP/1.1 201 Created\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"2\r\n{}\r\n0\r\n\r\n",
                   b"HTTP/1.1 201 Created\r\n\r\n{}"]

        def serve():
            for text in answers:
                con, _ = take_post(server)
                con.sendall(text)
                # What is closed with bytes unread is reset, and the answer with it.
                con.shutdown(socket.SHUT_WR)
                while con.recv(65536):
                    pass
                con.close()

        t = threading.Thread(target=serve)
        t.start()
        port = server.getsockname()[1]
        q = lab.query(env={"ASTRO_QUERY_COLLECTOR": f"127.0.0.1:{port}"})
        got = [post(q, {"msg": "x"}).status for _ in answers]
        t.join()
        equal(got, [502, 502, 502, 502, 201, 201])
    q2 = lab.query(env={"ASTRO_QUERY_COLLECTOR": ""})
    r = post(q2, {"msg": "x"})
    equal(r.status, 503)
    found("no collector is configured", r.json["error"])


def t_a_client_that_leaves_the_relay(lab):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(astro.DEADLINE)
        q = lab.query(env={"ASTRO_QUERY_COLLECTOR": "127.0.0.1:%d" % server.getsockname()[1]})
        s = socket.create_connection(astro.split_address(q.address("http")))
        s.sendall(b"POST /api/logs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        con, got = take_post(server)
        s.close()
        while part := con.recv(1000):
            got += part
        con.close()
        found(rb"^POST /api/logs HTTP/1.1\r\n", got)
        found(rb"X-Forwarded-For: 127.0.0.1\r\n", got)
        check(got.endswith(b"\r\n\r\n{}"), got)
        equal(q.metric("astro_query_relay_held_bytes"), 0)
    equal(q.stop(), 0)


astro.main(globals())
