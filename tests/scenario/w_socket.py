"""Goal: the WebSocket of /ws/logs does what RFC 6455 says, to the close code. Method: the cases of the Autobahn
test suite by number (data/vectors/websocket-cases), as a table of what is sent, how it is chopped, and what must
come back. A tail does not echo: where a case wants an echo, the message must be taken without a word, which a ping
behind it shows."""

import json
import os
import select
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
import websocket  # noqa: E402
from websocket import BINARY, CLOSE, PING, PONG, TEXT, frame_bytes  # noqa: E402

MESSAGE_MAX = 64 << 10  # LIMIT_WS_MESSAGE_BYTES
GOOD = "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!".encode()
GREEK = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
BAD = GREEK + b"\xed\xa0\x80edited"
HELLO = frame_bytes(TEXT, b"Hello, world!")
PROTOCOL, TEXT_IS_BAD, TOO_LARGE = 1002, 1007, 1009


class Case:
    """Frames, the pongs they must get, and the code it ends with: None, a clean close afterwards."""

    def __init__(self, frames, pongs=(), code=None, chop=None):
        self.frames = [frames] if isinstance(frames, bytes) else list(frames)
        self.pongs, self.code, self.chop = list(pongs), code, chop


def ping(payload=b""):
    return frame_bytes(PING, payload)


def parts(op, *payloads):
    return [frame_bytes(op if i == 0 else 0, p, fin=i == len(payloads) - 1) for i, p in enumerate(payloads)]


def split(op, payload, size):
    return parts(op, *[payload[i:i + size] for i in range(0, len(payload), size)])


