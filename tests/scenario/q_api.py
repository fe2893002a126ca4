"""Goal: GET /api/logs answers every filter, order and page as a naive filter and sort over the same
events does, whether they are in segments, in the journal or in both; and says what is wrong with a
question. Method: events of tests/support/shop, sealed in part, compared in Python."""

import os
import random
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402

COUNT = 3000


def store(lab, count=COUNT):
    """A collector with sealed and unsealed events, a query daemon, and all events."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "1000"})
    pairs = list(shop.records(count))
    shop.ship(c, pairs[:count * 2 // 3])
    astro.wait_for(lambda: c.metric("astro_store_sealed_id") >= count * 2 // 3 - 1000, "a seal")
    shop.ship(c, pairs[count * 2 // 3:], chunk="more")
    q = lab.query()
    events = shop.everything(q)
    astro.equal(len(events), count)
    return c, q, pairs, events


def t_an_empty_store_and_one_event(lab):
    c, q = lab.collector(), lab.query()
    page = shop.ask(q)
    astro.equal((page["status"], page["logs"], page["total"], page["next"], page["limit"],
                 page["offset"]), ("success", [], 0, None, 100, 0))
    with c.connect() as s:
        s.send(astro.message("app.web", astro.event_time(1_800_000_000, 5), {
            "event_type": "AUTH", "user_id": "anna", "description": "hello \"you\"\n",
            "metadata": {"deep": {"list": [1, None, True, 1.5], "ü": "ß"}}}, {"chunk": "c1"}))
        astro.equal(s.ack(), "c1")
    page = shop.ask(q, user_id="anna")
    astro.equal(page["total"], 1)
    event = page["logs"][0]
    received = event.pop("received")
    astro.check(received.endswith("Z"))
    astro.equal(event, {"id": 1, "timestamp": "2027-01-15T08:00:00.000000005Z",
                        "event_type": "AUTH", "severity": "info", "user_id": "anna",
                        "description": "hello \"you\"\n", "service": "app",
                        "host": event["host"],
                        "metadata": {"deep": {"list": [1, None, True, 1.5], "ü": "ß"}}})
    astro.equal(shop.ask(q, received=received)["total"], 1)


def t_every_filter(lab):
    _, q, pairs, events = store(lab)
    for (when, sent), got in zip(pairs, events):
        astro.equal(shop.nanoseconds(got["timestamp"]), when)
        astro.equal({k: got.get(k) for k in sent}, sent)
    rnd = random.Random(2)
    for field in shop.FIELDS + ["severity", "timestamp", "received", "id"]:
        present = [e[field] for e in events if field in e]
        for n in (1, 2):
            values = list(dict.fromkeys(rnd.choice(present) for _ in range(n)))
            want = shop.naive(events, **{field: values})
            page = shop.ask(q, *[(field, v) for v in values], limit=1000)
            astro.equal(page["total"], len(want), f"{field}={values}")
            astro.equal(shop.ids(page["logs"]), shop.ids(want)[:1000], f"{field}={values}")
    astro.equal(shop.ask(q, user_id="nobody")["total"], 0)
    astro.equal(shop.ask(q, description="")["total"],
                len([e for e in events if e.get("description") == ""]))
    astro.equal(shop.ask(q, severity="3")["total"], shop.ask(q, severity="ERROR")["total"])


def t_filters_together_search_and_ranges(lab):
    _, q, _, events = store(lab)
    rnd = random.Random(3)
    for _ in range(60):
        params, any_of = [], {}
        for field in rnd.sample(["event_type", "user_id", "service", "host", "severity"],
                                rnd.randrange(3)):
            values = {rnd.choice([e[field] for e in events if field in e])
                      for _ in range(1 + rnd.randrange(2))}
            any_of[field] = values
            params += [(field, v) for v in values]
        search = rnd.choice([None, None, "PAYMENT", "is", "\u00dcber", "nowhere"])
        if search:
            params.append(("search", search))
        times = sorted(shop.nanoseconds(rnd.choice(events)["timestamp"]) for _ in range(2))
        start = end = None
        if rnd.randrange(2):
            start = times[0]
            params.append(("start_time", time_text(start)))
        if rnd.randrange(2) and times[0] < times[1]:
            end = times[1]
            params.append(("end_time", time_text(end)))
        asc, offset = rnd.randrange(2) == 1, rnd.choice([0, 0, 7, 500])
        params += [("order", "asc" if asc else "desc"), ("offset", offset), ("limit", 50)]
        want = shop.naive(events, asc, search, start, end, **any_of)
        page = shop.ask(q, *params)
        rows = page["data" if start is not None or end is not None else "logs"]
        astro.equal(page["total"], len(want), str(params))
        astro.equal(shop.ids(rows), shop.ids(want)[offset:offset + 50], str(params))
        astro.equal(page["next"] is not None, offset + 50 < len(want), str(params))


def time_text(ns):
    import datetime
    day = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return day.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09}Z"


def t_the_query_language(lab):
    """Expressions, alone and beside filters, on events of the store and of the journal."""
    _, q, _, events = store(lab)
    worse = ("emergency", "alert", "critical", "error")
    cases = [
        ("severity>=error", lambda e: e["severity"] in worse),
        ("event_type in (PAYMENT, AUTH) and not service=shop",
         lambda e: e.get("event_type") in ("PAYMENT", "AUTH") and e.get("service") != "shop"),
        ("user_id!=*", lambda e: "user_id" not in e),
        ("payment or level<=info", lambda e: "payment" in e.get("description", "").lower()
         or e["severity"] in ("info", "debug")),
        ('description=~"[Pp]ay.*\\d$"', lambda e: re.search("[Pp]ay.*[0-9]$", e.get("description", ""))),
        ("id>100 id<=200", lambda e: 100 < int(e["id"]) <= 200),
    ]
    for text, meant in cases:
        want = [e for e in shop.naive(events) if meant(e)]
        page = shop.ask(q, q=text, limit=1000)
        astro.equal(page["total"], len(want), text)
        astro.equal(shop.ids(page["logs"]), shop.ids(want)[:1000], text)
        # What explain prints asks the same.
        told = q.get("/api/explain?" + urllib.parse.urlencode({"q": text, "severity": "error"})).json
        astro.equal(shop.ask(q, q=told["where"])["total"],
                    shop.ask(q, q=text, severity="error")["total"], told["where"])
        astro.check(told["plan"]["blocks_left"] <= told["plan"]["blocks"] + 64, str(told))
        astro.equal([t["test"] for t in told["tests"]], list(range(len(told["tests"]))))
        # A walk goes on in other words.
        first = shop.ask(q, q=text, limit=1)
        if first["next"]:
            astro.equal(shop.ids(shop.ask(q, q=f"({text})", limit=1, cursor=first["next"])["logs"]),
                        shop.ids(want)[1:2], text)
    page = shop.ask(q, q="id=7", explain=1, count="none")
    astro.equal((page["explain"]["where"], page["total"]), ("id=7", None))


def t_dates_for_people(lab):
    c, q = lab.collector(), lab.query()
    day = 1_723_420_800 * 10**9  # 2024-08-12T00:00:00Z
    times = [day - 1, day, day + 3600 * 10**9, day + 86399 * 10**9, day + 86400 * 10**9 - 1,
             day + 86400 * 10**9]
    shop.ship(c, [(t, {"description": str(i)}) for i, t in enumerate(times)])

    def found(**params):
        page = shop.ask(q, order="asc", **params)
        return "".join(e["description"] for e in page.get("logs", page.get("data")))

    astro.equal(found(start_date="2024-08-12"), "12345")
    astro.equal(found(start_date="2024-08-12", end_date="2024-08-12"), "1234")
    astro.equal(found(end_date="2024-08-12 23:59:59"), "01234")
    astro.equal(found(end_date="2024-08-12 23:59:58"), "012")
    astro.equal(found(end_date="2024-08-12T23:59:59.999999998Z"), "0123")
    astro.equal(found(start_time="2024-08-12T00:00:00Z", end_time="2024-08-13T00:00:00Z"), "1234")
    astro.equal(found(start_time="2024-08-12", end_time="2024-08-12T00:00:00.000000001Z"), "1")
    astro.equal(found(start_date="2024-08-12T02:00:00+02:00", end_date="2024-08-12 01:00"), "12")
    astro.equal(found(timestamp="2024-08-12T00:00:00Z"), "1")
    # The '+' of a zone, left unencoded, is a space to whoever decodes a query string.
    reply = q.get("/api/logs?order=asc&start_date=2024-08-12T02:00:00+02:00")
    astro.equal(len(reply.json["logs"]), 5)


def t_what_is_wrong_is_named(lab):
    q = lab.query()
    cases = [
        ("evnt_type=x", "evnt_type", "no such parameter", "event_type"),
        ("limit=0", "limit", "1 to 1000", ""),
        ("limit=1001", "limit", "1 to 1000", ""),
        ("limit=-1", "limit", "1 to 1000", ""),
        ("limit=18446744073709551616", "limit", "1 to 1000", ""),
        ("limit=NaN", "limit", "NaN", ""),
        ("limit=5&limit=5", "limit", "given twice", "once"),
        ("offset=-1", "offset", "-1", ""),
        ("order=up", "order", "neither asc nor desc", "oldest"),
        ("severity=loud", "severity", "loud", "emergency"),
        ("id=x", "id", "x", ""),
        ("start_date=yesterday", "start_date", "yesterday", "UTC"),
        ("end_date=2024-02-30", "end_date", "no such date", "UTC"),
        ("end_time=2024-08-12T25:00:00Z", "end_time", "no such date", "UTC"),
        ("start_date=2024-08-12&end_date=2024-08-11", "end_date", "ends before it begins", ""),
        ("start_time=2024-08-12&end_time=2024-08-12", "end_time", "ends before it begins", ""),
        ("cursor=abc", "cursor", "not a cursor", "next"),
        ("wait=5", "wait", "without `after`", "after=ID"),
        ("after=1&wait=61", "wait", "0 to 60", ""),
        ("after=1&order=asc", "order", "order of arrival", ""),
        ("total=yes", "total", "exact", ""),
        ("fields=id,nmae", "fields", "nmae", "metadata.a.b"),
        ("%zz=1", None, "not well formed", "%XX"),
        ("user_id=%00", None, "not well formed", "%XX"),
        ("&".join(f"user_id={i}" for i in range(65)), "user_id", "more than 64", "fewer"),
        ("q=severity%3E%3Derror+and+user%3D", "q", "at position 26: expected a value, found the end", ""),
        ("q=usr%3D1", "q", "no field usr", "did you mean user?"),
        ("q=host%3D~%22a(%22", "q", "regular expression", "Perl"),
        ("count=exact&total=none", "total", "given twice", "once"),
        ("explain=yes", "explain", "neither 0 nor 1", ""),
    ]
    for query, field, error, hint in cases:
        reply = q.get("/api/logs?" + query)
        astro.equal(reply.status, 400, query)
        astro.equal(reply.headers["content-type"], "application/json")
        answer = reply.json
        astro.equal(answer["status"], "error", query)
        astro.equal(answer.get("field"), field, query)
        astro.check(error in answer["error"], f"{query}: {answer}")
        astro.check(hint in answer.get("hint", ""), f"{query}: {answer}")
    # What a client sent comes back as text, whatever bytes it was.
    reply = q.get("/api/logs?%ff%3Cscript%3E=1")
    astro.equal(reply.json["field"], "\ufffd<script>")
    astro.equal(q.get("/healthz").status, 200)


def t_fields_that_are_wanted(lab):
    _, q, _, events = store(lab, 300)
    page = shop.ask(q, fields="description,metadata.n,id", limit=1000)
    astro.equal(page["logs"], [{"description": e["description"], "metadata.n": e["metadata"]["n"],
                                "id": e["id"]} for e in shop.naive(events)])
    page = shop.ask(q, ("fields", "user_id"), ("fields", "severity"), limit=5, order="asc")
    astro.equal(page["logs"], [{k: e[k] for k in ("user_id", "severity") if k in e}
                               for e in shop.naive(events, True)[:5]])
    astro.equal(page["total"], 300)


def t_a_store_that_comes_later(lab):
    q = lab.query()
    astro.equal(q.get("/healthz").status, 200)
    reply = q.get("/readyz")
    astro.equal(reply.status, 503)
    astro.check("the store cannot be read" in reply.json["error"], reply.text)
    reply = q.get("/api/logs")
    astro.equal(reply.status, 503)
    astro.check(lab.path("data") in reply.json["hint"], reply.text)
    c = lab.collector()
    shop.ship(c, shop.records(10))
    astro.equal(shop.ask(q)["total"], 10)
    astro.wait_for(lambda: q.get("/readyz").status == 200, "/readyz")
    q.wait_log("store: cannot be read")
    q.wait_log("store: open committed=10")
    c.kill()
    astro.equal(shop.ask(q)["total"], 10, "a dead collector leaves the query daemon answering")
    astro.equal(q.metric("astro_query_ready"), 1)
    astro.equal(q.stop(), 0)


def t_pages_by_cursor_while_events_arrive(lab):
    c, q, _, events = store(lab, 1500)
    for asc in (False, True):
        want, got, cursor, page_number = shop.naive(events, asc, service=["shop"]), [], None, 0
        while page_number == 0 or cursor:
            params = {"service": "shop", "order": "asc" if asc else "desc", "limit": 37}
            if cursor:
                params["cursor"] = cursor
            page = shop.ask(q, **params)
            astro.equal(page["total"], len(want))
            got += page["logs"]
            cursor = page["next"]
            page_number += 1
            shop.ship(c, shop.records(40, seed=page_number), chunk=f"{asc}{page_number}")
        astro.equal(shop.ids(got), shop.ids(want))
        events = shop.everything(q)
    page = shop.ask(q, service="shop", limit=1)
    reply = q.get(f"/api/logs?service=till&limit=1&cursor={page['next']}")
    astro.equal((reply.status, reply.json["field"]), (400, "cursor"))
    bad = page["next"][:-5] + ("B" if page["next"][-5] == "A" else "A") + page["next"][-4:]
    astro.equal(q.get(f"/api/logs?service=shop&limit=1&cursor={bad}").status, 400)


def around(events, event, before, after, same=()):
    """The context as a filter and a sort say."""
    rest = [e for e in shop.naive(events, asc=True)
            if all(e.get(f) == event[f] for f in same if f in event)]
    at = shop.ids(rest).index(event["id"])
    return shop.ids(rest[max(0, at - before):at]), shop.ids(rest[at + 1:at + 1 + after])


def t_one_event_and_its_context(lab):
    c, q, _, events = store(lab)
    rnd = random.Random(5)
    shop.ship(c, [(shop.START, {"description": "bare"})], chunk="bare")
    bare = q.get(f"/api/logs/{len(events) + 1}").json["log"]
    astro.equal(bare["description"], "bare")
    sames = {"entity": ["entity_type", "entity_id"], "user_id": ["user_id"],
             "service,host": ["service", "host"], None: []}
    for event in rnd.sample(events, 40):
        one = q.get(f"/api/logs/{event['id']}").json
        astro.equal((one["status"], one["log"]), ("success", event))
        same = rnd.choice([s for s, fields in sames.items()
                           if not fields or any(f in event for f in fields)])
        before, after = rnd.choice([(10, 10), (0, 3), (25, 0), (1000, 1000)])
        path = f"/api/logs/{event['id']}/context"
        if (before, after) != (10, 10) or same:
            path += f"?before={before}&after={after}" + (f"&same={same}" if same else "")
        page = q.get(path).json
        got = (shop.ids(page["before"]), shop.ids(page["after"]))
        astro.equal(got, around(events + [bare], event, before, after, sames[same]), path)
        astro.equal(page["log"], event)
    # What comes before the earliest and after the latest one given is where the cursors lead.
    event = shop.naive(events, True)[1500]
    page = q.get(f"/api/logs/{event['id']}/context?before=5&after=5&same=entity").json
    whole = q.get(f"/api/logs/{event['id']}/context?before=10&after=10&same=entity").json
    filters = {"entity_type": event["entity_type"], "entity_id": event["entity_id"], "limit": 5}
    further = shop.ask(q, cursor=page["earlier"], **filters)["logs"]
    astro.equal(shop.ids(further[::-1] + page["before"]), shop.ids(whole["before"]))
    further = shop.ask(q, cursor=page["later"], order="asc", **filters)["logs"]
    astro.equal(shop.ids(page["after"] + further), shop.ids(whole["after"]))
    last = shop.naive(events, True)[-1]
    astro.equal(q.get(f"/api/logs/{last['id']}/context").json["later"], None)


def t_events_that_are_not_there(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, [(shop.START, {"description": "bare"})])
    cases = [
        ("/api/logs/2", 404, "id", "no event", "newest id is 1"),
        ("/api/logs/18446744073709551615", 404, "id", "no event", "newest"),
        ("/api/logs/2/context", 404, "id", "no event", "newest"),
        ("/api/logs/0", 404, "id", "not the id", "/api/logs/7"),
        ("/api/logs/18446744073709551616", 404, "id", "not the id", "/api/logs/7"),
        ("/api/logs/x1", 404, "id", "not the id", "/api/logs/7"),
        ("/api/logs/%zz", 404, "path", "no such path", ""),
        ("/api/logs/1/", 404, "path", "no such path", "/api/logs/{id}/context"),
        ("/api/logs/1?limit=1", 400, "limit", "no parameters", "context"),
        ("/api/logs/1/context?limit=1", 400, "limit", "no such parameter", "before"),
        ("/api/logs/1/context?before=1001", 400, "before", "0 to 1000", ""),
        ("/api/logs/1/context?after=", 400, "after", "0 to 1000", ""),
        ("/api/logs/1/context?after=1&after=1", 400, "after", "twice", ""),
        ("/api/logs/1/context?same=id", 400, "same", "entity", "user_id"),
        ("/api/logs/1/context?same=user_id,", 400, "same", "entity", "user_id"),
        ("/api/logs/1/context?same=user_id", 400, "same", "none of the fields", "leave it out"),
    ]
    for path, status, field, error, hint in cases:
        reply = q.get(path)
        astro.equal((reply.status, reply.json.get("field")), (status, field), path)
        astro.check(error in reply.json["error"], f"{path}: {reply.text}")
        astro.check(hint in reply.json.get("hint", ""), f"{path}: {reply.text}")
    astro.equal(q.get("/api/logs/1", method="DELETE").status, 405)


def t_one_entity_reads_its_blocks_alone(lab):
    """Counted, not timed: of many blocks only those that hold the entity are read."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "20000"})
    pairs = list(shop.records(100_000, step=40 * 10**6))
    for i in range(10):
        pairs[40_000 + i][1]["entity_id"] = "ORD-RARE"
    shop.ship(c, pairs, size=2000)
    c.stop()
    q = lab.query()
    page = shop.ask(q, entity_type="order", entity_id="ORD-RARE")
    astro.equal(page["total"], 10)
    stats = page["stats"]
    astro.check(stats["blocks"] >= 5, str(stats))
    astro.check(1 <= stats["blocks_read"] <= 3, str(stats))
    astro.equal(stats["journal_rows"], 0, str(stats))
    astro.note(f"100000 events: {stats}")


