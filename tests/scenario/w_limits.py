"""Goal: what live tails make the query daemon hold stays within its limits, however many filters there are and
whoever reads nothing; what did not fit is told to the event, and a quick client misses none. Method: the limits of
proto/base/limits.h by name, reached by clients with small windows."""

import json
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import shop  # noqa: E402
import websocket  # noqa: E402

BIG = {"event_type": "BIG", "description": "z" * 900_000}


def reached(place):
    return lambda m: int(m["covered"]) >= place


def ids(events):
    return [int(e["id"]) for e in events]


def held_most(q, stop):
    """The most bytes of messages that were seen until then."""
    most = 0
    while not stop.is_set():
        most = max(most, q.metric("astro_query_tail_held_bytes"))
    return most


def t_as_many_filters_as_tails_and_nobody_reads(lab):
    """Each would be owed a message of its own of nearly a megabyte."""
    most, turn = astro.limit("LIMIT_LIVE_HELD_BYTES"), astro.limit("LIMIT_LIVE_TURN_BYTES")
    c, q = lab.collector(), lab.query()
    # The first filter is asked last. Its messages are small, so that it is quick however busy the machine is.
    quick = websocket.open_tail(q, event_type="BIG", fields="id")
    deaf = [websocket.open_tail(q, ("ws", "sse")[i % 2], receive=4096, q=f"event_type!=T{i}")
            for i in range(4 * (most + turn) // len(BIG["description"]))]
    stop, seen = threading.Event(), []
    watcher = threading.Thread(target=lambda: seen.append(held_most(q, stop)))
    watcher.start()
    try:
        shop.ship(c, [(shop.START, BIG)] * 2, size=1)
        events, dropped = websocket.read_tail(quick, reached(2))
    finally:
        stop.set()
        watcher.join()
    astro.equal((ids(events), dropped), ([1, 2], 0))
    astro.note(f"{len(deaf)} deaf tails: {seen[0] / (1 << 20):.1f} MiB held")
    astro.check(most // 2 < seen[0] <= most + turn + 2 * len(BIG["description"]), seen)
    astro.check(q.metric("astro_query_tail_cut_total") > 0)
    for t in deaf:
        t.close()
    # They were cut, or are gone now, but for the quick one.
    astro.wait_for(lambda: q.metric("astro_query_tails") == 1, "all have gone")
    astro.equal(q.metric("astro_query_tail_held_bytes"), 0)


def t_messages_and_pongs_behind_one_that_does_not_leave(lab):
    """A queue of messages, and a little for what is said besides; what is beyond is dropped."""
    most, own = astro.limit("LIMIT_LIVE_QUEUE"), astro.limit("LIMIT_LIVE_OWN_BYTES")
    c, q = lab.collector(), lab.query()
    quick, slow = websocket.open_tail(q, fields="id"), websocket.open_tail(q, receive=4096)
    total = 0

    def tell(record):
        nonlocal total
        total += 1
        shop.ship(c, [(shop.START, record)], chunk=f"c{total}")
        astro.equal(ids(websocket.read_tail(quick, reached(total))[0]), [total])

    # Until the kernel takes no more.
    while q.metric("astro_query_tail_held_bytes") == 0:
        astro.check(total < 100, "all of it is taken")
        tell({"event_type": "BIG", "description": "z" * 60_000})
    queued = total + most - 1
    for _ in range(most + 4):
        tell({"event_type": "SMALL"})
    astro.equal(q.metric("astro_query_tail_dropped_total"), total - queued)
    payload = b"*" * 125
    slow.send(websocket.frame_bytes(websocket.PING, payload) * (2 * own // len(payload)))
    # What was sent before this request is read with it.
    astro.equal(q.get("/healthz").status, 200)
    events, pongs = [], 0
    while len(events) < queued:
        op, got = slow.frame()
        if op == websocket.PONG:
            astro.equal(got, payload)
            pongs += 1
        else:
            astro.equal(op, websocket.TEXT)
            events += ids(json.loads(got)["data"])
    astro.equal(events, list(range(1, queued + 1)))
    astro.equal(pongs, own // (len(payload) + 2))
    m = slow.message()
    astro.equal((m["data"], m["dropped"], int(m["covered"])), ([], total - queued, total))
    tell({"event_type": "SMALL"})
    astro.equal(ids(websocket.read_tail(slow, reached(total))[0]), [total])


def t_a_queue_of_large_messages(lab):
    """Bytes of a queue, but always the one behind the one that leaves; and of one message."""
    most, each = astro.limit("LIMIT_LIVE_QUEUE_BYTES"), astro.limit("LIMIT_LIVE_MESSAGE_BYTES")
    c, q = lab.collector(), lab.query()
    one = 5000
    quick, slow = websocket.open_tail(q, fields="id"), websocket.open_tail(q, receive=4096)
    count = 4 * most // one
    shop.ship(c, [(shop.START, {"event_type": "A", "description": "y" * one})] * count)
    websocket.read_tail(quick, reached(count))
    astro.check(0 < q.metric("astro_query_tail_held_bytes") <= max(most, 2 * (each + 2 * one)))
    events, dropped, sizes = [], 0, []
    while len(events) + dropped < count:
        op, payload = slow.frame()
        astro.equal(op, websocket.TEXT)
        m = json.loads(payload)
        events += ids(m["data"])
        dropped += m.get("dropped", 0)
        sizes.append(len(payload))
    astro.check(dropped > 0)
    astro.equal(events, sorted(set(events)))
    astro.check(max(sizes) < each + 2 * one, sizes)


def t_more_than_a_page_at_once(lab):
    """What came together is looked at a page at a time: more than a page's JSON may be, and nothing is lost."""
    page = astro.limit("LIMIT_LIVE_PAGE_BYTES")
    c, q = lab.collector(), lab.query()
    # The one who wants all of it makes pages large; the other one has room for each of its messages.
    whole, quick = websocket.open_tail(q, receive=4096), websocket.open_tail(q, fields="id")
    count = 10 * page // len(BIG["description"])
    q.signal(signal.SIGSTOP)
    shop.ship(c, [(shop.START, BIG)] * count, size=1)
    q.signal(signal.SIGCONT)
    events, dropped = websocket.read_tail(quick, reached(count))
    astro.equal((ids(events), dropped), (list(range(1, count + 1)), 0))
    events, dropped = websocket.read_tail(whole, reached(count))
    astro.equal(len(events) + dropped, count)
    astro.equal([e["description"] for e in events], [BIG["description"]] * len(events))


if __name__ == "__main__":
    astro.main(globals())