def close(code=None, reason=b""):
    return frame_bytes(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def lengths(cases):
    for group, op in (("1.1", TEXT), ("1.2", BINARY)):
        for i, n in enumerate((0, 125, 126, 127, 128, 65535, 65536)):
            cases[f"{group}.{i + 1}"] = Case(frame_bytes(op, b"*" * n))
        cases[f"{group}.8"] = Case(frame_bytes(op, b"*" * 65536), chop=997)


def pings(cases):
    full = b"\xfe" * 125
    ten = [ping(b"payload-%d" % i) for i in range(10)]
    answers = [b"payload-%d" % i for i in range(10)]
    cases["2.1"] = Case(ping(), [b""])
    cases["2.2"] = Case(ping(b"Hello, world!"), [b"Hello, world!"])
    cases["2.3"] = Case(ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), [b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"])
    cases["2.4"] = Case(ping(full), [full])
    cases["2.5"] = Case(ping(full + b"\xfe"), code=PROTOCOL)
    cases["2.6"] = Case(ping(full), [full], chop=1)
    cases["2.7"] = Case(frame_bytes(PONG))
    cases["2.8"] = Case(frame_bytes(PONG, b"unsolicited pong payload"))
    cases["2.9"] = Case([frame_bytes(PONG, b"unsolicited pong payload"), ping(b"ping payload")], [b"ping payload"])
    cases["2.10"] = Case(ten, answers)
    cases["2.11"] = Case(ten, answers, chop=1)


def reserved(cases):
    late = ping()
    cases["3.1"] = Case(frame_bytes(TEXT, b"Hello", rsv=1), code=PROTOCOL)
    cases["3.2"] = Case([b"".join([HELLO, frame_bytes(TEXT, b"Hello", rsv=2), late])], code=PROTOCOL)
    cases["3.3"] = Case([HELLO, frame_bytes(TEXT, b"Hello", rsv=3), late], code=PROTOCOL)
    cases["3.4"] = Case([HELLO, frame_bytes(TEXT, b"Hello", rsv=4), late], code=PROTOCOL, chop=1)
    cases["3.5"] = Case(frame_bytes(BINARY, b"\x00\xff" * 4, rsv=5), code=PROTOCOL)
    cases["3.6"] = Case(frame_bytes(PING, b"hi", rsv=6), code=PROTOCOL)
    cases["3.7"] = Case(frame_bytes(CLOSE, rsv=7), code=PROTOCOL)
    for group, first in (("4.1", 3), ("4.2", 11)):
        for i in range(5):
            bad = frame_bytes(first + i, b"reserved" if i in (1, 3, 4) else b"")
            cases[f"{group}.{i + 1}"] = Case([bad] if i < 2 else [HELLO, bad, late], code=PROTOCOL)


def fragments(cases):
    two = parts(TEXT, b"fragment1", b"fragment2")
    between = [two[0], ping(b"ping payload"), two[1]]
    stray = {True: frame_bytes(0, b"non-continuation", fin=True), False: frame_bytes(0, b"non-continuation", fin=False)}
    cases["5.1"] = Case(parts(PING, b"fragment1", b"fragment2"), code=PROTOCOL)
    cases["5.2"] = Case(parts(PONG, b"fragment1", b"fragment2"), code=PROTOCOL)
    cases["5.3"] = Case(b"".join(two))
    cases["5.4"] = Case(two)
    cases["5.5"] = Case(two, chop=1)
    cases["5.6"] = Case(b"".join(between), [b"ping payload"])
    cases["5.7"] = Case(between, [b"ping payload"])
    cases["5.8"] = Case(between, [b"ping payload"], chop=1)
    for i, fin in enumerate((True, True, True, False, False, False)):
        frames = [stray[fin], HELLO]
        cases[f"5.{9 + i}"] = Case([b"".join(frames)] if i % 3 == 0 else frames, code=PROTOCOL,
                                   chop=1 if i % 3 == 2 else None)
    cases["5.15"] = Case(b"".join([*two, stray[False], HELLO]), code=PROTOCOL)
    cases["5.16"] = Case([stray[False], *two, stray[False], *two], code=PROTOCOL)
    cases["5.17"] = Case([stray[True], *two, stray[True], *two], code=PROTOCOL)
    cases["5.18"] = Case(frame_bytes(TEXT, b"fragment1", fin=False) + frame_bytes(TEXT, b"fragment2"), code=PROTOCOL)
    five = parts(TEXT, *[b"fragment%d" % i for i in range(1, 6)])
    many = [*five[:2], ping(b"pongme 1!"), *five[2:4], ping(b"pongme 2!"), five[4]]
    cases["5.19"] = Case(many, [b"pongme 1!", b"pongme 2!"])
    cases["5.20"] = Case(many, [b"pongme 1!", b"pongme 2!"], chop=1)


def texts(cases):
    octets = [GOOD[i:i + 1] for i in range(len(GOOD))]
    bad = [BAD[i:i + 1] for i in range(len(BAD))]
    cases["6.1.1"] = Case(frame_bytes(TEXT))
    cases["6.1.2"] = Case(parts(TEXT, b"", b"", b""))
    cases["6.1.3"] = Case(parts(TEXT, b"", b"middle frame payload", b""))
    cases["6.2.1"] = Case(frame_bytes(TEXT, GOOD))
    cases["6.2.2"] = Case(parts(TEXT, GOOD[:12], GOOD[12:]))
    cases["6.2.3"] = Case(parts(TEXT, *octets))
    cases["6.2.4"] = Case(parts(TEXT, *[GREEK[i:i + 1] for i in range(len(GREEK))]))
    cases["6.3.1"] = Case(frame_bytes(TEXT, BAD), code=TEXT_IS_BAD)
    cases["6.3.2"] = Case(parts(TEXT, *bad), code=TEXT_IS_BAD)
    # The rest is never sent: what came is enough to know.
    start, wrong, rest = GREEK, b"\xf4\x90\x80\x80", b"edited"
    three = parts(TEXT, start, wrong, rest)
    cases["6.4.1"] = Case(three[:2], code=TEXT_IS_BAD)
    cases["6.4.2"] = Case(parts(TEXT, start, wrong[:2], rest)[:2], code=TEXT_IS_BAD)
    whole = frame_bytes(TEXT, start + wrong + rest)
    at = len(whole) - len(wrong + rest)
    cases["6.4.3"] = Case([whole[:at], whole[at:at + 4]], code=TEXT_IS_BAD)
    cases["6.4.4"] = Case([whole[:at], whole[at:at + 2]], code=TEXT_IS_BAD)


def closes(cases):
    two = parts(TEXT, b"fragment1", b"fragment2")
    cases["7.1.1"] = Case([HELLO, close(1000)], code=1000)
    cases["7.1.2"] = Case([close(1000), close(1000)], code=1000)
    cases["7.1.3"] = Case([close(1000), ping()], code=1000)
    cases["7.1.4"] = Case([close(1000), HELLO], code=1000)
    cases["7.1.5"] = Case([two[0], close(1000), two[1]], code=1000)
    cases["7.1.6"] = Case([frame_bytes(TEXT, b"BAsd7&jh23" * 26215), close(1000), ping()], code=TOO_LARGE)
    cases["7.3.1"] = Case(close(), code=1005)
    cases["7.3.2"] = Case(frame_bytes(CLOSE, b"a"), code=PROTOCOL)
    cases["7.3.3"] = Case(close(1000), code=1000)
    cases["7.3.4"] = Case(close(1000, b"Hello World!"), code=1000)
    cases["7.3.5"] = Case(close(1000, b"*" * 123), code=1000)
    cases["7.3.6"] = Case(close(1000, b"*" * 124), code=PROTOCOL)
    cases["7.5.1"] = Case(close(1000, BAD), code=TEXT_IS_BAD)
    cases["7.13.1"] = Case(close(5000), code=PROTOCOL)
    cases["7.13.2"] = Case(close(65535), code=PROTOCOL)
    for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)):
        cases[f"7.7.{i + 1}"] = Case(close(code), code=code)
    for i, code in enumerate((0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999)):
        cases[f"7.9.{i + 1}"] = Case(close(code), code=PROTOCOL)


