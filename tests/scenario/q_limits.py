"""Goal: a request at a limit of the query daemon is served, and one beyond it is refused with the parameter's name
and a hint, or marked as partial with why; and a counter tells. Method: the limits of proto/base/limits.h by name,
each by the smallest store that reaches it."""

import json
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402
from web import Raw  # noqa: E402

TOO_LARGE = "the answer is too large"


def get(q, path, status=200, **params):
    reply = q.get(f"/api/{path}?" + urllib.parse.urlencode(params), timeout=120)
    astro.equal(reply.status, status, reply.text[:500])
    return reply.json


def small(lab):
    """A daemon of little memory for one query."""
    return lab.query(["--config", lab.write("c.conf", "[query]\nmemory_max = 1M\n")])


def t_numbers_of_a_request(lab):
    lab.collector()
    q = lab.query()
    for path, name, most, more in [
            ("logs", "limit", astro.limit("LIMIT_QUERY_ROWS"), {}),
            ("logs", "wait", astro.limit("LIMIT_QUERY_WAIT_S"), {"after": 0}),
            ("query", "limit", astro.limit("LIMIT_QUERY_GROUPS"), {"by": "host"}),
            ("query", "top", astro.limit("LIMIT_QUERY_GROUPS"), {"by": "host"})]:
        if name != "wait":
            get(q, path, **{name: most}, **more)
        told = get(q, path, status=400, **{name: most + 1}, **more)
        astro.equal(told["field"], name)
        astro.check(str(most) in told["error"], told)
    for name, one, most in [("by", "host", astro.limit("LIMIT_QUERY_BY")),
                            ("agg", "count(host)", astro.limit("LIMIT_QUERY_CALLS"))]:
        get(q, "query", **{name: ",".join([one] * most)})
        told = get(q, "query", status=400, **{name: ",".join([one] * (most + 1))})
        astro.equal((told["field"], told["hint"]), (name, "leave one out"))


