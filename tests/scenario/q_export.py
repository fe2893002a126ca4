"""Goal: GET /api/logs/export streams every event that is meant, once, in the order asked for, in each
format, in bounded memory; a client that leaves, stops reading or resets costs itself alone; what
could not be read is said. Method: events of tests/support/shop, sealed in part, compared in Python; raw
sockets for the clients that misbehave."""

import csv
import glob
import gzip
import http.client
import io
import json
import os
import random
import socket
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402

# Meson's MALLOC_PERTURB_ fills memory that the daemons take and never touch: memory is measured here.
os.environ.pop("MALLOC_PERTURB_", None)

COUNT = 6000
HEADER = ["id", "timestamp", "received", "event_type", "severity"] + shop.FIELDS[1:] + [
    "metadata", "flags"]


def store(lab, count=COUNT, rows=1000):
    """A collector with sealed and unsealed events that is stopped, a query daemon, and all events."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": str(rows)})
    pairs = list(shop.records(count))
    shop.ship(c, pairs[:count * 3 // 4], size=500)
    astro.wait_for(lambda: c.metric("astro_store_sealed_id") >= count * 3 // 4 - rows, "a seal")
    shop.ship(c, pairs[count * 3 // 4:], chunk="more", size=500)
    q = lab.query()
    return c, q, shop.everything(q)


def export(q, *pairs, status=200):
    path = "/api/logs/export?" + urllib.parse.urlencode(pairs)
    reply = q.get(path, timeout=60)
    astro.equal(reply.status, status, path)
    return reply


def lines(reply):
    return [json.loads(line) for line in reply.body.splitlines()]


def in_order(events, order, **any_of):
    if order == "arrival":
        return sorted(shop.naive(events, **any_of), key=lambda e: e["id"])
    return shop.naive(events, order == "asc", **any_of)


def t_every_format_and_order(lab):
    _, q, events = store(lab)
    rnd = random.Random(8)
    for order in ("arrival", "asc", "desc", None):
        for where in ({}, {"event_type": ["PAYMENT"]}, {"user_id": ["\u00e9mile"], "host": ["h1"]},
                      {"event_type": ["NONE"]}):
            want = in_order(events, order or "arrival", **where)
            pairs = [(k, v) for k, values in where.items() for v in values]
            pairs += [("order", order)] if order else []
            limit = rnd.choice([0, 0, 1, 700, COUNT + 1])
            if limit:
                pairs.append(("limit", limit))
                want = want[:limit]
            reply = export(q, *pairs)
            astro.equal(lines(reply), want, str(pairs))
            astro.equal(reply.headers["content-type"], "application/x-ndjson")
            astro.check('filename="astrolabe-events.ndjson"' in
                        reply.headers["content-disposition"], str(reply.headers))
            answer = export(q, *pairs, ("format", "json")).json
            astro.equal((answer["status"], answer["logs"], answer["count"], "partial" in answer),
                        ("success", want, len(want), False))
            rows = list(csv.reader(io.StringIO(export(q, *pairs, ("format", "csv")).text)))
            astro.equal(rows[0], HEADER)
            astro.equal([int(r[0]) for r in rows[1:]], shop.ids(want), str(pairs))
    for event, row in zip(events, rows_of(q)):
        astro.equal(json.loads(row.pop("metadata")), event["metadata"])
        astro.equal({k: v for k, v in row.items() if v and k != "id"},
                    {k: v for k, v in event.items() if k not in ("id", "metadata") and v})


def rows_of(q):
    return csv.DictReader(io.StringIO(export(q, ("format", "csv")).text))


def t_columns(lab):
    _, q, events = store(lab, 500, 200)
    got = lines(export(q, ("columns", "description,id,metadata.deep.x"), ("columns", "user_id")))
    want = [{"description": e["description"], "id": e["id"],
             "metadata.deep.x": e["metadata"]["deep"]["x"]} |
            ({"user_id": e["user_id"]} if "user_id" in e else {}) for e in events]
    astro.equal(got, want)
    astro.equal(list(got[0])[:3], ["description", "id", "metadata.deep.x"])
    rows = list(csv.reader(io.StringIO(export(
        q, ("format", "csv"), ("columns", "metadata.n,metadata.deep,host,metadata.no")).text)))
    astro.equal(rows[0], ["metadata.n", "metadata.deep", "host", "metadata.no"])
    astro.equal([(int(n), json.loads(deep), host, no) for n, deep, host, no in rows[1:]],
                [(e["metadata"]["n"], e["metadata"]["deep"], e["host"], "") for e in events])


def t_what_is_wrong_is_named(lab):
    q = lab.query()
    most, room, depth = (astro.limit(n) for n in ("LIMIT_COLUMNS", "LIMIT_COLUMNS_BYTES", "LIMIT_DEPTH"))
    path = "metadata" + ".a" * depth
    for query, field, error in (("format=xml", "format", "neither ndjson"),
                                ("order=up", "order", "neither arrival"),
                                ("limit=0", "limit", "from 1"),
                                ("columns=id,nope", "columns", "nope"),
                                ("columns=" + ",".join(["id"] * (most + 1)), "columns", f"more than {most} fields"),
                                ("columns=" + ",".join([path] * most), "columns",
                                 f"more than {room} bytes of names and keys"),
                                ("columns=" + path + ".a", "columns", f"more than {depth} keys in one path"),
                                ("offset=3", "offset", "no pages"),
                                ("cursor=x", "cursor", "no pages"),
                                ("evnt_type=x", "evnt_type", "no such parameter"),
                                ("after=7&order=desc", "order", "order of arrival"),
                                ("start_date=yesterday", "start_date", "yesterday")):
        reply = q.get("/api/logs/export?" + query)
        astro.equal((reply.status, reply.json["field"]), (400, field), query[:80])
        astro.check(error in reply.json["error"], f"{query}: {reply.text}")
    # There is no store yet: said, not streamed.
    astro.equal(q.get("/api/logs/export").status, 503)
    astro.equal(q.get("/api/logs/export", method="POST").status, 405)


def ask_raw(q, path, version="1.1", method="GET", more=b"", buffer=None):
    s = socket.socket()
    if buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    s.settimeout(astro.DEADLINE)
    s.connect(astro.split_address(q.address("http")))
    s.sendall(f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n\r\n".encode() + more)
    return s


def read_all(s):
    out = b""
    while data := s.recv(1 << 16):
        out += data
    return out


def t_http_around_a_stream(lab):
    _, q, events = store(lab, 3000)
    path = "/api/logs/export?columns=id"
    want = b"".join(b'{"id":%d}\n' % e["id"] for e in events)
    # HTTP/1.0: the end of the connection ends it.
    head, body = read_all(ask_raw(q, path, "1.0")).split(b"\r\n\r\n", 1)
    astro.equal((body, b"chunked" in head), (want, False))
    # The head alone, then a stream, then what was asked behind it, on one connection.
    more = (f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").encode()
    text = read_all(ask_raw(q, path, method="HEAD", more=more))
    head, rest = text.split(b"\r\n\r\n", 1)
    astro.check(b"200 OK" in head and b"chunked" in head, str(head))
    astro.check(rest.startswith(b"HTTP/1.1 200 OK"), str(rest[:80]))
    astro.check(b"\r\n0\r\n\r\nHTTP/1.1 200 OK" in rest, "the stream ends, the next answer follows")
    astro.check(b'{"status":"success"' in rest, str(rest[-80:]))
    astro.equal(q.metric("astro_query_exports_total"), 2)
    astro.equal(q.metric("astro_query_exports_open"), 0)
    astro.equal(q.metric("astro_query_exports_cut_total"), 0)


def much(lab, count=60_000):
    """A store whose export is longer than all buffers on its way."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "20000"})
    pairs = [(t, r | {"description": r["description"] + " " + "x" * 400})
             for t, r in shop.records(count)]
    shop.ship(c, pairs, size=1000)
    c.stop()
    return lab.query()