def t_an_entity_asked_again_and_again(lab):
    """Soon it is answered without a worker, until something new comes: that is in the next answer."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "2000"})
    rare = {"event_type": "AUTH", "entity_type": "order", "entity_id": "ord-77", "description": "found"}
    pairs = list(shop.records(4000))
    pairs[500:500] = [(pairs[500][0], rare)] * 3
    shop.ship(c, pairs)
    c.stop()
    q = lab.query()
    answers = [shop.ask(q, entity_id="ord-77", entity_type="order")["logs"] for _ in range(12)]
    astro.equal([len(a) for a in answers], [3] * 12)
    astro.equal(answers[-1], answers[0])
    astro.check(q.metric("astro_query_warm_total") > 0)
    astro.equal(shop.ask(q, entity_id="ord-77", severity="debug")["total"], 0)
    c = lab.collector()
    for n in range(4, 7):
        shop.ship(c, [(pairs[-1][0] + n, rare)], chunk=f"later-{n}")
        for _ in range(3):
            astro.equal(shop.ask(q, entity_id="ord-77", entity_type="order")["total"], n)


def t_a_budget_of_time(lab):
    """Answers that end early are right as far as they go, and their cursors lead to all the rest."""
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "10000"})
    q = lab.query(["--config", lab.write("c.conf", "[query]\ntime_max = 1ms\n")])
    count = 40_000
    shop.ship(c, shop.records(count, step=2 * 10**9), size=1000)
    got, cursor, early, pages = [], None, 0, 0
    while pages == 0 or cursor:
        page = shop.ask(q, search="IS LOW", limit=1000, **({"cursor": cursor} if cursor else {}))
        got += page["logs"]
        if page.get("partial") == "time":
            early += 1
            astro.check(pages > 0 or page["total"] is None, "a count that ended early is none")
        cursor = page["next"]
        pages += 1
    want = sum("stock is low" in r["description"] for _, r in shop.records(count))
    astro.equal(len(got), want)
    astro.equal(got, sorted(got, key=shop.key, reverse=True))
    astro.equal(len(set(shop.ids(got))), want)
    astro.note(f"{early} of {pages} pages ended early")


def t_metrics_tell(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(10))
    shop.ask(q)
    q.get("/api/logs?nope=1")
    astro.equal(q.metric("astro_query_runs_total"), 1)
    astro.equal(q.metric("astro_query_events_total"), 10)
    astro.equal(q.metric('astro_query_replies_total{class="4xx"}'), 1)
    astro.equal(q.metric("astro_query_committed_id"), 10)
    astro.equal(q.metric("astro_query_waiting"), 0)


if __name__ == "__main__":
    astro.main(globals())