def large(cases):
    sizes = [n << 10 for n in (64, 256, 1024, 4096, 8192, 16384)]
    for group, op in (("9.1", TEXT), ("9.2", BINARY)):
        for i, n in enumerate(sizes):
            cases[f"{group}.{i + 1}"] = Case(frame_bytes(op, b"*" * n), code=None if n <= MESSAGE_MAX else TOO_LARGE)
    for group, op in (("9.3", TEXT), ("9.4", BINARY)):
        for i, n in enumerate((64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20)):
            cases[f"{group}.{i + 1}"] = Case(b"".join(split(op, b"*" * (4 << 20), n)), code=TOO_LARGE)
    for group, op in (("9.5", TEXT), ("9.6", BINARY)):
        for i in range(6):
            cases[f"{group}.{i + 1}"] = Case(frame_bytes(op, b"*" * (1 << 20)), code=TOO_LARGE, chop=64 << i)
    endless = [frame_bytes(TEXT, b"*" * 4096, fin=False)] + [frame_bytes(0, b"*" * 4096, fin=False)] * 100
    cases["9.9.1"] = Case(endless, code=TOO_LARGE)
    cases["10.1.1"] = Case(b"".join(split(TEXT, b"*" * 65536, 1300)))


def all_cases():
    cases = {}
    for make in (lengths, pings, reserved, fragments, texts, closes, large):
        make(cases)
    return cases


CASES = all_cases()


# ---------------------------------------------------------------- running


def start(lab, conf=""):
    """The query daemon over an empty store."""
    lab.collector().kill()
    return lab.query(["--config", lab.write("q.conf", "[query]\n" + conf)])


def send(ws, data, chop):
    """False: the server has said something meanwhile that ends it, so that the rest is of no use."""
    step = chop or 64 << 10
    for at in range(0, len(data), step):
        ready, _, _ = select.select([ws.sock], [], [], 0)
        if ready and chop is None and at > 0:
            return False
        try:
            ws.send(data[at:at + step])
        except (BrokenPipeError, ConnectionResetError):
            return False
    return True


def run(query, number):
    case = CASES[number]
    with websocket.open_tail(query) as ws:
        chop = case.chop
        data = case.frames
        if chop and sum(map(len, data)) > 1 << 17:  # its head says enough: not all of a megabyte byte by byte
            data = [data[0][:chop * 100]]
        for frame in data:
            if not send(ws, frame, chop):
                break
        if case.code is None:
            ws.send(ping(b"the last") + close(1000))
        code, seen = ws.closed()
    astro.equal(code, 1000 if case.code is None else case.code, f"case {number}")
    want = [(PONG, p) for p in case.pongs] + ([(PONG, b"the last")] if case.code is None else [])
    astro.equal(seen, want, f"case {number}")