def t_a_client_that_leaves_ends_its_export(lab):
    q = much(lab)
    whole = export(q, ("order", "asc"))
    astro.equal(whole.body.count(b"\n"), 60_000)
    for reset in (True, False):
        cut = q.metric("astro_query_exports_cut_total")
        s = ask_raw(q, "/api/logs/export?order=asc", buffer=4096)
        astro.check(s.recv(100).startswith(b"HTTP/1.1 200"))
        astro.equal(q.metric("astro_query_exports_open"), 1)
        if reset:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.close()
        astro.wait_for(lambda: q.metric("astro_query_exports_open") == 0, "the end of the export")
        astro.equal(q.metric("astro_query_exports_cut_total"), cut + 1)
        astro.equal(q.metric('astro_query_partial_total{reason="canceled"}'), cut + 1)
    astro.equal(q.metric("astro_query_held_bytes"), 0)
    astro.equal(export(q, ("order", "asc")).body, whole.body)


def t_readers_that_stop_hold_parts_and_no_thread(lab):
    """As many exports as there may be, none of them read: others are answered, memory is bounded, and one
    export more is refused. Then all are read, and each is whole."""
    q = much(lab, 25_000)
    whole = export(q).body
    before = q.rss_mb()
    socks = [ask_raw(q, "/api/logs/export", buffer=4096) for _ in range(8)]
    astro.wait_for(lambda: q.metric("astro_query_exports_open") == 8, "8 exports")
    astro.equal(shop.ask(q, event_type="PAYMENT", limit=3)["limit"], 3)
    reply = q.get("/api/logs/export")
    astro.equal((reply.status, reply.headers["retry-after"]), (503, "1"))
    astro.check("too many exports" in reply.json["error"], reply.text)
    astro.equal(q.metric("astro_query_exports_refused_total"), 1)
    # A quarter of LIMIT_QUERY_HELD_BYTES ends running ahead: 8 MiB, the steps of two that are under way
    # then (2 x 2 MiB), and one part of half a MiB for each of the others, twice: given, and made.
    grown = q.rss_mb() - before
    astro.check(grown < 32 * astro.MEMORY_SCALE, f"{grown} MiB more for 8 readers that stopped")
    for s in socks:
        r = http.client.HTTPResponse(s)
        r.begin()
        astro.equal(r.read(), whole)
        s.close()
    astro.wait_for(lambda: q.metric("astro_query_exports_open") == 0, "the end of all")
    astro.equal(q.metric("astro_query_exports_cut_total"), 0)
    astro.note(f"{grown:.0f} MiB for 8 readers that stopped, {len(whole) >> 20} MiB each")


