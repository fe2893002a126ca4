#!/usr/bin/python3
"""Goal: events come in by every door and mode, whole or not at all, and an ack means they are on disk.

Method: frames built here byte by byte against a live collector; what is stored is read back by the
library (tests/support/rows) from the data directory.
"""
import os
import random
import re
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000
DAY = "2023-11-14T22:13:"


def stamp(second):
    return f"{DAY}{20 + second:02d}Z"


def metadata_of(rows):
    return [r.get("metadata") for r in rows]


def entries(numbers):
    return [[T0, {"n": n}] for n in numbers]


def numbers_of(rows):
    return [r["metadata"]["n"] for r in rows]


def committed(c, count):
    c.wait_metric("astro_store_committed_id", count)


# ---------------------------------------------------------------- modes and doors


def t_one_event_of_each_mode_over_tcp(lab):
    c = lab.collector()
    with c.connect() as s:
        s.send(astro.message("audit.web", T0, {"event_type": "AUTH", "user_id": "u7", "x": 1}))
        s.send(astro.forward("audit", entries([2, 3]), {"size": 2, "chunk": "AAEC"}))
        s.send(astro.packed("audit", entries([4, 5]), {"chunk": "BBEC"}))
        s.send(astro.packed("audit", entries([6]), {"chunk": "CCEC\n"}, as_str=True))
        astro.equal([s.ack(), s.ack(), s.ack()], ["AAEC", "BBEC", "CCEC\n"])
    rows = lab.rows()
    astro.equal([r["id"] for r in rows], [1, 2, 3, 4, 5, 6], "ids are dense")
    first = rows[0]
    astro.equal(first["event_type"], "AUTH")
    astro.equal(first["user_id"], "u7")
    astro.equal(first["service"], "audit")
    astro.equal(first["host"], "127.0.0.1")
    astro.equal(first["timestamp"], stamp(0))
    astro.equal(first["metadata"], {"x": 1})
    astro.equal(numbers_of(rows[1:]), [2, 3, 4, 5, 6])


def t_captured_frames_of_real_clients(lab):
    """The bytes of the protocol's vectors, as clients sent them."""
    frames = [
        "93 AA6170702E666F6C6C6F77 D7006B00897F0B1B228F 82A466726F6DA57573657241A16E01",
        "93 A3617070 CE6B00897F 81A16BA176",
        "94 AA646F636B65722E616263 D26553F100 81A36C6F67A26869 80",
        "94 AA646F636B65722E616263 D7006553F100075BCD15 81A36C6F67A26869 80",
        "94 AA646F636B65722E616263 D26553F100 81A36C6F67A26869 81A56368756E6BB8"
        "415046545A514141414142532F66774849594A6C54513D3D",
        "93 A56170702E78 C40C92CE6B008DE381A16DA26869 82A473697A6501A56368756E6BB8"
        "385742434B412F4558544D64555871527838466837513D3D",
        "93 A56170702E78 CB427A1FA183D84000 82A16DA26869A16900",
    ]
    c = lab.collector()
    with c.connect() as s:
        for f in frames:
            s.send(bytes.fromhex(f.replace(" ", "")))
        astro.equal(s.ack(), "APFTZQAAAABS/fwHIYJlTQ==")
        astro.equal(s.ack(), "8WBCKA/EXTMdUXqRx8Fh7Q==")
        committed(c, 7)
    rows = lab.rows()
    astro.equal([r["service"] for r in rows], ["app", "app", "docker", "docker", "docker", "app", "app"])
    astro.equal(rows[0]["metadata"], {"from": "userA", "n": 1})
    astro.equal(rows[2]["description"], "hi")
    astro.equal(rows[3]["timestamp"], "2023-11-14T22:13:20.123456789Z")
    astro.check(rows[6]["timestamp"].endswith("Z") and "." in rows[6]["timestamp"], rows[6])


def t_unix_socket_and_udp(lab):
    c = lab.collector()
    with c.connect("unix") as s:
        s.send(astro.forward("local", entries([1]), {"chunk": "u"}))
        astro.equal(s.ack(), "u")
    with c.udp() as u:
        u.send(astro.message("far", T0, {"n": 2}, {"chunk": "ignored"}))
        u.send(astro.packed("far", entries([3, 4])))
        u.send(astro.forward("far", entries([5])))
        committed(c, 5)
    rows = lab.rows()
    astro.equal(numbers_of(rows), [1, 2, 3, 4, 5])
    astro.equal(rows[0]["host"], socket.gethostname())
    astro.equal(rows[1]["host"], "127.0.0.1")
    astro.equal(c.metric('astro_collector_events_total{door="unix"}'), 1)
    astro.equal(c.metric('astro_collector_events_total{door="udp"}'), 4)


