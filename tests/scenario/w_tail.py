"""Goal: a tail tells every event that is meant once and in order, by either door, across reconnects and while
thousands arrive; a client that does not keep up is told how many it missed, to the event. Method: what tails told is
compared with what /api/logs says of the same filter; waiting is for ids, not for time."""

import os
import select
import shutil
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402
import websocket  # noqa: E402

DOORS = ("ws", "sse")
WAITERS_MAX = astro.limit("LIMIT_QUERY_WAITERS")
TAILS_MAX = astro.limit("LIMIT_LIVE_TAILS")


def reached(place):
    return lambda m: int(m["covered"]) >= place


def ids(events):
    return [int(e["id"]) for e in events]


def wanted(query, **params):
    """Ids of all events that are meant, by /api/logs."""
    out, after = [], 0
    while True:
        page = shop.ask(query, after=after, limit=1000, total="none", **params)
        out += ids(page["logs"])
        if page["covered"] == after:
            return out
        after = page["covered"]


def read_count(tail, count):
    """Messages until so many events came, or were dropped."""
    events, missed = [], 0

    def enough(m):
        nonlocal missed
        events.extend(m["data"])
        missed += m.get("dropped", 0)
        return len(events) + missed >= count

    got, dropped = websocket.read_tail(tail, enough)
    astro.equal(len(got), len(events))
    return got, dropped


def t_what_comes_is_told(lab):
    """Each kind of message, whole; the same by both doors."""
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(20))
    tails = [websocket.open_tail(q, door) for door in DOORS]
    astro.equal([t.covered for t in tails], [20, 20], "begins at the newest")
    shop.ship(c, shop.records(10, seed=2), chunk="more")
    want = shop.ask(q, after=20)["logs"]
    for t in tails:
        events, dropped = websocket.read_tail(t, reached(30))
        astro.equal((events, dropped), (want, 0))
    astro.equal(tails[1].headers["content-type"], "text/event-stream")
    reply = q.get("/api/logs/tail", method="HEAD")
    astro.equal((reply.status, reply.headers["content-type"]), (200, "text/event-stream"))
    astro.check("content-length" not in reply.headers, "a stream has no length")
    astro.equal(q.metric("astro_query_tails"), 2)
    status = q.get("/api/status").json["tails"]
    astro.equal([status[k] for k in ("open", "questions", "events", "dropped")], [2, 1, 20, 0])
    astro.equal(q.metric("astro_query_tail_questions"), 1)
    astro.equal(q.metric("astro_query_tail_events_total"), 20)


FILTERS = [
    {}, {"event_type": ["AUTH", "ERROR"]}, {"severity": "warning"}, {"user_id": "bob", "host": "h1"},
    {"search": "payment"}, {"q": "metadata.n>20 and not event_type=AUTH"}, {"q": 'description=~"^pass"'},
    {"q": "user_id=nobody"}, {"start_date": "2027-01-15T08:00:00Z"}, {"end_date": "2027-01-15T07:30:00Z"},
    {"fields": "id,event_type,metadata.n"}, {"q": "severity<=error", "fields": "id,user_id"},
]


def t_filters_mean_the_same(lab):
    """Of the past and of the present, and as of /api/logs."""
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(200))
    tails = [(f, websocket.open_tail(q, door, after=0, **f)) for f in FILTERS for door in DOORS]
    astro.equal(q.metric("astro_query_tail_questions"), len(FILTERS))
    shop.ship(c, shop.records(200, seed=5), chunk="present")
    for f, t in tails:
        want = shop.ask(q, after=0, limit=1000, **f)["logs"]
        events, dropped = read_count(t, len(want)) if want else ([], 0)
        astro.equal((events, dropped), (want, 0), str(f))
    shop.ship(c, [(shop.START, {"user_id": "nobody", "event_type": "AUTH"})], chunk="last")
    for f, t in tails:
        if f == {"q": "user_id=nobody"}:
            astro.equal(ids(read_count(t, 1)[0]), [401])