def t_memory_does_not_grow_with_the_export(lab):
    """Twice: the second export is ten times as long. Bound: decoded blocks, lanes and parts are those of the
    first one; what the allocator keeps differs by some MiB."""
    q = much(lab, 100_000)
    for _ in range(3):
        export(q, ("limit", "10000"))
    first = q.peak_mb()
    text = export(q).body
    second = q.peak_mb()
    for order in ("asc", "desc"):
        astro.equal(export(q, ("order", order)).body.count(b"\n"), 100_000)
    third = q.peak_mb()
    packed = astro.http_request(q.address("http"), "/api/logs/export", headers={"Accept-Encoding": "gzip"}, timeout=60).body
    astro.check(gzip.decompress(packed) == text, "the packed export is another one")
    fourth = q.peak_mb()
    astro.note(f"peak RSS {first:.0f} MiB after 10000 events, {second:.0f} after {len(text) >> 20} "
               f"MiB of text, {third:.0f} in order of time, {fourth:.0f} packed into {len(packed) >> 20} MiB")
    astro.check(second < first + 24 * astro.MEMORY_SCALE, f"{second} after {first} MiB")
    astro.check(third < first + 32 * astro.MEMORY_SCALE, f"{third} after {first} MiB")
    astro.check(fourth < first + 36 * astro.MEMORY_SCALE, f"{fourth} after {first} MiB")


def t_damage_is_said(lab):
    c, q, events = store(lab)
    c.stop()
    q.stop()
    path = sorted(glob.glob(lab.path("data/seg/*/*.seg")), key=os.path.getsize)[-1]
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 3)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 255]))
    q = lab.query()
    *rows, last = lines(export(q))
    astro.equal((last["status"], last["partial"]), ("partial", "damage"))
    astro.equal(last["count"], len(rows))
    astro.check(0 < len(rows) < len(events), str(len(rows)))
    astro.check(os.path.basename(path) in last["damage"][0]["file"], str(last))
    kept = set(shop.ids(rows))
    astro.equal(rows, [e for e in events if e["id"] in kept])
    answer = export(q, ("format", "json"), ("order", "desc")).json
    astro.equal((answer["logs"], answer["partial"]), (in_order(rows, "desc"), "damage"))
    # A CSV cannot say it: all that could be read, and then no end.
    try:
        q.get("/api/logs/export?format=csv")
        astro.check(False, "a CSV with damage came as a whole one")
    except http.client.IncompleteRead as e:
        astro.equal(len(list(csv.reader(io.StringIO(e.partial.decode())))), len(rows) + 1)
    q.wait_log("a part of the store cannot be read")


def t_stopping_while_an_export_runs(lab):
    """A reader that stopped does not keep the daemon; one that reads has its whole answer first."""
    q = much(lab, 20_000)
    whole = export(q).body
    stopped = ask_raw(q, "/api/logs/export", buffer=4096)
    reading = ask_raw(q, "/api/logs/export")
    for s in (stopped, reading):
        astro.check(s.recv(12).startswith(b"HTTP/1.1 200"))
    q.signal(15)
    text = read_all(reading)
    astro.check(text.endswith(b"\r\n0\r\n\r\n"), str(text[-40:]))
    astro.check(len(text) > len(whole))
    astro.equal(q.wait(), 0)
    astro.check(b"\r\n0\r\n\r\n" not in read_all_of_a_dead_one(stopped))


def read_all_of_a_dead_one(s):
    try:
        return read_all(s)
    except ConnectionResetError:
        return b""


if __name__ == "__main__":
    astro.main(globals())
