#!/usr/bin/python3
"""Goal: whatever comes in costs only the one who sent it: a message, a counter, and the daemon lives.

Method: bad frames, bad peers and bad starts against a live collector; after each a good client must
still be served.
"""
import os
import random
import resource
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000
NOISE_SEED = astro.option("seed", 5)


def good(c, name="ok", source=None):
    """A client that behaves is served as ever."""
    with c.connect(source=source) as s:
        s.send(astro.message("good", T0, {"n": 1}, {"chunk": name}))
        astro.equal(s.ack(), name)


def grew_at_most(c, before, mb):
    grown = c.rss_mb() - before
    astro.check(grown < mb * astro.MEMORY_SCALE, f"memory grew by {grown:.0f} MB")


def fault(c, reason):
    return c.metric(f'astro_collector_faults_total{{reason="{reason}"}}')


FRAME = astro.message("t", T0, {"n": 1}, {"chunk": "c"})
NIL, ONE = b"\xc0", b"\x01"


# ---------------------------------------------------------------- frames


def t_what_is_no_frame_ends_its_connection(lab):
    cases = [
        ("tls", b"\x16\x03\x01\x02\x00\x01\x00"),
        ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("http", b"POST /api/logs HTTP/1.1\r\n"),
        ("syslog", b"<34>1 2003-10-11T22:14:15.003Z host app - - - hello\n"),
        ("syslog", b"123 <34>1 2003-10-11T22:14:15.003Z host app - - - hello\n"),
        ("json", b'["tag",1700000000 {"a":1}]'),
        ("json", b'{"a":1}'),
        ("frame", astro.pack(["only a tag"])),
        ("frame", astro.pack([])),
        ("frame", astro.pack(5)),
        ("frame", astro.pack({"a": 1})),
        ("syntax", b"\xc1"),
        ("syntax", b"\x93\xa1t\xc1"),
        ("tag", astro.pack([7, T0, {}])),
        ("tag", astro.pack(["t" * 1025, T0, {}])),
        ("handshake", astro.pack(["PING", "host", b"s" * 16, "d" * 128, "", ""])),
        ("compression", astro.pack(["t", astro.pack([T0, {"n": 1}]), {"compressed": "lzma"}])),
        ("option", astro.pack(["t", T0, {"n": 1}, {"x": "y" * 70000}])),
        ("chunk", astro.pack(["t", T0, {"n": 1}, {"chunk": "c" * 257}])),
    ]
    c = lab.collector()
    for reason, data in cases:
        before = fault(c, reason)
        with c.connect() as s:
            s.send(data)
            astro.check(s.closed_by_peer(), f"{reason}: {data[:20]!r} is still connected")
        astro.equal(fault(c, reason), before + 1, f"{reason} of {data[:20]!r}")
    good(c)
    astro.equal(len(lab.rows()), 1, "nothing of them is stored")
    c.wait_log("switch TLS off in the client")


def t_claims_that_no_bytes_back(lab):
    """Counts and lengths of 4 GiB cost nothing: they allocate nothing and wait for their bytes."""
    heads = [b"\xdb", b"\xc6", b"\xdd", b"\xdf"]
    c = lab.collector()
    before = c.rss_mb()
    open_ones = []
    for head in heads + [b"\xc9"]:
        claim = head + b"\xff\xff\xff\xff" + (b"\x05" if head == b"\xc9" else b"")
        for data in (b"\x93\xa1t" + claim, b"\x93\xa1t\xce\x65\x53\xf1\x00" + claim,
                     b"\x93\xa1t\x91\x92\xce\x65\x53\xf1\x00" + claim,
                     b"\x93\xa1t\xce\x65\x53\xf1\x00\x81\xa1k" + claim):
            s = c.connect()
            s.send(data + b"x" * 100)
            open_ones.append(s)
    good(c)
    grew_at_most(c, before, 16)
    for s in open_ones:
        s.close()
    good(c, "still")
    astro.equal(len(lab.rows()), 2)