def t_equal_filters_are_one_question(lab):
    lab.collector()
    q = lab.query()
    tails = [websocket.open_tail(q, door, **f) for door in DOORS for f in (
        {"event_type": ["A", "B"]}, {"event_type": ["B", "A"]}, {"q": 'event_type in ("A", "B")'},
        {"q": "event_type=A or event_type=B"}, {"event_type": ["A", "B", "A"], "after": 7})]
    astro.equal(q.metric("astro_query_tail_questions"), 1)
    for t in tails:
        t.reset()
    astro.wait_for(lambda: q.metric("astro_query_tail_questions") == 0, "nobody asks it any more")


def t_refused_before_it_opens(lab):
    c, q = lab.collector(), lab.query()
    for params, field in (({"severity": "loud"}, "severity"), ({"q": "a="}, "q"), ({"limit": 5}, "limit"),
                          ({"order": "asc"}, "order"), ({"wait": 5}, "wait"), ({"cursor": "x"}, "cursor"),
                          ({"after": "x"}, "after"), ({"fields": "nothing"}, "fields"), ({"colour": "red"}, "colour"),
                          ({"start_date": "2027-01-02", "end_date": "2027-01-01"}, "end_date")):
        for door, path in (("ws", "/ws/logs"), ("sse", "/api/logs/tail")):
            path = websocket.path_of(path, params)
            kind = websocket.Socket if door == "ws" else websocket.Stream
            with kind(q.address("http"), path) as t:
                astro.equal((t.status, t.problem["field"]), (400, field), path)
    with websocket.Stream(q.address("http"), headers={"Last-Event-ID": "abc"}) as t:
        astro.equal((t.status, t.problem["field"]), (400, "Last-Event-ID"))
    astro.equal(q.metric("astro_query_tails"), 0)
    c.kill()


def t_no_store_yet(lab):
    """Said before the connection is another protocol's; then it can be had."""
    q = lab.query()
    for kind in (websocket.Socket, websocket.Stream):
        with kind(q.address("http")) as t:
            astro.equal(t.status, 503)
            astro.check("store" in t.problem["error"])
    c = lab.collector()
    astro.wait_for(lambda: q.get("/readyz").status == 200, "the store is there")

    def open_now():
        t = websocket.Socket(q.address("http"))
        if t.status != 101:
            t.close()
            return None
        t.covered = int(t.message()["covered"])
        return t

    t = astro.wait_for(open_now, "a tail opens")
    shop.ship(c, shop.records(3))
    astro.equal(ids(websocket.read_tail(t, reached(3))[0]), [1, 2, 3])


def t_reconnect_loses_nothing(lab):
    """50000 events, sealed meanwhile; four clients that leave and come back where they were, as often as they can."""
    count = 50_000
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "8000"})
    q = lab.query()
    pairs = list(shop.records(count))
    results, visits = {}, {}

    def follow(name, door, **params):
        seen, at, visit = [], 0, 0
        while at < count:
            by_header = door == "sse" and visit > 0
            with websocket.open_tail(q, door, headers={"Last-Event-ID": str(at)} if by_header else None,
                                     after=0 if by_header else at, **params) as t:
                astro.equal(t.covered, at)
                visit += 1
                for _ in range(1 + visit % 7):
                    m = t.message()
                    if m.get("dropped"):  # this machine is slow just now: what was missed is read again
                        break
                    astro.check(int(m["covered"]) >= at)
                    seen += m["data"]
                    at = int(m["covered"])
                    if at >= count:
                        break
                (t.reset if visit % 2 else t.close)()
        results[name], visits[name] = seen, visit

    jobs = [("all ws", "ws", {}), ("all sse", "sse", {}), ("bob", "ws", {"user_id": "bob"}),
            ("types", "sse", {"q": "event_type=AUTH and metadata.n>100", "fields": "id,metadata.n"})]
    threads = [threading.Thread(target=follow, args=j[:2], kwargs=j[2]) for j in jobs]
    # The last event is one that everybody is told of: so all of them arrive.
    pairs[-1] = (pairs[-1][0], {"event_type": "AUTH", "user_id": "bob", "metadata": {"n": count}})
    for t in threads:
        t.start()
    shop.ship(c, pairs, size=250)
    for t in threads:
        t.join(120 * astro.TIME_SCALE)
    for name, _, params in jobs:
        astro.check(name in results, f"{name} did not arrive")
        want = wanted(q, **{k: v for k, v in params.items() if k != "fields"})
        astro.equal(len(results[name]), len(want), name)
        astro.check(ids(results[name]) == want, name)
    astro.note(f"visits: {visits}")