def t_the_longest_answer(lab):
    """Columns may be asked for again and again: the page fits, its text does not."""
    most = astro.limit("LIMIT_QUERY_ANSWER_BYTES")
    c, q = lab.collector(), lab.query()
    columns = astro.limit("LIMIT_COLUMNS")
    text = '"' * (most // 2 // columns + 1)
    shop.ship(c, [(shop.START, {"description": text})])
    names = ["description"] * columns
    told = get(q, "logs", status=400, fields=",".join(names))
    astro.equal((told["error"], told["field"]), (TOO_LARGE, "limit"))
    astro.equal(q.metric("astro_query_answers_too_large_total"), 1)
    reply = q.get("/api/logs?fields=" + ",".join(names[:columns // 4]), timeout=120)
    astro.equal((reply.status, reply.json["total"]), (200, 1))
    astro.check(len(reply.body) > most // 5)


def t_answers_of_every_kind_that_are_too_large(lab):
    c = lab.collector()
    q = small(lab)
    texts = [f"{i:03}" + "\1" * 8000 for i in range(60)]
    shop.ship(c, [(shop.START, {"event_type": t[:4000], "user_agent": t, "metadata": {t: 1}}) for t in texts], size=1)
    astro.wait_for(lambda: get(q, "logs", limit=1)["total"] == 60, "all events")
    for i, (path, params) in enumerate([("fields/user_agent/values", {"top": 60}), ("logs/stats", {}), ("fields", {}),
                                        ("query", {"by": "user_agent"})]):
        told = get(q, path, status=400, **params)
        astro.equal(told["error"], TOO_LARGE, path)
        astro.check(told["hint"], path)
        astro.equal(q.metric("astro_query_answers_too_large_total"), i + 1)
    astro.equal(len(get(q, "fields/user_agent/values", top=10)["values"]), 10)


def t_texts_to_be_shared(lab):
    """The texts of one event become the filters of those around it."""
    most = astro.limit("LIMIT_QUERY_VALUES_BYTES")
    c, q = lab.collector(), lab.query()
    shop.ship(c, [(shop.START, {"description": "x" * n}) for n in (most // 2, most // 2, most + 1)], size=1)
    page = astro.wait_for(lambda: [e for e in get(q, "logs", order="asc")["logs"]][2:] and
                          get(q, "logs", order="asc")["logs"], "all events")
    ids = {len(e["description"]): e["id"] for e in page}
    around = get(q, f"logs/{ids[most // 2]}/context", same="description")
    astro.equal(len(around["before"]) + len(around["after"]), 1)
    told = get(q, f"logs/{ids[most + 1]}/context", status=400, same="description")
    astro.equal(told["field"], "same")
    astro.check("too long" in told["error"] and "leave out" in told["hint"], told)


def t_fields_that_are_listed(lab):
    most, pairs = astro.limit("LIMIT_QUERY_FIELDS"), astro.limit("LIMIT_MAP_PAIRS") - 24
    c, q = lab.collector(), lab.query()
    shop.ship(c, [(shop.START, {"metadata": {f"k{j}-{i}": i for i in range(pairs)}}) for j in range(3)])
    told = get(q, "fields")
    astro.equal(("partial" in told, told["total"]), (False, 3))
    shop.ship(c, [(shop.START, {"metadata": {f"m{j}-{i}": i for i in range(pairs)}}) for j in range(most // pairs)],
              chunk="more")
    told = astro.wait_for(lambda: (lambda a: a["total"] > 3 and a)(get(q, "fields")), "the others")
    astro.equal((told["partial"], len(told["fields"])), ("fields", most))
    astro.check(q.metric('astro_query_partial_total{reason="fields"}') >= 1)


def t_the_body_of_a_view(lab):
    """Blanks count, like all bytes of it."""
    most = astro.limit("LIMIT_VIEW_BODY_BYTES")
    lab.collector()
    q = lab.query()
    body = json.dumps({"address": "/?q=error"}).encode()
    with Raw(q) as s:
        astro.equal(s.ask("PUT", "/api/views/a", body + b" " * (most - len(body))).json()["status"], "success")
    with Raw(q) as s:
        told = s.ask("PUT", "/api/views/b", body + b" " * (most + 1 - len(body)))
        astro.equal((told.status, told.json()["field"]), (413, "body"))
    astro.equal(q.metric("astro_query_too_large_total"), 1)
    astro.equal([v["name"] for v in get(q, "views")["views"]], ["a"])


def t_exports_under_way(lab):
    """None of them is read beyond its head."""
    most = astro.limit("LIMIT_QUERY_EXPORTS")
    c, q = lab.collector(), lab.query()
    shop.ship(c, [(shop.START, {"description": "x" * 500_000}) for _ in range(24)], size=1)
    astro.wait_for(lambda: get(q, "logs", limit=1)["total"] == 24, "all events")
    held = [Raw(q).send(f"GET /api/logs/export HTTP/1.1\r\nHost: {q.address('http')}\r\n\r\n".encode())
            for _ in range(most)]
    for s in held:
        astro.check(s.sock.recv(1).startswith(b"H"))
    astro.equal(q.metric("astro_query_exports_open"), most)
    told = q.get("/api/logs/export")
    astro.equal((told.status, told.headers["retry-after"]), (503, "1"))
    astro.check(told.json["hint"])
    astro.equal(q.metric("astro_query_exports_refused_total"), 1)
    for s in held:
        s.sock.close()
    astro.wait_for(lambda: q.metric("astro_query_exports_open") == 0, "the end of all")
    astro.equal(q.get("/api/logs/export").status, 200)
    # They are more than LIMIT_TAIL_CACHE_BYTES, and not sealed yet.
    astro.check(q.metric("astro_query_journal_rows_decoded_total") > 0)


if __name__ == "__main__":
    astro.main(globals())