def t_absurd_but_complete(lab):
    """Deep, wide and repetitive values: dropped or kept, acked, and nobody waits for them."""
    deep_array = b"\x91" * 100000 + NIL
    deep_map = b"\x81\xa1k" * 100000 + NIL
    records = {
        "nils": b"\xdd" + struct.pack(">I", 2_000_000) + NIL * 2_000_000,
        "chain": b"\xdc\xff\xff" * 20000,
        "deep": deep_array,
        "deepmap": deep_map,
        "dups": b"\xde" + struct.pack(">H", 60000) + b"\xa1k\x01" * 60000,
        "keys": b"\x84\x01\x01\xc0\x02\x91\x01\x03\x81\x01\x01\x04",
        "huge": astro.pack({"description": "h" * (2 << 20)}),
        "nul": astro.pack({"description": "a\0b", "entity_id": "../../etc/passwd"}),
    }
    c = lab.collector()
    for name, record in records.items():
        if name == "chain":
            continue
        with c.connect() as s:
            s.send(b"\x94\xa1t\xce\x65\x53\xf1\x00" + record + astro.pack({"chunk": name}))
            astro.equal(s.ack(60), name)
    good(c)
    descriptions = [r.get("description") for r in lab.rows()]
    astro.check("a\0b" in descriptions, descriptions)
    astro.check(not os.path.exists("/etc/passwd.seg"))
    astro.check(c.alive())


def t_options_of_every_wrong_type(lab):
    c = lab.collector()
    options = [7, "x", [1], {"chunk": 5}, {"chunk": None}, {"size": "many"}, {"size": -1},
               {"size": 2**64 - 1}, {"fluent_signal": "logs"}, {"compressed": 4}, {"zzz": {"a": [1]}},
               {5: 6}, {"metadata": 3}, None]
    with c.connect() as s:
        for o in options:
            s.send(astro.pack(["t", T0, {"n": 1}, o]))
        s.send(astro.pack(["t", T0, {"n": 1}, {"chunk": "end"}, "more", ["elements"]]))
        astro.equal(s.ack(), "end")
    astro.equal(len(lab.rows()), len(options) + 1)
    astro.check(c.metric("astro_collector_odd_options_total") >= 6)


def t_times_of_every_kind(lab):
    """No event is refused for its time."""
    c = lab.collector()
    nan = b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"
    times = ["text", None, -1, 2**64 - 1, 0, 1e300, -1e300, astro.Raw(nan), astro.event_time(5, 10**9),
             astro.Ext(0, b"123"), astro.Ext(9, b"12345678"), True, astro.event_time(2**32 - 10, 5)]
    with c.connect() as s:
        s.send(astro.forward("t", [[t, {"n": i}] for i, t in enumerate(times)], {"chunk": "t"}))
        astro.equal(s.ack(), "t")
        days = [[T0 + 86400 * d, {"n": d}] for d in range(2000)]
        s.send(astro.forward("t", days, {"chunk": "days"}))
        astro.equal(s.ack(), "days")
    astro.equal(len(lab.rows()), len(times) + 2000)
    astro.equal(c.stop(), 0)
    segments = [f for _, _, files in os.walk(lab.path("data", "seg")) for f in files
                if f.endswith(".seg")]
    astro.check(1 <= len(segments) <= 64, f"{len(segments)} segments for one seal")
    astro.equal(len(lab.rows()), len(times) + 2000)