def t_the_past_is_read_at_the_client_s_pace(lab):
    """Nothing of it is dropped, however slow the client, and little of it is held."""
    c, q = lab.collector(), lab.query()
    big = [(shop.START + i, {"event_type": "BIG", "description": "x" * 3000, "metadata": {"n": i}}) for i in range(6000)]
    shop.ship(c, big)
    with websocket.open_tail(q, after=0, receive=4096) as t, websocket.open_tail(q, after=5990) as present:
        # It takes nothing, yet others are served.
        astro.equal(ids(websocket.read_tail(present, reached(6000))[0]), list(range(5991, 6001)))
        astro.check(q.metric("astro_query_tail_held_bytes") < 8 << 20)
        events, dropped = websocket.read_tail(t, reached(6000))
        astro.equal((ids(events), dropped), (list(range(1, 6001)), 0))


def t_slow_clients_are_told_how_many(lab):
    """They read nothing while far more comes than is kept for them; told and missed together are all."""
    c, q = lab.collector(), lab.query()
    count = 12_000
    records = [(shop.START + i, {"event_type": "ODD" if i % 2 else "EVEN", "description": "y" * 1500}) for i in range(count)]
    slow = [websocket.open_tail(q, "ws", receive=4096), websocket.open_tail(q, "sse", receive=4096),
            websocket.open_tail(q, "ws", receive=4096, event_type="ODD")]
    quick = websocket.open_tail(q, event_type="EVEN", fields="id")
    shop.ship(c, records)
    astro.equal(len(read_count(quick, count // 2)[0]), count // 2)
    astro.check(q.metric("astro_query_tail_held_bytes") <= astro.limit("LIMIT_LIVE_HELD_BYTES"))
    for t, mine in zip(slow, (count, count, count // 2)):
        events, dropped = read_count(t, mine)
        astro.check(dropped > 0, "something was dropped")
        astro.equal(len(events) + dropped, mine)
        astro.equal(len(set(ids(events))), len(events))
    # And go on in time.
    shop.ship(c, [(shop.START, {"event_type": "ODD"})], chunk="late")
    for t in slow:
        events, dropped = websocket.read_tail(t, reached(count + 1))
        astro.equal((ids(events)[-1:], dropped), ([count + 1], 0))
    astro.equal(q.metric("astro_query_tail_dropped_total") > 0, True)


def t_large_and_hostile_events(lab):
    """A megabyte of text is one message, and what is in it stays text."""
    c, q = lab.collector(), lab.query()
    nasty = "</script>\u2028\u0000\u001b[31m\"\\\r\ndata: x\n\nid: 7\n"
    with websocket.open_tail(q) as ws, websocket.open_tail(q, "sse") as sse:
        shop.ship(c, [(shop.START, {"event_type": "A", "description": nasty}),
                      (shop.START, {"event_type": "B", "description": "\u0001" * 300_000}),
                      (shop.START, {"event_type": "C", "description": "z" * 900_000})])
        want = shop.ask(q, after=0, limit=3)["logs"] + shop.ask(q, after=1, limit=2)["logs"]
        want = sorted({e["id"]: e for e in want}.values(), key=lambda e: e["id"])
        for t in (ws, sse):
            events, _ = websocket.read_tail(t, reached(3))
            astro.equal(ids(events), [1, 2, 3])
            astro.check(events == want, "as /api/logs shows them")


def t_not_more_than_so_many(lab):
    lab.collector()
    q = lab.query()
    tails = [websocket.open_tail(q, DOORS[i % 2], event_type=f"T{i % 100}") for i in range(TAILS_MAX)]
    for kind in (websocket.Socket, websocket.Stream):
        with kind(q.address("http")) as t:
            astro.equal((t.status, t.headers["retry-after"]), (503, "1"))
            astro.equal(t.problem["error"], "too many live tails are open")
    astro.equal(q.metric("astro_query_tails"), TAILS_MAX)
    astro.equal(q.metric("astro_query_tails_full_total"), 2)
    tails.pop().reset()
    astro.wait_for(lambda: q.metric("astro_query_tails") < TAILS_MAX, "one has gone")
    tails.append(websocket.open_tail(q))
    for t in tails:
        t.reset()
    astro.wait_for(lambda: q.metric("astro_query_tails") == 0, "all have gone")
    astro.equal(q.metric("astro_query_tail_held_bytes"), 0)


def t_beside_as_many_long_polls_as_may_wait(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(5))
    polls = [astro.Client(q.address("http")) for _ in range(WAITERS_MAX)]
    for p in polls:
        p.send(b"GET /api/logs?after=5&wait=60&user_id=nobody HTTP/1.1\r\nHost: localhost\r\n\r\n")
    astro.wait_for(lambda: q.metric("astro_query_waiting") == WAITERS_MAX, "all wait")
    with websocket.open_tail(q) as t:
        for i in range(5):
            shop.ship(c, shop.records(1), chunk=f"c{i}")
            astro.equal(ids(websocket.read_tail(t, reached(6 + i))[0]), [6 + i])
    for p in polls:
        p.close()


def t_the_end_is_told(lab):
    """SIGTERM: 1001, and the stream ends; at once, although nobody reads one of them."""
    c, q = lab.collector(), lab.query()
    ws, sse = websocket.open_tail(q), websocket.open_tail(q, "sse")
    shop.ship(c, shop.records(5))
    for t in (ws, sse):
        websocket.read_tail(t, reached(5))
    q.signal(15)
    astro.equal(ws.closed(), (1001, []))
    try:
        while True:
            sse.message()
    except websocket.Closed:
        pass
    ws.close()
    sse.close()
    astro.equal(q.wait(), 0)
    astro.check("connections were cut" not in q.log)


def t_a_store_that_is_replaced(lab):
    """Another store in its place, with fewer events: the tail goes on with what comes there."""
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(40))
    t = websocket.open_tail(q)
    c.stop()
    os.rename(lab.path("data"), lab.path("old"))
    c = lab.collector()
    shop.ship(c, shop.records(5, seed=8), chunk="new")
    # What came before the tail saw the new store may be of its past: events come until one is told, and then all.
    for i in range(100):
        shop.ship(c, [(shop.START, {"event_type": "NEW", "entity_id": str(i)})], chunk=f"then{i}")
        if select.select([t.sock], [], [], 0.2 * astro.TIME_SCALE)[0]:
            break
    told = []
    while not told or told[-1] < 6 + i:
        m = t.message()
        told += ids(m["data"])
        astro.check(int(m["covered"]) <= 6 + i, str(m["covered"]))
    astro.equal(told, list(range(told[0], 7 + i)))


def t_by_curl(lab):
    """As API.md shows it."""
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(3))
    if not shutil.which("curl"):
        raise astro.Skip("curl is not installed")
    url = f"http://{q.address('http')}/api/logs/tail?" + urllib.parse.urlencode({"after": 0, "fields": "id"})
    with subprocess.Popen(["curl", "-sN", url], stdout=subprocess.PIPE, encoding="utf-8") as p:
        lines = [p.stdout.readline() for _ in range(5)]
        p.kill()
    astro.equal(lines[0], "id: 0\n")
    astro.equal(lines[3:], ["id: 3\n", 'data: {"type":"logs","data":[{"id":1},{"id":2},{"id":3}],"count":3,"covered":3}\n'])


astro.main(globals())
