#!/usr/bin/python3
"""Goal: what a browser and a program may expect of the HTTP of astroqueryd beside its answers: methods,
other sites' pages, compression, caching, problems, saved views, the status.

Method: raw requests, so that every header field is seen; one daemon or two for each point.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import shop
import web

CONSOLE = "https://console.example.org"


# ---------------------------------------------------------------- methods


def t_options_and_head(lab):
    q = lab.query()
    with web.Raw(q) as s:
        for path, allow in (("/api/logs", "GET, HEAD, POST, OPTIONS"), ("/api/alerts", "POST, OPTIONS"),
                            ("/api/fields", "GET, HEAD, OPTIONS"), ("/", "GET, HEAD, OPTIONS")):
            a = s.ask("OPTIONS", path)
            astro.equal((a.status, a.fields["allow"], a.body), (204, allow, b""), path)
            astro.check("content-length" not in a.fields, "204 has no length")
        astro.equal(s.ask("OPTIONS", "*").status, 204)
        astro.equal(s.ask("OPTIONS", "/api/lugs").status, 404)
        for path in ("/", "/live", "/web/app.js", "/healthz", "/metrics", "/readyz"):
            got, head = s.ask("GET", path), s.ask("HEAD", path)
            astro.equal((head.status, head.body), (got.status, b""), path)
            if path != "/metrics":
                astro.equal(head.fields["content-length"], got.fields["content-length"], path)
            astro.equal(sorted(head.fields), sorted(got.fields), path)


# ---------------------------------------------------------------- what goes wrong


def is_problem(a, status, field):
    p = a.json()
    astro.equal((a.status, p["status"], p.get("field")), (status, "error", field), a.body)
    astro.check(p["error"] and p.get("hint"), a.body)
    astro.equal(a.fields["content-type"], "application/json")


def t_every_problem_says_what_to_do(lab):
    q = lab.query()
    host = f"Host: {q.address('http')}\r\n"
    for status, field, data in (
            (400, "limit", f"GET /api/logs?limit=0 HTTP/1.1\r\n{host}\r\n"),
            (400, "limmit", f"GET /api/logs?limmit=1 HTTP/1.1\r\n{host}\r\n"),
            (400, "request", "oops\r\n\r\n"), (400, "request", f"GET / HTTP/1.1\r\n{host}a b: c\r\n\r\n"),
            (400, "request", f"POST /api/logs HTTP/1.1\r\n{host}Transfer-Encoding: gzip\r\n\r\n"),
            (404, "path", f"GET /none HTTP/1.1\r\n{host}\r\n"), (404, "path", f"GET /web/none HTTP/1.1\r\n{host}\r\n"),
            (404, "id", f"GET /api/logs/x HTTP/1.1\r\n{host}\r\n"),
            (405, "method", f"PUT /api/logs HTTP/1.1\r\n{host}\r\n"),
            (413, "body", f"PUT /api/views/a HTTP/1.1\r\n{host}Content-Length: 99999\r\n\r\n"),
            (414, "target", f"GET /{'x' * (17 << 10)} HTTP/1.1\r\n{host}\r\n"),
            (417, "Expect", f"GET / HTTP/1.1\r\n{host}Expect: much\r\n\r\n"),
            (421, "Host", "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
            (431, "headers", f"GET / HTTP/1.1\r\n{host}X: {'x' * (25 << 10)}\r\n\r\n"),
            (431, "headers", f"GET / HTTP/1.1\r\n{host}" + "X: 1\r\n" * 70 + "\r\n"),
            (505, "version", f"GET / HTTP/3.0\r\n{host}\r\n")):
        with web.Raw(q) as s:
            is_problem(s.send(data.encode()).answer(), status, field)
    # A head that does not end; and one that is none after one without a body.
    slow = lab.query(["--config", lab.write("c.conf", "[query]\nheader_timeout = 100ms\n")])
    with web.Raw(slow) as s:
        is_problem(s.send(b"GET / HTTP/1.1\r\n").answer(), 408, "request")
    with web.Raw(q) as s:
        astro.equal(s.ask("HEAD", "/healthz").status, 200)
        is_problem(s.send(b"oops\n").answer(), 400, "request")


def t_keep_alive_and_pipelining(lab):
    q = lab.query()
    with web.Raw(q) as s:
        requests = [s.request("GET", "/healthz"), s.request("OPTIONS", "/"), s.request("HEAD", "/metrics"), s.request("GET", "/none"),
                    s.request("PUT", "/api/views/a", b'{"address":"/"}'), s.request("GET", "/api/views")]
        for one in requests:
            s.send(one)
            astro.equal(s.answer(one.startswith(b"HEAD")).fields["connection"], "keep-alive")
        s.send(b"".join(requests * 5))
        got = [s.answer(one.startswith(b"HEAD")) for one in requests * 5]
        astro.equal([a.status for a in got], [200, 204, 200, 404, 200, 200] * 5)
        astro.equal(s.ask("GET", "/healthz", Connection="close").fields["connection"], "close")
        astro.equal(s.answer(), None)


# ---------------------------------------------------------------- other sites


def t_no_cors_unless_configured(lab):
    q = lab.query()
    with web.Raw(q) as s:
        for method in ("GET", "OPTIONS"):
            a = s.ask(method, "/api/fields", Origin=CONSOLE, Access_Control_Request_Method="GET")
            astro.equal([n for n in a.fields if n.startswith("access-control")], [], method)


def t_a_listed_origin(lab):
    q = lab.query(["--config", lab.write("c.conf", f"[query]\norigins = {CONSOLE} http://localhost:3000\n")])
    with web.Raw(q) as s:
        a = s.ask("OPTIONS", "/api/logs", Origin=CONSOLE, Access_Control_Request_Method="POST")
        astro.equal((a.status, a.fields["access-control-allow-origin"]), (204, CONSOLE))
        astro.check("POST" in a.fields["access-control-allow-methods"])
        astro.check("Content-Type" in a.fields["access-control-allow-headers"])
        for path in ("/healthz", "/api/none", "/api/logs?limit=0"):
            a = s.ask("GET", path, Origin=CONSOLE)
            astro.equal((a.fields["access-control-allow-origin"], a.fields["vary"]), (CONSOLE, "Origin"), path)
        for origin in ("https://console.example.org.evil.example", "http://console.example.org", "null"):
            a = s.ask("GET", "/healthz", Origin=origin)
            astro.check("access-control-allow-origin" not in a.fields, origin)
            astro.equal(a.fields["vary"], "Origin")
        astro.equal(s.ask("POST", "/api/logs", Origin="null").status, 403)
    with web.Raw(q) as s:
        # It may send: there is no collector, which is told after that.
        astro.equal(s.ask("POST", "/api/logs", b"{}", Origin=CONSOLE, Sec_Fetch_Site="cross-site").status, 503)
    with open(lab.path("c.conf"), "w", encoding="ascii") as f:
        f.write("[query]\norigins =\n")
    q.signal(1)
    q.wait_log("origins")
    with web.Raw(q) as s:
        astro.check("vary" not in s.ask("GET", "/healthz", Origin=CONSOLE).fields, "reread")


def t_a_bad_origin_is_refused_at_the_start(lab):
    conf = lab.write("c.conf", "[query]\norigins = *\n")
    r = lab.run("astroqueryd", "--config", conf, "--check-config")
    astro.equal(r.returncode, 2)
    astro.check("'*' is no origin" in r.stderr, r.stderr)


def t_pages_of_other_sites_may_not_write(lab):
    q = lab.query(["--config", lab.write("c.conf", "[query]\nhosts = logs.example\n")])
    host = q.address("http")
    for fields, good in (({}, True), ({"Origin": f"http://{host}"}, True), ({"Origin": "http://evil.example"}, False),
                         ({"Origin": "null"}, False), ({"Origin": f"http://{host}.evil.example"}, False),
                         ({"Sec_Fetch_Site": "cross-site"}, False), ({"Sec_Fetch_Site": "same-origin"}, True),
                         ({"Host": "logs.example", "Origin": "https://logs.example"}, True),
                         ({"Host": "logs.example", "Origin": f"http://{host}"}, False)):
        with web.Raw(q) as s:
            a = s.ask("POST", "/api/logs", b"{}", **{"Host": host, **fields})
            astro.equal(a.status, 503 if good else 403, fields)
            if not good:
                astro.equal(a.json()["field"], "Origin")
    astro.equal(q.metric("astro_query_origins_wrong_total"), 5)


# ---------------------------------------------------------------- gzip


def t_gzip_where_it_is_liked(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(300))
    with web.Raw(q) as s:
        plain = s.ask("GET", "/api/logs?limit=50")
        for accepted, packed in (("gzip", True), ("gzip, deflate, br", True), ("*", True), ("GZIP;q=0.5", True), ("br", False),
                                 ("gzip;q=0", False), ("identity, gzip;q=0.5", False), ("", False)):
            a = s.ask("GET", "/api/logs?limit=50", Accept_Encoding=accepted)
            astro.equal(a.fields.get("content-encoding"), "gzip" if packed else None, accepted)
            astro.equal(a.fields["vary"], "Accept-Encoding")
            astro.equal(a.json()["logs"], plain.json()["logs"], accepted)
            if packed:
                astro.check(len(a.body) < len(plain.body) / 2, f"{len(a.body)} of {len(plain.body)}")
        # What fits a packet or two is sent as it is, and so is what went wrong.
        for path in ("/api/logs?limit=1", "/api/logs?limit=0", "/api/none"):
            astro.check("content-encoding" not in s.ask("GET", path, Accept_Encoding="gzip").fields, path)
        got, head = (s.ask(m, "/web/app.js", Accept_Encoding="gzip") for m in ("GET", "HEAD"))
        astro.equal((head.fields["content-length"], head.fields["content-encoding"]), (str(len(got.body)), "gzip"))
        head = s.ask("HEAD", "/api/logs?limit=50", Accept_Encoding="gzip")
        astro.equal(head.fields["content-encoding"], "gzip")
        astro.check(int(head.fields["content-length"]) < len(plain.body) / 2)
        # A plain file and a packed one are not the same thing.
        tags = [s.ask("GET", "/web/app.js", Accept_Encoding=e).fields["etag"] for e in ("gzip", "")]
        astro.check(tags[0] != tags[1])
        astro.equal(s.ask("GET", "/web/app.js", Accept_Encoding="gzip", If_None_Match=tags[1]).status, 200)
        astro.equal(s.ask("GET", "/web/app.js", Accept_Encoding="gzip", If_None_Match=f'"x", W/{tags[0]}').status, 304)
    plain, packed = (q.metric(f'astro_query_gzip_bytes_total{{form="{f}"}}') for f in ("plain", "packed"))
    astro.check(plain > 2 * packed > 0)


def t_gzip_of_an_export(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(5000))
    with web.Raw(q) as s:
        for form in ("ndjson", "csv", "json"):
            path = f"/api/logs/export?format={form}"
            plain, packed = s.ask("GET", path), s.ask("GET", path, Accept_Encoding="gzip")
            astro.equal((packed.fields["content-encoding"], plain.fields.get("content-encoding")), ("gzip", None))
            if form == "json":
                astro.equal(packed.json()["logs"], plain.json()["logs"])
            else:
                astro.equal(packed.plain(), plain.body, form)
            astro.check(len(packed.body) < len(plain.body) / 2)
            head = s.ask("HEAD", path, Accept_Encoding="gzip")
            astro.equal(sorted(head.fields), sorted(packed.fields))
        astro.equal(s.ask("GET", "/api/logs/export?event_type=none", Accept_Encoding="gzip").plain(), b"")


# ---------------------------------------------------------------- the viewer's files


def t_files_are_asked_for_anew(lab):
    q = lab.query()
    with web.Raw(q) as s:
        for path in ("/", "/web/app.js"):
            a = s.ask("GET", path)
            tag = a.fields["etag"]
            astro.equal((a.fields["cache-control"], a.fields["x-content-type-options"]), ("no-cache", "nosniff"))
            same = s.ask("GET", path, If_None_Match=tag)
            astro.equal((same.status, same.fields["etag"], same.body), (304, tag, b""))
            astro.check("content-length" not in same.fields)
        astro.equal(s.ask("GET", "/healthz").fields["cache-control"], "no-store")


# ---------------------------------------------------------------- saved views


def saved(s):
    return {v["name"]: v["address"] for v in s.ask("GET", "/api/views").json()["views"]}


def t_views_are_saved(lab):
    q = lab.query()  # there is no store, and none is needed
    with web.Raw(q) as s:
        astro.equal(saved(s), {})
        a = s.ask("PUT", "/api/views/Failed%20payments%2F1", b'{"address":"/?q=event_type%3DPAYMENT"}')
        astro.equal((a.status, a.json()["view"]["name"]), (200, "Failed payments/1"))
        s.ask("PUT", "/api/views/%D0%9E%D1%88", '{"address":"?q=\u0031"}'.encode())
        astro.equal(saved(s), {"Failed payments/1": "/?q=event_type%3DPAYMENT", "\u041e\u0448": "?q=1"})
        s.ask("PUT", "/api/views/%D0%9E%D1%88", b'{"address":"/live"}')
        astro.equal(s.ask("DELETE", "/api/views/Failed%20payments%2F1").json(), {"status": "success"})
        astro.equal(s.ask("DELETE", "/api/views/Failed%20payments%2F1").status, 404)
        astro.equal(saved(s), {"\u041e\u0448": "/live"})
    # Beside the store, not in it; and it outlives the daemon.
    astro.check(os.path.exists(lab.path("data.views.json")))
    q.stop()
    with web.Raw(lab.query()) as s:
        astro.equal(saved(s), {"\u041e\u0448": "/live"})


def t_views_that_cannot_be(lab):
    q = lab.query()
    good = b'{"address":"/"}'
    with web.Raw(q) as s:
        for path, body, field in (
                ("a", b"", "body"), ("a", b"[]", "body"), ("a", b'{"address":1}', "body"), ("a", b'{"name":"/"}', "body"),
                ("a", b'{"address":"//evil.example"}', "address"), ("a", b'{"address":"javascript:1"}', "address"),
                ("a", b'{"address":"/' + b"x" * 4096 + b'"}', "address"), ("a%0A", good, "name"), ("%20a", good, "name"),
                ("%FF", good, "name"), ("x" * 161, good, "name"), ("a?b=c", good, "b")):
            a = s.ask("PUT", "/api/views/" + path, body)
            astro.equal((a.status, a.json()["field"]), (400, field), (path, body[:40]))
            astro.check(a.json()["hint"])
        astro.equal(s.ask("PUT", "/api/views/a", good, Origin="http://evil.example").status, 403)
        astro.equal(s.ask("DELETE", "/api/views/a", Sec_Fetch_Site="cross-site").status, 403)
        astro.equal(s.ask("POST", "/api/views").status, 405)
        astro.equal(saved(s), {})
        astro.equal(s.ask("DELETE", "/api/views/%zz").status, 404)
        views = [{"name": str(i), "address": "/"} for i in range(256)]
        lab.write("data.views.json", json.dumps({"views": views}))
        astro.equal(s.ask("PUT", "/api/views/more", good).status, 409)
        astro.equal(s.ask("PUT", "/api/views/7", b'{"address":"/?q=7"}').status, 200)
        astro.equal(len(saved(s)), 256)
    with web.Raw(q) as s:
        astro.equal(s.ask("PUT", "/api/views/a", b" " * (33 << 10)).status, 413)


def t_a_file_that_is_not_ours(lab):
    """It is told, and not written over."""
    lab.write("data.views.json", '{"views": oops')
    q = lab.query()
    with web.Raw(q) as s:
        for method, body in (("GET", None), ("PUT", b'{"address":"/"}'), ("DELETE", None)):
            a = s.ask(method, "/api/views" + ("" if method == "GET" else "/a"), body)
            astro.equal(a.status, 503, method)
            astro.check("column 11" in a.json()["hint"], a.body)
    with open(lab.path("data.views.json"), encoding="ascii") as f:
        astro.equal(f.read(), '{"views": oops')
    astro.equal(q.metric("astro_query_views_failed_total"), 3)


def t_where_the_views_are(lab):
    os.mkdir(lab.path("state"))
    for env, where in (({"STATE_DIRECTORY": lab.path("state") + ":/none"}, "state/views.json"),
                       ({"STATE_DIRECTORY": "/none", "ASTRO_QUERY_VIEWS": lab.path("mine")}, "mine")):
        q = lab.query(env=env)
        with web.Raw(q) as s:
            astro.equal(s.ask("PUT", "/api/views/a", b'{"address":"/"}').status, 200)
        astro.check(os.path.exists(lab.path(where)), where)
    q = lab.query(env={"ASTRO_QUERY_VIEWS": lab.path("none", "views")})
    with web.Raw(q) as s:
        a = s.ask("GET", "/api/views")
        astro.equal(a.status, 503)
        astro.check("[query] views" in a.json()["hint"], a.body)


def t_views_of_many_at_once(lab):
    """None is lost where several save at the same time."""
    q = lab.query()
    clients = [web.Raw(q) for _ in range(8)]
    for turn in range(2):
        for i, s in enumerate(clients):
            s.send(s.request("PUT", f"/api/views/{turn}-{i}", b'{"address":"/"}'))
        for s in clients:
            astro.equal(s.answer().status, 200)
    astro.equal(len(saved(clients[0])), 16)


def t_views_of_two_daemons(lab):
    """The same of two that have one file: a change of one is not written over by the other."""
    clients = [web.Raw(q) for q in (lab.query(), lab.query()) for _ in range(4)]
    for turn in range(16):
        for i, s in enumerate(clients):
            s.send(s.request("PUT", f"/api/views/{turn}-{i}", b'{"address":"/"}'))
        for s in clients:
            astro.equal(s.answer().status, 200)
    astro.equal([len(saved(s)) for s in clients], [16 * len(clients)] * len(clients))


# ---------------------------------------------------------------- the status


def status(q):
    with web.Raw(q) as s:
        return s.ask("GET", "/api/status").json()


def t_the_status_tells_doors_and_days(lab):
    conf = lab.write("c.conf", "[retention]\nkeep = 90d\nsize_max = 1G\n[class audit]\nmatch = event_type = AUTH\n"
                     "match = severity >= error\nkeep = 365d\nhold = until 2099-12-31\n[class empty]\n"
                     "match = service = none\nmax_bytes = 1M\n")
    c = lab.collector(["--config", conf], env={"ASTRO_STORE_SEAL_ROWS": "500", "ASTRO_STORE_DISK_HARD": "1M"})
    q = lab.query(["--config", conf], env={"ASTRO_QUERY_COLLECTOR": c.address("http")})
    shop.ship(c, shop.records(1500))
    c.wait_metric("astro_store_sealed_id", 500, timeout=120)
    with web.Raw(c) as s:
        astro.equal(s.ask("POST", "/api/logs", b"[").status, 400)
    answer = astro.wait_for(lambda: (a := status(q)).get("ingest", {}).get("events") == 1500 and a["ingest"]["rate"] is not None
                            and any(d["refused"] for d in a["doors"]) and a, "figures of the collector", timeout=60)
    doors = {d["name"]: d for d in answer["doors"]}
    astro.equal(sorted(doors), ["http", "syslog_tcp", "syslog_udp", "syslog_unix", "tcp", "udp", "unix"])
    astro.equal((doors["tcp"]["events"], doors["udp"]["events"], doors["http"]["refused"], doors["udp"]["lost"]), (1500, 0, 1, 0))
    astro.equal(answer["ingest"]["dropped"], 0)
    astro.equal(answer["collector"]["state"], "running")
    astro.check(answer["collector"]["figures"])
    disk = answer["disk"]
    astro.check(0 < disk["free"] <= disk["total"], disk)
    astro.equal(disk["reserved"], 1 << 20)
    days = answer["days"]
    astro.equal(sum(d["events"] for d in days), answer["store"]["sealed_events"])
    astro.equal(sum(d["segments"] for d in days), answer["store"]["segments"])
    astro.equal(sum(d["bytes"] for d in days), answer["files"]["seg"]["bytes"])
    astro.equal([d["day"] for d in days], sorted({d["day"] for d in days}))
    astro.equal(days[0]["day"], answer["store"]["time_min"][:10])
    astro.equal(answer["retention"], {"max_bytes": 1 << 30})
    classes = {k["name"]: k for k in answer["classes"]}
    astro.equal(sorted(classes), ["audit", "default", "empty"])
    astro.equal([classes["audit"][k] for k in ("match", "keep_s", "max_bytes", "hold", "priority")],
                [["event_type = AUTH", "severity >= error"], 365 * 86400, None, "2100-01-01T00:00:00Z", 50])
    astro.equal([classes["default"][k] for k in ("match", "keep_s", "configured")], [[], 90 * 86400, True])
    astro.equal([classes["empty"][k] for k in ("events", "time_min", "max_bytes")], [0, None, 1 << 20])
    # Gone is gone: nothing is made up.
    astro.equal(c.stop(), 0)
    answer = astro.wait_for(lambda: "doors" not in (a := status(q)) and a, "the collector is missed", timeout=60)
    astro.equal((answer["collector"]["figures"], "ingest" in answer, "reserved" in answer["disk"]), (None, False, False))


def t_a_status_without_a_collector(lab):
    c = lab.collector()
    shop.ship(c, shop.records(10))
    astro.equal(c.stop(), 0)
    q = lab.query(env={"ASTRO_QUERY_COLLECTOR": ""})
    answer = status(q)
    astro.equal((answer["store"]["events"], answer["collector"]["state"], answer["collector"]["figures"]), (10, "none", None))
    astro.check("doors" not in answer)
    astro.equal([k["name"] for k in answer["classes"]], ["default"])


astro.main(globals())