def t_noise(lab):
    """Random bytes, and good frames with a few bytes changed, on many connections and by UDP."""
    rng = random.Random(NOISE_SEED)
    c = lab.collector()
    base = astro.packed("noise", [[T0, {"n": i, "t": "x" * 20}] for i in range(5)], {"chunk": "n"})
    for i in range(300):
        if i % 2:
            data = rng.randbytes(rng.randrange(1, 400))
        else:
            changed = bytearray(base)
            for _ in range(rng.randrange(1, 6)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            data = bytes(changed)
        try:
            with c.connect() as s:
                s.send(data)
        except OSError:
            pass
        with c.udp() as u:
            u.send(data)
    good(c)
    c.wait_metric("astro_collector_datagrams_total", 300)
    astro.check(c.metric('astro_collector_datagrams_dropped_total{reason="bad"}') > 100)


def t_datagrams_whole_or_not_at_all(lab):
    c = lab.collector()
    whole = astro.forward("t", [[T0, {"n": 1}], [T0, {"n": 2}]])
    with c.udp() as u:
        u.send(whole[:-1])
        u.send(whole + b"\xc0")
        u.send(b"")
        u.send(b"\0\0")
        u.send(b"\0" * 1000)
        u.send(astro.packed("t", [[T0, {"n": 3, "t": "x" * 60000}]]))
        c.wait_metric("astro_collector_datagrams_total", 6)
        c.wait_metric("astro_store_committed_id", 1)
        astro.equal(c.metric('astro_collector_datagrams_dropped_total{reason="bad"}'), 5)
        u.sock.settimeout(0.2)
        try:
            astro.check(False, f"answered with {u.sock.recv(10)!r}")
        except socket.timeout:
            pass
    astro.equal([r["metadata"]["n"] for r in lab.rows()], [3])


# ---------------------------------------------------------------- peers


def t_dribble_cannot_hold_a_frame_open(lab):
    conf = lab.write("a.conf", "[forward]\nframe_timeout = 1s\n")
    c = lab.collector(["--config", conf])
    slow = [c.connect() for _ in range(20)]
    began = time.monotonic()
    for s in slow:
        s.send(b"\x93\xa1t\xdb\x00\x00\x10\x00")

    def all_cut():
        for s in slow:
            try:
                s.send(b"x")
            except OSError:
                pass
        return c.metric('astro_collector_timeouts_total{reason="frame"}') >= len(slow)

    astro.wait_for(all_cut, "slow frames are cut", 20)
    astro.check(time.monotonic() - began > 0.9, "too early")
    good(c)
    c.wait_log("longer than frame_timeout")
    for s in slow:
        s.close()


def t_large_frame_at_a_fair_rate_is_not_cut(lab):
    """Longer than frame_timeout, but coming: 100 KB/s against the floor of 16 KiB/s."""
    conf = lab.write("a.conf", "[forward]\nframe_timeout = 500ms\n")
    c = lab.collector(["--config", conf])
    entry = astro.pack([T0, {"description": "x" * 500}])
    with c.connect() as s:
        s.send(b"\x93\xa1t\xc6" + (len(entry) * 400).to_bytes(4, "big"))
        for i in range(0, 400, 20):
            s.send(entry * 20)
            time.sleep(0.1)  # the pace is the point of this test, not a wait
        s.send(astro.pack({"chunk": "paced"}))
        astro.equal(s.ack(), "paced")
    astro.equal(c.metric('astro_collector_timeouts_total{reason="frame"}'), 0)


def t_idle_connections_end(lab):
    conf = lab.write("a.conf", "[collector]\nidle_timeout = 1s\n")
    c = lab.collector(["--config", conf])
    with c.connect() as s:
        s.send(astro.message("t", T0, {"n": 1}, {"chunk": "c"}))
        s.ack()
        astro.check(s.closed_by_peer(10))
    astro.equal(c.metric('astro_collector_timeouts_total{reason="idle"}'), 1)


def send_unread(s, patience):
    """Frames with long chunk ids whose acks nobody reads; False when the daemon takes no more."""
    s.sock.settimeout(patience)
    try:
        for i in range(200000):
            s.sock.sendall(astro.message("t", T0, {"n": i}, {"chunk": f"{i:0250d}"}))
    except OSError:
        return False
    return True


def t_peer_that_never_reads_its_acks(lab):
    """Its socket is no longer read, memory stays flat, others are served."""
    c = lab.collector()
    before = c.rss_mb()
    with c.connect() as s:
        astro.check(not send_unread(s, 0.5), "it was read for ever")
        good(c)
        grew_at_most(c, before, 40)
    good(c, "later")


def t_peer_that_never_reads_is_closed_in_the_end(lab):
    conf = lab.write("a.conf", "[collector]\nidle_timeout = 1s\n")
    c = lab.collector(["--config", conf])
    with c.connect() as s:
        astro.check(not send_unread(s, 20 * astro.TIME_SCALE))
        c.wait_metric('astro_collector_timeouts_total{reason="acks_unread"}', 1)
    c.wait_log("does not read its acks")
    good(c)


def t_silent_connection_is_worth_a_line(lab):
    conf = lab.write("a.conf", "[collector]\nidle_timeout = 1s\n")
    c = lab.collector(["--config", conf])
    with c.connect() as s:
        c.wait_log("silent since it connected")
        astro.check(s.closed_by_peer(10))


def t_memory_for_frames_in_flight_is_bounded(lab):
    """Forty connections with half an entry of 1 MB each, where 8 MB are allowed."""
    conf = lab.write("a.conf", "[collector]\nmemory_max = 8M\n")
    c = lab.collector(["--config", conf])
    before = c.rss_mb()
    half = astro.message("t", T0, {"description": "x" * 1_000_000}, {"chunk": "half"})[:900_000]
    clients = []
    for _ in range(40):
        s = c.connect()
        try:
            s.send(half)
        except OSError:
            pass
        clients.append(s)
    c.wait_metric("astro_collector_frames_refused_total", 25)
    c.wait_log("raise memory_max")
    # From another address: the flood's own share may be used up to the last byte.
    good(c, source="127.0.0.2")
    grew_at_most(c, before, 30)
    for s in clients:
        s.close()
    astro.wait_for(lambda: c.metric("astro_collector_connections") == 0, "all are gone")
    with c.connect() as s:
        s.send(astro.message("t", T0, {"description": "x" * 1_000_000}, {"chunk": "whole"}))
        astro.equal(s.ack(), "whole")


def t_disk_for_frames_in_flight_is_bounded(lab):
    conf = lab.write("a.conf", "[collector]\nhold_bytes = 4M\n")
    c = lab.collector(["--config", conf])
    events = [[T0, {"n": i, "t": "x" * 1000}] for i in range(20000)]
    with c.connect() as s:
        try:
            s.send(astro.packed("t", events, {"chunk": "large"}))
        except OSError:
            pass
        astro.check(s.closed_by_peer())
    astro.equal(c.metric("astro_collector_frames_refused_total"), 1)
    c.wait_log("its frame could not be kept")
    good(c)
    astro.equal(len(lab.rows()), 1)
    astro.equal(c.metric("astro_collector_spill_bytes"), 0)


def t_half_open_and_reset_connections(lab):
    c = lab.collector()
    fds = None
    for i in range(200):
        s = c.connect()
        s.send(FRAME[:i % len(FRAME)])
        if i % 3 == 0:
            s.reset()
        elif i % 3 == 1:
            s.sock.shutdown(socket.SHUT_WR)
            s.close()
        else:
            s.close()
    c.wait_metric("astro_collector_accepted_total", 200)
    astro.wait_for(lambda: c.metric("astro_collector_connections") == 0, "all are gone")
    fds = c.fds()
    good(c)
    astro.check(c.fds() <= fds + 2)


def t_connection_flood_leaves_the_store_its_descriptors(lab):
    """At 256 descriptors: the old connection is served and journal files rotate during the flood."""
    conf = lab.write("a.conf", "[store]\njournal_file_bytes = 8M\nseal_rows = 5000\n")

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    c = lab.collector(["--config", conf], limits=limit)
    old = c.connect()
    idle = []
    for _ in range(1000):
        try:
            idle.append(c.connect(timeout=5))
        except OSError:
            break
    c.wait_metric('astro_collector_turned_away_total{door="tcp",reason="connections"}', 500)
    payload = os.urandom(3000).hex()
    for n in range(60):
        events = [[T0, {"n": n * 100 + i, "t": payload}] for i in range(100)]
        old.send(astro.packed("t", events, {"chunk": f"f{n}"}))
        astro.equal(old.ack(60), f"f{n}")
    # Of the loop alone: what came in is still being sealed.
    cpu = c.cpu_seconds(loop_only=True)
    began = time.monotonic()
    astro.wait_for(lambda: time.monotonic() - began > 1, "a second of the idle flood")
    busy = (c.cpu_seconds(loop_only=True) - cpu) / (time.monotonic() - began)
    astro.check(busy < 0.3, f"{busy:.0%} of a processor while nothing happens")
    astro.check(c.fds() < 256 - 8, f"{c.fds()} descriptors")
    for s in idle:
        s.close()
    astro.wait_for(lambda: c.metric("astro_collector_connections") == 1, "the flood is gone")
    good(c)
    old.close()
    astro.equal(c.stop(), 0)
    astro.equal(len(lab.rows()), 6001)


# ---------------------------------------------------------------- starts


def start_fails(lab, args, pattern, data="data", env=None):
    d = lab.collector(args, data=data, ready=False, env=env)
    status = d.wait()
    astro.check(status not in (0, None) and status > 0, f"exit status {status}")
    line = astro.found(pattern, d.log)
    told = [x for x in d.lines if " error " in x or x.startswith("astrocollectd: ")]
    astro.equal(len(told), 1, f"one line, not a story: {d.log}")
    return line


def t_second_collector_on_the_same_directory(lab):
    c = lab.collector()
    start_fails(lab, [], r"cannot open the store.*stop that one.*--data", env={})
    good(c)


def t_directory_of_a_newer_version(lab):
    c = lab.collector()
    good(c)
    c.stop()
    before = sorted(os.listdir(lab.path("data")))
    astro.equal(lab.run("newer", lab.path("data")).returncode, 0)
    start_fails(lab, [], r"cannot open the store.*install the newer version")
    astro.equal(sorted(os.listdir(lab.path("data"))), before, "nothing was touched")


def t_directory_that_is_no_store(lab):
    os.mkdir(lab.path("photos"))
    lab.write("photos/cat.jpg", "not a log")
    start_fails(lab, [], r"cannot open the store.*choose an empty", data="photos")
    astro.equal(os.listdir(lab.path("photos")), ["cat.jpg"])


def t_data_is_a_file(lab):
    lab.write("data", "a file")
    start_fails(lab, [], r"cannot open the store")


def t_unreadable_config(lab):
    start_fails(lab, ["--config", lab.path("missing.conf")], r"missing\.conf")
    bad = lab.write("bad.conf", "[store\n")
    start_fails(lab, ["--config", bad], r"bad\.conf:1\b")
    typo = lab.write("typo.conf", "[store]\nseal_row = 5\n")
    start_fails(lab, ["--config", typo], r"typo\.conf:2\b.*seal_rows")
    start_fails(lab, [], r"ASTRO_STORE_SEAL_ROW\b", env={"ASTRO_STORE_SEAL_ROW": "5"})


def t_port_taken(lab):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        start_fails(lab, ["--forward", f"127.0.0.1:{port}"],
                    rf"127\.0\.0\.1:{port}.*choose another port")
        start_fails(lab, ["--http", f"127.0.0.1:{port}"],
                    rf"127\.0\.0\.1:{port}.*choose another port")


def t_unix_path_taken(lab):
    c = lab.collector()
    start_fails(lab, ["--unix", c.address("unix")], r"another program listens on this socket path",
                data="other")
    lab.write("plain", "")
    start_fails(lab, ["--unix", lab.path("plain")], r"no socket; remove it", data="third")
    good(c)
    with c.connect("unix") as s:
        s.send(FRAME)
        s.ack()
    c.kill()
    astro.check(os.path.exists(lab.path("c.sock")), "left behind by the kill")
    c = lab.collector()
    with c.connect("unix") as s:
        s.send(astro.message("t", T0, {"n": 1}, {"chunk": "new"}))
        astro.equal(s.ack(), "new")


def t_directory_without_rights(lab):
    if os.geteuid() == 0:
        raise astro.Skip("root may write everywhere")
    os.mkdir(lab.path("data"), 0o500)
    start_fails(lab, [], r"cannot open the store.*owner")


def t_flags(lab):
    r = lab.run("astrocollectd", "--dta", "x")
    astro.equal(r.returncode, 2)
    astro.found(r"--dta", r.stderr)
    r = lab.run("astrocollectd", "--help")
    astro.equal(r.returncode, 0)
    astro.found(r"--check-config", r.stdout)
    astro.equal(lab.run("astrocollectd", "--version").returncode, 0)


astro.main(globals())