def run_group(lab, *groups):
    q = start(lab)
    names = [n for n in CASES if n.split(".")[0] in groups]
    astro.check(names)
    for number in names:
        run(q, number)
    bad = sum(1 for n in names if CASES[n].code in (PROTOCOL, TEXT_IS_BAD) and n not in ("7.7.3", "7.7.5"))
    large_ones = sum(1 for n in names if CASES[n].code == TOO_LARGE and n != "7.7.7")
    astro.equal(q.metric("astro_query_tail_broken_total"), bad)
    astro.equal(q.metric("astro_query_tail_too_large_total"), large_ones)
    astro.wait_for(lambda: q.metric("astro_query_tails") == 0, "none is left open")
    astro.equal(q.stop(), 0)


def t_every_case_of_the_list_is_here(_lab):
    with open(astro.data_file("vectors", "websocket-cases.ndjson"), encoding="utf-8") as f:
        numbers = [json.loads(line)["case"] for line in f]
    astro.equal([n for n in numbers if n not in CASES], [])


def t_1_framing(lab):
    run_group(lab, "1")


def t_2_pings_and_pongs(lab):
    run_group(lab, "2")


def t_3_4_reserved_bits_and_opcodes(lab):
    run_group(lab, "3", "4")


def t_5_fragmentation(lab):
    run_group(lab, "5")


def t_6_utf8(lab):
    run_group(lab, "6")


def t_7_closing(lab):
    run_group(lab, "7")


def t_9_10_limits(lab):
    run_group(lab, "9", "10")


def t_12_13_compression_is_declined(lab):
    """It is offered in every way, not agreed to, and then of course not understood."""
    q = start(lab)
    for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits; server_no_context_takeover",
                  "x-webkit-deflate-frame, permessage-bzip2"):
        with websocket.open_tail(q, headers={"Sec-WebSocket-Extensions": offer}) as ws:
            astro.check("sec-websocket-extensions" not in ws.headers)
            ws.send(HELLO + ping(b"plain"))
            astro.equal(ws.frame(), (PONG, b"plain"))
            ws.send_frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv=4)
            astro.equal(ws.closed()[0], PROTOCOL)


# ---------------------------------------------------------------- opening