def t_ipv6_and_every_address(lab):
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
    except OSError as e:
        raise astro.Skip(f"no IPv6 here: {e}") from None
    c = lab.collector(["--forward", "*:0"])
    port = astro.split_address(c.address("forward"))[1]
    for host in ("::1", "127.0.0.1"):
        with astro.Client((host, port)) as s:
            s.send(astro.message("t", T0, {"n": 1}, {"chunk": host}))
            astro.equal(s.ack(), host)
    astro.equal([r["host"] for r in lab.rows()], ["::1", "127.0.0.1"])
    c.wait_log("listens beyond this machine")


def t_heartbeats(lab):
    c = lab.collector()
    with c.udp() as u:
        u.send(b"\0")
        astro.equal(u.recv(), b"\0")
    with c.connect() as s:
        s.send(b"\xc0\xc0" + astro.message("t", T0, {"n": 1}, {"chunk": "c"}) + b"\xc0")
        astro.equal(s.ack(), "c")
    c.connect().close()
    c.wait_metric('astro_collector_heartbeats_total{door="tcp"}', 3)
    astro.equal(c.metric('astro_collector_heartbeats_total{door="udp"}'), 1)
    astro.check("closed" not in c.log, "a heartbeat is no reason for a log line")


# ---------------------------------------------------------------- frames in pieces


def t_split_at_every_byte(lab):
    frame = astro.packed("audit.x", entries([1, 2]), {"chunk": "AAEC", "size": 2})
    c = lab.collector()
    with c.connect() as s:
        for cut in range(1, len(frame)):
            s.send(frame[:cut].replace(b"AAEC", b"%04d" % cut))
            s.send(frame[cut:].replace(b"AAEC", b"%04d" % cut))
        count = len(frame) - 1
        # The id itself may have been cut in two, and then was not renumbered: those are repeats.
        for _ in range(count):
            s.ack()
        for byte in frame.replace(b"AAEC", b"slow"):
            s.send(bytes([byte]))
        astro.equal(s.ack(), "slow")
    rows = lab.rows()
    astro.equal(len(rows) + 2 * int(c.metric("astro_collector_repeats_total")), 2 * count + 2)
    astro.equal(set(numbers_of(rows)), {1, 2})


