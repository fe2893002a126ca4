#!/usr/bin/python3
"""Goal: who may send is asked for each door, and a flood from one address leaves others what they need.

Method: several addresses of 127.0.0.0/8 are peers of their own. One floods with connections, datagrams,
bytes, or large frames; another is quiet, and everything it sends is there at the end. Counts decide, not times.
"""
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

LOUD, QUIET = "127.0.0.2", "127.0.0.3"
T0 = 1700000000
AWAY = "astro_collector_turned_away_total"


def collector(lab, conf):
    return lab.collector(["--config", lab.write("a.conf", conf)])


def connect(c, source):
    """A stream from that address; the daemon may close it at once."""
    host, port = astro.split_address(c.address("forward"))
    s = socket.create_connection((host, port), astro.DEADLINE, (source, 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def is_open(s):
    """What is open acknowledges a frame."""
    try:
        s.sendall(astro.message("probe", T0, {"probe": 1}, {"chunk": "p"}))
        return s.recv(512) != b""
    except OSError:
        return False


def ack_of(s, n):
    s.sendall(astro.message("quiet", T0, {"n": n}, {"chunk": f"q-{n}"}))
    got, want = b"", astro.pack({"ack": f"q-{n}"})
    while len(got) < len(want):
        part = s.recv(512)
        astro.check(part, "the quiet peer was turned away")
        got += part
    astro.equal(got, want)


def turned_away(c, door, reason):
    return c.metric(f'{AWAY}{{door="{door}",reason="{reason}"}}')


def t_connections(lab):
    c = collector(lab, "[collector]\nconnections_max = 40\n")
    loud = [connect(c, LOUD) for _ in range(60)]
    astro.wait_for(lambda: turned_away(c, "tcp", "connections") >= 25, "the flood is turned away")
    for n in range(3):
        ack_of(connect(c, QUIET), n)
    astro.equal(sum(is_open(s) for s in loud), 60 - turned_away(c, "tcp", "connections"))
    # Those of the flood that are open work like any other; a limit of its own is changed while they are.
    lab.write("a.conf", "[collector]\nconnections_max = 40\npeer_connections_max = 2\n")
    c.signal(signal.SIGHUP)
    c.wait_log("config: reread")
    astro.wait_for(lambda: c.metric("astro_collector_connections") == 35, "the quiet peer has gone")
    two = [connect(c, QUIET) for _ in range(2)]
    astro.equal([is_open(s) for s in two], [True, True])
    before = turned_away(c, "tcp", "connections")
    astro.check(not is_open(connect(c, QUIET)), "a third connection")
    astro.equal(turned_away(c, "tcp", "connections"), before + 1)
    astro.equal(c.metric("astro_collector_refused_total"), 0, "the gate itself was never full")


def t_allowed_networks(lab):
    c = collector(lab, "[forward]\nallow = 127.0.0.3 10.0.0.0/8, ::1\n[collector]\nhttp_allow = 127.0.0.1\n")
    astro.check(not is_open(connect(c, LOUD)), "a network that is not allowed")
    ack_of(connect(c, QUIET), 1)
    with udp_from(c, LOUD) as loud, udp_from(c, QUIET) as quiet:
        loud.send(astro.message("loud", T0, {"n": 2}))
        quiet.send(astro.message("quiet", T0, {"n": 3}))
        astro.wait_for(lambda: turned_away(c, "udp", "network") == 1, "the datagram is turned away")
    astro.equal(turned_away(c, "tcp", "network"), 1)
    # The unix socket is guarded by its file mode alone.
    with astro.Client(lab.path("c.sock")) as s:
        s.send(astro.message("unix", T0, {"n": 4}, {"chunk": "u"}))
        astro.equal(s.ack(), "u")
    lab.write("a.conf", "[forward]\nallow = 127.0.0.2/31\n[collector]\nhttp_allow = 10.0.0.0/8 127.0.0.1\n")
    c.signal(signal.SIGHUP)
    c.wait_log("config: changed .*allow")
    c.wait_log("config: reread")
    ack_of(connect(c, LOUD), 5)
    lab.write("a.conf", "[forward]\nallow = 127.0.0.1/8\n")
    c.signal(signal.SIGHUP)
    c.wait_log(r"not reread.*a\.conf:2.*\[forward\] allow.*bits behind its prefix")
    ack_of(connect(c, LOUD), 6)
    astro.equal(c.stop(), 0)
    astro.equal(sorted(r["metadata"]["n"] for r in lab.rows()), [1, 3, 4, 5, 6])


def udp_from(c, source):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((source, 0))
    s.connect(astro.split_address(c.address("udp")))
    return s


def t_mistakes_are_named(lab):
    for line, what in (("allow = localhost", "'localhost' is no network"),
                       ("allow = 10.0.0.0/33", "'10.0.0.0/33'"),
                       ("allow = 10.0.0.1/24", "first address of the network")):
        conf = lab.write("bad.conf", f"[forward]\n{line}\n")
        run = lab.run("astrocollectd", "--check-config", "--config", conf, "--data", lab.path("none"))
        astro.check(run.returncode != 0, line)
        astro.found(r"bad\.conf:2: \[forward\] allow: .*" + what.replace("(", r"\("), run.stderr)


def t_datagrams(lab):
    """The flood sends far beyond its rate; of the quiet peer, which stays below it, nothing is lost."""
    c = collector(lab, "[collector]\npeer_rate = 20k\n")
    flood, few = 3000, 60
    frame = astro.message("loud", T0, {"loud": "x" * 1000})
    with udp_from(c, LOUD) as loud, udp_from(c, QUIET) as quiet:
        for i in range(flood):
            loud.send(frame)
            if i % (flood // few) == 0:
                quiet.send(astro.message("quiet", T0, {"n": i}))
        astro.wait_for(lambda: c.metric("astro_collector_datagrams_total") >= flood + few, "all have come")
    lost = turned_away(c, "udp", "rate")
    # A second's worth of 20 KiB at once, and what the rate allows while all this takes.
    astro.check(lost > flood / 2, f"only {lost} turned away")
    astro.equal(c.metric('astro_collector_datagrams_dropped_total{reason="kernel"}'), 0)
    astro.equal(c.stop(), 0)
    rows = lab.rows()
    astro.equal(sum("n" in r["metadata"] for r in rows), few, "of the quiet peer")
    astro.equal(sum("loud" in r["metadata"] for r in rows), flood - lost, "of the flood")


def t_streams(lab):
    """A stream beyond its rate is slowed, and loses nothing."""
    c = collector(lab, "[collector]\npeer_rate = 4M\n")
    with connect(c, LOUD) as loud, connect(c, QUIET) as quiet:
        frame = astro.packed("loud", [[T0, {"loud": "x" * 10000}]] * 100, {"chunk": "l"})
        for _ in range(6):
            loud.sendall(frame)
        astro.wait_for(lambda: c.metric("astro_collector_slowed_total") >= 1, "the flood is slowed")
        for n in range(20):
            ack_of(quiet, n)
        astro.wait_for(lambda: c.metric('astro_collector_events_total{door="tcp"}') >= 120, "all is taken")
    astro.equal(c.stop(), 0)
    astro.equal(len(lab.rows()), 120, "a frame of the same chunk is stored once")


astro.main(globals())