def t_who_is_let_in(lab):
    q = start(lab, "hosts = logs.example.org\norigins = https://console.example.org\n")
    address = q.address("http")
    port = address.rpartition(":")[2]
    refused = [
        (426, {"Upgrade": None}), (426, {"Connection": None}), (426, {"Upgrade": "h2c"}),
        (426, {"Sec-WebSocket-Version": "8"}), (426, {"Sec-WebSocket-Version": None}),
        (400, {"Sec-WebSocket-Key": None}), (400, {"Sec-WebSocket-Key": "dG9vIHNob3J0"}),
        (403, {"Origin": "http://evil.example"}), (403, {"Origin": "null"}), (403, {"Origin": f"http://127.0.0.1:{port}1"}),
        (403, {"Origin": "http://console.example.org"}), (421, {"Host": "evil.example"}),
    ]
    for status, headers in refused:
        with websocket.Socket(address, headers=headers) as ws:
            astro.equal(ws.status, status, str(headers))
            astro.equal(ws.problem["status"], "error")
            if status == 426:
                astro.equal((ws.headers["sec-websocket-version"], ws.headers["upgrade"]), ("13", "websocket"))
    for headers in ({"Origin": f"http://{address}"}, {"Origin": f"HTTP://{address}"}, {},
                    {"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"},
                    {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"},
                    {"Host": f"logs.example.org:{port}", "Origin": f"http://logs.example.org:{port}"},
                    {"Origin": "https://console.example.org"}, {"Sec-WebSocket-Protocol": "chat"}):
        with websocket.Socket(address, headers=headers) as ws:
            astro.equal(ws.status, 101, str(headers))
            astro.check("sec-websocket-protocol" not in ws.headers, "no protocol is agreed to")
            astro.equal(ws.message()["count"], 0)
    reply = q.get("/ws/logs")
    astro.equal((reply.status, reply.json["field"]), (426, "Upgrade"))
    reply = q.get("/ws/logs", method="POST")
    astro.equal((reply.status, reply.headers["allow"][:9]), (405, "GET, HEAD"))


def t_frames_that_come_with_the_request(lab):
    q = start(lab)
    with websocket.Socket(q.address("http"), early=HELLO + ping(b"early") + HELLO[:3]) as ws:
        ws.send(HELLO[3:] + ping(b"late"))
        astro.equal(ws.frame()[0], TEXT)
        astro.equal([ws.frame(), ws.frame()], [(PONG, b"early"), (PONG, b"late")])
    with websocket.Socket(q.address("http"), early=close(1000)) as ws:
        astro.equal(ws.closed()[0], 1000)
    astro.equal(q.stop(), 0)


# ---------------------------------------------------------------- hostile ones


def t_no_mask_giant_lengths_and_dribbles(lab):
    """Each costs a close frame, and no memory: lengths are refused before a byte of their payload."""
    q = start(lab)
    before = q.rss_mb()
    for n in (MESSAGE_MAX + 1, 1 << 32, (1 << 63) - 1):
        with websocket.open_tail(q) as ws:
            ws.send(b"\x82\xff" + struct.pack(">Q", n) + websocket.MASK)
            astro.equal(ws.closed()[0], TOO_LARGE)
    for head in (b"\x82\xff" + b"\xff" * 8, b"\x81\x05Hello", frame_bytes(TEXT, b"Hello", masked=False),
                 b"\x82\xfe\x00\x05" + websocket.MASK, b"GET / HTTP/1.1\r\n\r\n"):
        with websocket.open_tail(q) as ws:
            ws.send(head)
            astro.equal(ws.closed()[0], PROTOCOL)
    dribblers = [websocket.open_tail(q) for _ in range(50)]
    for i in range(40):
        for ws in dribblers:
            ws.send(frame_bytes(BINARY, b"*" * 4000)[i:i + 1])
    for ws in dribblers:
        ws.send(frame_bytes(BINARY, b"*" * 4000)[40:] + ping(b"x"))
        astro.equal(ws.frame(), (PONG, b"x"))
        ws.reset()
    astro.wait_for(lambda: q.metric("astro_query_tails") == 0, "all are gone")
    astro.check(q.rss_mb() - before < 16 * astro.MEMORY_SCALE, f"{before} MB, then {q.rss_mb()} MB")
    astro.equal(q.stop(), 0)


def t_pings_that_are_never_read(lab):
    """The answers that fit are kept, the others are not given; nothing grows."""
    q = start(lab)
    flood = ping(b"*" * 125) * 500
    with websocket.open_tail(q, receive=4096) as ws:
        ws.sock.setblocking(False)
        sent, before = 0, q.rss_mb()
        while sent < 4000 and q.alive():
            _, ready, _ = select.select([], [ws.sock], [], 5)
            if not ready:
                break
            try:
                ws.sock.send(flood)
            except BlockingIOError:
                pass
            sent += 1
        astro.check(q.rss_mb() - before < 8 * astro.MEMORY_SCALE)
        astro.equal(q.get("/healthz").status, 200)
    astro.equal(q.stop(), 0)


def t_a_silent_client_is_asked_and_then_left(lab):
    """Whoever answers pings stays; whoever does not has idle_timeout."""
    q = start(lab, "idle_timeout = 500ms\n")
    with websocket.open_tail(q) as silent, websocket.open_tail(q) as awake:
        pings_seen = 0
        while q.metric("astro_query_tail_silent_total") < 1 or pings_seen < 5:
            op, payload = awake.frame()
            if op == PING:
                awake.send_frame(PONG, payload)
                pings_seen += 1
        code, seen = silent.closed()
        astro.equal(code, None)
        astro.check((PING, b"") in seen)
        awake.send(ping(b"here"))
        while awake.frame() != (PONG, b"here"):
            pass
    astro.equal(q.metric("astro_query_tail_silent_total"), 1)


astro.main(globals())