def t_half_a_frame_is_nothing(lab):
    c = lab.collector()
    frame = astro.forward("t", entries(range(1000)), {"chunk": "half"})
    for cut in (1, 20, len(frame) // 2, len(frame) - 1):
        with c.connect() as s:
            s.send(frame[:cut])
            if cut % 2:
                s.reset()
    c.wait_metric("astro_collector_frames_cut_total", 4)
    with c.connect() as s:
        s.send(frame)
        astro.equal(s.ack(), "half")
    astro.equal(numbers_of(lab.rows()), list(range(1000)))


def t_many_frames_in_one_write(lab):
    c = lab.collector()
    data = b"".join(astro.message("t", T0, {"n": n}, {"chunk": f"c{n}"}) for n in range(5000))
    with c.connect() as s:
        s.send(data)
        astro.equal([s.ack() for _ in range(5000)], [f"c{n}" for n in range(5000)])
    astro.equal(numbers_of(lab.rows()), list(range(5000)))


def t_large_frame_streams_with_bounded_memory(lab):
    """One PackedForward of 60 MB: entries are taken as they come, the frame is one commit."""
    text = "x" * 350
    entry = astro.pack([T0, {"description": text, "n": 1}])
    count = 60_000_000 // len(entry)
    c = lab.collector()
    before = c.rss_mb()
    with c.connect() as s:
        head = astro.pack("big")[:]
        size = count * len(entry)
        s.send(b"\x93" + head + b"\xc6" + size.to_bytes(4, "big"))
        block = entry * 1000
        for at in range(0, count, 1000):
            s.send(block[:len(entry) * min(1000, count - at)])
            if at == count // 2 // 1000 * 1000:
                astro.equal(c.metric("astro_store_committed_id"), 0, "not visible by half")
        s.send(astro.pack({"chunk": "big"}))
        astro.equal(s.ack(120), "big")
    astro.equal(c.metric("astro_store_committed_id"), count)
    astro.equal(c.metric("astro_collector_frames_spilled_total"), 1)
    grown = c.peak_mb() - before
    astro.note(f"{count} events in one frame, memory grew by {grown:.0f} MB")
    # Two seals of 64 MiB may run meanwhile; the frame itself is not held.
    astro.check(grown < 150 * astro.MEMORY_SCALE, f"memory grew by {grown:.0f} MB")
    astro.equal(c.stop(), 0)
    astro.equal(os.listdir(lab.path("data", "tmp")), [])


# ---------------------------------------------------------------- acks


def t_ack_follows_fdatasync(lab):
    """In the order of system calls every ack stands behind an fdatasync that came after its frame."""
    trace = lab.path("trace")
    c = lab.collector(prefix=astro.strace("-s", "16", "-o", trace, "-e",
                                         "trace=fdatasync,sendto,recvfrom"))
    with c.connect() as s:
        for n in range(50):
            s.send(astro.message("t", T0, {"n": n}, {"chunk": f"k{n}"}))
            astro.equal(s.ack(), f"k{n}")
    c.stop()
    synced = 0
    seen, acks = None, 0
    with open(trace, encoding="ascii", errors="replace") as f:
        for line in f:
            if re.search(r"fdatasync(\(\d+\)| resumed>\)) += 0", line):
                synced += 1
            elif re.search(r'recvfrom\(\d+, "\\x94|recvfrom\(\d+, "\\224', line):
                seen = synced
            elif "ack" in line and "sendto" in line:
                acks += 1
                astro.check(seen is not None and synced > seen, f"ack {acks} before its sync")
    astro.equal(acks, 50)


def t_acks_of_other_types(lab):
    c = lab.collector()
    long = "c" * 256
    with c.connect() as s:
        for chunk in (b"\x00\xffbin", long, "", "", "Zm9v\n"):
            s.send(astro.message("t", T0, {"n": 1}, {"chunk": chunk}))
        got = [s.value() for _ in range(5)]
    acks = [v["ack"] for v in got]
    astro.equal(acks[1:], [long, "", "", "Zm9v\n"])
    astro.equal(acks[0].encode("utf-8", "surrogateescape"), b"\x00\xffbin")
    astro.equal(len(lab.rows()), 5)


def t_events_that_can_never_be_stored_are_acked(lab):
    c = lab.collector()
    bad = [[T0, 5], [T0], [T0, None], 7, [T0, {"n": 1}]]
    with c.connect() as s:
        s.send(astro.forward("t", bad, {"chunk": "bad"}))
        s.send(astro.forward("t", [], {"chunk": "none"}))
        s.send(astro.forward("t", entries([2]), {"chunk": "sig", "fluent_signal": 1}))
        s.send(astro.message("t", T0, {f"k{i}": i for i in range(1100)}, {"chunk": "wide"}))
        astro.equal([s.ack() for _ in range(4)], ["bad", "none", "sig", "wide"])
    astro.equal(numbers_of(lab.rows()), [1])
    for reason, n in (("shape", 2), ("record", 1), ("nil", 1), ("limits", 1)):
        astro.equal(c.metric(f'astro_collector_events_dropped_total{{reason="{reason}"}}'), n, reason)
    astro.equal(c.metric("astro_collector_signals_total"), 1)


def t_resent_chunk_is_stored_once(lab):
    frame = astro.forward("t", entries([1, 2, 3]), {"chunk": "once"})
    other_tag = astro.forward("u", entries([4]), {"chunk": "once"})
    c = lab.collector()
    with c.connect() as s, c.connect() as s2:
        s.send(frame + frame)
        s2.send(frame)
        astro.equal([s.ack(), s.ack(), s2.ack()], ["once"] * 3)
        s.send(other_tag)
        astro.equal(s.ack(), "once")
    astro.equal(c.metric("astro_collector_repeats_total"), 2)
    astro.equal(c.stop(), 0)
    c = lab.collector()
    with c.connect() as s:
        s.send(frame)
        astro.equal(s.ack(), "once")
    c.kill()
    c = lab.collector()
    with c.connect() as s:
        s.send(frame + other_tag + astro.forward("t", entries([5]), {"chunk": "new"}))
        astro.equal([s.ack(), s.ack(), s.ack()], ["once", "once", "new"])
    astro.equal(numbers_of(lab.rows()), [1, 2, 3, 4, 5])


def t_half_closed_client_still_gets_its_acks(lab):
    c = lab.collector()
    with c.connect() as s:
        for n in range(100):
            s.send(astro.message("t", T0, {"n": n}, {"chunk": str(n)}))
        s.sock.shutdown(socket.SHUT_WR)
        astro.equal([s.ack() for _ in range(100)], [str(n) for n in range(100)])
        astro.check(s.closed_by_peer())


# ---------------------------------------------------------------- order, pressure, failure


def t_connections_at_once(lab):
    c = lab.collector()
    rng = random.Random(7)
    clients = [c.connect("unix" if i % 3 == 0 else "forward") for i in range(30)]
    want = []
    for n in range(600):
        s = rng.choice(clients)
        s.send(astro.message("t", T0, {"n": n}, {"chunk": f"x{n}"}))
        want.append((s, f"x{n}"))
    for s, chunk in want:
        astro.equal(s.ack(), chunk)
    for s in clients:
        s.close()
    astro.equal(sorted(numbers_of(lab.rows())), list(range(600)))


def t_slow_disk_is_back_pressure(lab):
    """With 50 ms for each sync everything is stored and acked; reading stopped meanwhile."""
    c = lab.collector(prefix=astro.strace("--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync",
                                         "-e", "inject=fdatasync:delay_enter=50000"))
    text = "y" * 1000
    frames = [astro.packed("t", [[T0, {"n": n * 100 + i, "t": text}] for i in range(100)],
                           {"chunk": f"p{n}"}) for n in range(200)]
    with c.connect() as s:
        sender = threading.Thread(target=s.send, args=(b"".join(frames),), daemon=True)
        sender.start()
        astro.equal([s.ack(60) for _ in frames], [f"p{n}" for n in range(len(frames))])
        sender.join()
    astro.note(f"20 MB through a disk of 50 ms a sync: peak {c.peak_mb():.0f} MB, "
               f"{c.metric('astro_store_commits_total'):.0f} commits")
    astro.check(c.peak_mb() < 60 * astro.MEMORY_SCALE, f"{c.peak_mb()} MB")
    astro.check(c.metric("astro_collector_stalls_total") > 0, "reading never stopped")
    astro.equal(len(lab.rows()), 20000)


def t_failing_sync_stops_acks_and_heals(lab):
    """The third to the sixth fdatasync fail: no ack for them, then everything exactly once."""
    c = lab.collector(prefix=astro.strace("-o", "/dev/null", "-e", "trace=fdatasync",
                                         "-e", "inject=fdatasync:error=EIO:when=12..15"))
    with c.connect() as s:
        for n in range(40):
            s.send(astro.message("t", T0, {"n": n}, {"chunk": f"e{n}"}))
            astro.equal(s.ack(), f"e{n}")
    c.wait_log("nothing is acknowledged until it works again")
    c.wait_log("works again; everything that waited is stored")
    astro.check(c.metric("astro_store_journal_failures_total") >= 1)
    astro.equal(c.get("/readyz").status, 200)
    astro.equal(numbers_of(lab.rows()), list(range(40)))
    astro.equal(c.stop(), 0)
    astro.equal(numbers_of(lab.rows()), list(range(40)))


# ---------------------------------------------------------------- running


def t_sigterm_drains_and_seals(lab):
    c = lab.collector()
    with c.connect() as s:
        s.send(astro.packed("t", entries(range(1000)), {"chunk": "a"}))
        astro.equal(s.ack(), "a")
        # Clients without acks write and leave.
        for n in range(1000, 1050):
            with c.connect() as quick:
                quick.send(astro.message("t", T0, {"n": n}))
        s.send(astro.forward("t", entries([1050]), {"chunk": "last"}))
        s.send(astro.forward("t", entries([1]), {"chunk": "half"})[:-3])
        c.signal(signal.SIGTERM)
        astro.equal(s.ack(), "last")
        astro.check(s.closed_by_peer())
    astro.equal(c.wait(), 0)
    astro.equal(sorted(numbers_of(lab.rows())), list(range(1051)))
    astro.check("everything is durable and sealed" in c.log, c.log)
    segments = [f for _, _, files in os.walk(lab.path("data", "seg")) for f in files]
    astro.check(any(f.endswith(".seg") for f in segments), segments)
    c = lab.collector()
    astro.found(r"committed=1051 sealed=1051", c.log)
    with c.connect() as s:
        s.send(astro.message("t", T0, {"n": 1051}, {"chunk": "z"}))
        s.ack()
    astro.equal([r["id"] for r in lab.rows()], list(range(1, 1053)))


def t_ready_line_health_and_metrics(lab):
    c = lab.collector()
    for door in ("forward", "udp", "unix", "http", "data"):
        astro.check(c.address(door), door)
    astro.equal(astro.split_address(c.address("forward"))[1], astro.split_address(c.address("udp"))[1])
    astro.equal(c.get("/healthz").status, 200)
    astro.equal(c.get("/readyz").status, 200)
    astro.equal(c.get("/nothing").status, 404)
    with c.connect() as s:
        s.send(astro.message("t", T0, {"n": 1}, {"chunk": "c"}))
        s.ack()
        m = astro.metrics(c.address("http"))
        astro.equal(m["astro_collector_connections"], 1)
    astro.equal(m["astro_collector_acks_total"], 1)
    astro.equal(m['astro_collector_frames_total{door="tcp"}'], 1)
    astro.equal(m["astro_store_committed_id"], 1)
    astro.check(m["astro_store_commits_total"] >= 1)


def t_sighup_rereads_what_may_be_reread(lab):
    conf = lab.write("a.conf", "[collector]\nconnections_max = 5\n[log]\nlevel = info\n")
    c = lab.collector(["--config", conf])
    astro.equal(c.metric("astro_collector_connections_limit"), 5)
    lab.write("a.conf", "[collector]\nconnections_max = 7\n[store]\nseal_rows = 1000\n")
    c.signal(signal.SIGHUP)
    c.wait_log(r"config: changed .*connections_max")
    c.wait_log(r"restart only.*seal_rows")
    c.wait_log(r"config: reread")
    astro.equal(c.metric("astro_collector_connections_limit"), 7)
    lab.write("a.conf", "[collector]\nconnections_max = many\n")
    c.signal(signal.SIGHUP)
    c.wait_log(r"not reread.*a\.conf:2")
    astro.equal(c.metric("astro_collector_connections_limit"), 7)
    astro.equal(c.stop(), 0)


def t_notifies_the_service_manager(lab):
    path = lab.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as n:
        n.bind(path)
        n.settimeout(astro.DEADLINE)
        heard = []

        def until(word):
            while not any(word in h for h in heard):
                heard.append(n.recv(4096).decode())

        c = lab.collector(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"})
        until("READY=1")
        until("WATCHDOG=1")
        c.signal(signal.SIGHUP)
        until("RELOADING=1")
        c.signal(signal.SIGTERM)
        until("STOPPING=1")
        astro.equal(c.wait(), 0)


def t_check_config(lab):
    good = lab.write("good.conf", "[store]\ndata = /tmp/nowhere\n")
    bad = lab.write("bad.conf", "[store]\ndata = /tmp/x\n\n[collector]\nidle_timeout = soon\nfoo = 1\n")
    r = lab.run("astrocollectd", "--config", good, "--check-config")
    astro.equal(r.returncode, 0, r.stderr)
    astro.found(r"configuration ok\n$", r.stdout)
    astro.check(not os.path.exists("/tmp/nowhere"), "nothing is made")
    r = lab.run("astrocollectd", "--config", bad, "--check-config")
    astro.equal(r.returncode, 2)
    astro.found(r"bad\.conf:5\b.*idle_timeout", r.stderr)
    astro.found(r"bad\.conf:6\b.*foo", r.stderr)
    astro.equal(len(r.stderr.splitlines()), 2, "one line for each mistake")
    classes = lab.write("classes.conf", "[class a]\nkeep = 1d\nmatch = event_type = A or\n")
    for program in "astrocollectd", "astroqueryd", "astrocompact":
        r = lab.run(program, "--config", classes, *(["--check-config"] if program.endswith("d") else []))
        astro.equal(r.returncode, 2, program)
        astro.equal(r.stderr, f"{program}: {classes}:3: [class a] match: column 18: expected a field, "
                              "'not' or '(', found the end\n")


astro.main(globals())
