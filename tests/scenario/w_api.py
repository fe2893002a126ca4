#!/usr/bin/python3
"""Goal: what a browser and a program may expect of the HTTP of astroqueryd beside its answers: methods,
other sites' pages, caching.

Method: raw requests, so that every header field is seen; one daemon or two for each point.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
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


astro.main(globals())
