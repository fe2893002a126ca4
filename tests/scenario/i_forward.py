#!/usr/bin/python3
"""Goal: the parts of Forward that not every client uses work end to end: compression, JSON, the
handshake, messages in parts.

Method: frames built here byte by byte, compressed with Python's gzip and with the command zstd.
"""
import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000


def entries(numbers):
    return b"".join(astro.pack([T0, {"n": n, "text": f"event {n} of a compressed payload"}]) for n in numbers)


def numbers_of(rows):
    return [r["metadata"]["n"] for r in rows]


# ---------------------------------------------------------------- compression


def by_zstd(data):
    if not shutil.which("zstd"):
        raise astro.Skip("the command zstd is not installed")
    return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


def compressed_frames(lab, compress, word):
    c = lab.collector()
    members = compress(entries(range(40))) + compress(entries(range(40, 41))) + compress(entries(range(41, 500)))
    with c.connect() as s:
        s.send(astro.packed("zip", members, {"chunk": "one", "compressed": word, "size": 500}))
        astro.equal(s.ack(), "one")
        # No option, as a str, in pieces of a few bytes.
        frame = astro.packed("zip", compress(entries(range(500, 600))), {"chunk": "two"}, as_str=True)
        for at in range(0, len(frame), 7):
            s.send(frame[at:at + 7])
        astro.equal(s.ack(), "two")
        # The wrong word, and frames that are not compressed around it.
        s.send(astro.packed("zip", entries([600]), {"compressed": word}))
        s.send(astro.packed("zip", compress(entries([601])), {"compressed": "text"}))
        s.send(astro.packed("zip", entries([602]), {"chunk": "three"}))
        astro.equal(s.ack(), "three")
    with c.udp() as u:
        u.send(astro.packed("zip", compress(entries([603])), {"compressed": word}))
        c.wait_metric("astro_store_committed_id", 604)
    astro.equal(numbers_of(lab.rows()), list(range(604)))


def t_gzip_payloads(lab):
    compressed_frames(lab, gzip.compress, "gzip")


def t_zstd_payloads(lab):
    compressed_frames(lab, by_zstd, "zstd")


def dropped(c, reason):
    return c.metric(f'astro_collector_events_dropped_total{{reason="{reason}"}}')


def t_damaged_payloads_are_acked_and_counted(lab):
    """Their client would send them for ever; what came before the damage is kept."""
    c = lab.collector()
    whole = gzip.compress(entries(range(3)))
    with c.connect() as s:
        s.send(astro.packed("zip", whole + whole[:20], {"chunk": "cut"}))
        astro.equal(s.ack(), "cut")
        s.send(astro.packed("zip", b"\x1f\x8b\x08" + bytes(40), {"chunk": "bad"}))
        astro.equal(s.ack(), "bad")
        s.send(astro.packed("zip", b"\x28\xb5\x2f\xfd" + b"\xff" * 40, {"chunk": "worse"}))
        astro.equal(s.ack(), "worse")
        astro.equal(dropped(c, "corrupt"), 3)
        s.send(astro.packed("zip", gzip.compress(entries([3])), {"chunk": "good"}))
        astro.equal(s.ack(), "good")
    c.wait_log("a compressed payload was not read to its end")
    astro.equal(numbers_of(lab.rows()), [0, 1, 2, 3])


def t_bombs_are_dropped_in_bounded_memory(lab):
    c = lab.collector()
    before = c.rss_mb()
    bomb = gzip.compress(b"\x92\x05\xdb\x03\x00\x00\x00" + bytes(48 << 20))
    with c.connect() as s:
        for n in range(3):
            s.send(astro.packed("zip", bomb, {"chunk": f"bomb{n}"}))
            astro.equal(s.ack(60), f"bomb{n}")
        s.send(astro.packed("zip", gzip.compress(entries([1])), {"chunk": "good"}))
        astro.equal(s.ack(), "good")
    astro.equal(dropped(c, "bomb"), 3)
    astro.check(c.peak_mb() - before < 16, f"{before} MiB became {c.peak_mb()}")
    astro.equal(numbers_of(lab.rows()), [1])


def t_idle_connections_hold_no_decompressor(lab):
    """Many connections have sent compressed frames; what they hold afterwards is next to nothing."""
    c = lab.collector()
    frame = [astro.packed("zip", gzip.compress(entries([n])), {"chunk": f"c{n}"}) for n in range(200)]
    clients = [c.connect() for _ in frame]
    for n, s in enumerate(clients):
        s.send(frame[n])
    for n, s in enumerate(clients):
        astro.equal(s.ack(), f"c{n}")
    held = c.metric("astro_collector_stage_bytes")
    astro.check(held < 2 << 20, f"{held} bytes are held")
    for s in clients:
        s.close()
    astro.equal(sorted(numbers_of(lab.rows())), list(range(200)))


# ---------------------------------------------------------------- JSON connections


def answers(s, count):
    """That many JSON values, one after another."""
    s.sock.settimeout(astro.DEADLINE)
    text, out = "", []
    while len(out) < count:
        data = s.sock.recv(4096)
        astro.check(data, f"closed after {out} {text!r}")
        text += data.decode()
        while text:
            try:
                value, end = json.JSONDecoder().raw_decode(text)
            except ValueError:
                break
            out.append(value)
            text = text[end:]
    return out


def t_json_connections(lab):
    c = lab.collector()
    with c.connect() as s:
        s.send(b'["app.web",1700000000,{"n":0,"log":"h\\u00e9 \\"quoted\\""},{"chunk":"c\\n\\"1"}]')
        s.send(b' ["app",[[1700000000.5,{"n":1}],[1700000000,{"n" 2}],[1700000000,{"n":2}]],{"chunk":"c2"}]\n')
        astro.equal(answers(s, 2), [{"ack": 'c\n"1'}, {"ack": "c2"}])
        frame = json.dumps(["app", 1700000000, {"n": 3, "deep": {"list": [1, "]", {"}": None}]}}, {"chunk": "c3"}])
        for byte in frame.encode():
            s.send(bytes([byte]))
        astro.equal(answers(s, 1), [{"ack": "c3"}])
        # A large entry in between is forgotten, not the connection's language.
        s.send(json.dumps(["app", 1700000000, {"n": 4, "log": "x" * 300000}, {"chunk": "c4"}]).encode())
        s.send(b"\n[")
        astro.equal(answers(s, 1), [{"ack": "c4"}])
        s.send(b'"app",1700000000,{"n":5},{"chunk":"c5"}]')
        astro.equal(answers(s, 1), [{"ack": "c5"}])
    rows = lab.rows()
    astro.equal(numbers_of(rows), [0, 1, 2, 3, 4, 5])
    astro.equal(rows[0]["description"], 'h\u00e9 "quoted"')
    astro.equal(rows[0]["service"], "app")
    astro.check(rows[1]["timestamp"].startswith("2023-11-14T22:13:20.5"), rows[1])
    astro.equal(rows[3]["metadata"]["deep"], {"list": [1, "]", {"}": None}]})
    astro.equal(dropped(c, "syntax"), 1)


# ---------------------------------------------------------------- handshake

KEY = "a shared s3cret"


def digest(*parts):
    return hashlib.sha512(b"".join(p if isinstance(p, bytes) else p.encode() for p in parts)).hexdigest()


def greeted(c, door="forward"):
    """A new connection and the options of its HELO."""
    s = c.connect(door)
    helo = s.value()
    astro.equal((helo[0], sorted(helo[1]), len(helo)), ("HELO", ["auth", "keepalive", "nonce"], 2))
    return s, helo[1]


def ping(s, helo, key=KEY, user="", password=None, host="client1", salt="0011223344556677"):
    secret = digest(helo["auth"], user, password) if password is not None else ""
    s.send(astro.pack(["PING", host, salt, digest(salt, host, helo["nonce"], key), user, secret]))
    return s.value()


def takes(s, helo, pong, chunk, salt="0011223344556677"):
    astro.equal((pong[:3], len(pong)), (["PONG", True, ""], 5))
    astro.check(pong[3] not in ("client1", socket.gethostname()), pong)
    astro.equal(pong[4], digest(salt, pong[3], helo["nonce"], KEY))
    s.send(astro.forward("keyed", [[T0, {"n": 1}]], {"chunk": chunk}))
    astro.equal(s.ack(), chunk)
    s.close()


def refused(s, pong, reason):
    astro.equal(pong, ["PONG", False, reason, "", ""])
    astro.check(s.closed_by_peer(), "it is still connected")
    s.close()


def faults(c, reason):
    return c.metric(f'astro_collector_faults_total{{reason="{reason}"}}')


def keyed(lab, **more):
    return lab.collector(env={"ASTRO_FORWARD_SHARED_KEY": KEY, **more})


def t_shared_key(lab):
    c = keyed(lab)
    for door in ("forward", "unix"):
        s, helo = greeted(c, door)
        astro.equal((len(helo["nonce"]), helo["auth"]), (16, b""))
        takes(s, helo, ping(s, helo), f"c {door}")
    s, helo = greeted(c)
    takes(s, helo, ping(s, helo, salt=b"\xff" * 16, host="\u00e9"), "c bin", salt=b"\xff" * 16)
    s, helo = greeted(c)
    refused(s, ping(s, helo, key="another"), "shared_key mismatch")
    s, helo = greeted(c)
    refused(s, ping(s, {**helo, "nonce": bytes(16)}), "shared_key mismatch")
    # A client without a key begins with a frame; others with something else.
    for data in (astro.message("t", T0, {"n": 2}), b"\xc0", b'["t",1,{}]', astro.pack(["PING", 1])):
        s, helo = greeted(c)
        s.send(data)
        refused(s, s.value(), "invalid ping message")
    astro.equal((faults(c, "key"), faults(c, "ping"), faults(c, "json")), (2, 3, 1))
    # The frame may come with the PING, and a heartbeat is no failure.
    c.connect().close()
    s, helo = greeted(c)
    salt = "s"
    s.send(astro.pack(["PING", "h", salt, digest(salt, "h", helo["nonce"], KEY), None, None])
           + astro.forward("keyed", [[T0, {"n": 1}]], {"chunk": "at once"}))
    astro.equal(s.value()[:2], ["PONG", True])
    astro.equal(s.ack(), "at once")
    s.close()
    astro.equal(numbers_of(lab.rows()), [1] * 4)
    astro.check(KEY not in c.log, "the key is in the log")


def t_a_client_that_does_not_answer_the_greeting(lab):
    c = keyed(lab, ASTRO_COLLECTOR_IDLE_TIMEOUT="1s")
    s, _ = greeted(c)
    astro.check(s.closed_by_peer(), "it is waited for no longer")
    with c.connect() as s:
        helo = s.value()[1]
        s.send(astro.pack(["PING", "x" * 5000, "s", "", "", ""]))
        refused(s, s.value(), "invalid ping message")
    astro.equal(len(helo["nonce"]), 16)


def t_users(lab):
    path = lab.write("users", "# name password\nbob  a long pass word\nalice pw\n\n")
    c = keyed(lab, ASTRO_FORWARD_USERS=path)
    for n, (user, password) in enumerate([("alice", "pw"), ("bob", "a long pass word")]):
        s, helo = greeted(c)
        astro.equal(len(helo["auth"]), 16)
        takes(s, helo, ping(s, helo, user=user, password=password), f"c{n}")
    for user, password in (("alice", "px"), ("eve", "pw"), ("", ""), ("bob", "pw")):
        s, helo = greeted(c)
        refused(s, ping(s, helo, user=user, password=password), "username/password mismatch")
    s, helo = greeted(c)
    refused(s, ping(s, helo, key="another", user="alice", password="pw"), "shared_key mismatch")
    astro.equal((faults(c, "user"), faults(c, "key")), (4, 1))
    astro.equal(len(lab.rows()), 2)
    astro.check("pass word" not in c.log, "a password is in the log")


def t_datagrams_beside_a_shared_key(lab):
    c = keyed(lab)
    with c.udp() as u:
        u.send(b"\0")
        astro.equal(u.recv(), b"\0")
        u.send(astro.message("t", T0, {"n": 1}))
        c.wait_metric('astro_collector_datagrams_dropped_total{reason="bad"}', 1)
    astro.equal(c.stop(), 0)
    astro.equal(lab.rows(), [])
    c = keyed(lab, ASTRO_FORWARD_UDP_UNKEYED="yes")
    with c.udp() as u:
        u.send(astro.message("t", T0, {"n": 1}))
        c.wait_metric("astro_store_committed_id", 1)


def t_secrets_are_not_shown(lab):
    env = {"ASTRO_FORWARD_SHARED_KEY": KEY, "ASTRO_CONFIG": ""}
    r = lab.run("astrocollectd", "--check-config", "--data", lab.path("d"), env=env)
    astro.equal(r.returncode, 0, r.stderr)
    astro.check("shared_key = (secret)" in r.stdout and KEY not in r.stdout, r.stdout)
    bad = lab.write("users", "alice pw\nsecretwithoutname\n")
    r = lab.run("astrocollectd", "--check-config", env={**env, "ASTRO_FORWARD_USERS": bad})
    astro.check(r.returncode != 0 and "line 2" in r.stderr and "secretwithoutname" not in r.stderr, r.stderr)
    r = lab.run("astrocollectd", "--check-config", env={"ASTRO_FORWARD_USERS": bad, "ASTRO_CONFIG": ""})
    astro.check(r.returncode != 0 and "shared_key" in r.stderr, r.stderr)
    r = lab.run("astrocollectd", "--check-config", env={**env, "ASTRO_FORWARD_SHARED_KEY": KEY * 100})
    astro.check(r.returncode != 0 and KEY not in r.stderr + r.stdout, r.stderr)


# ---------------------------------------------------------------- messages in parts


def part(text, ident="i", ordinal=1, last=False, **more):
    return {"container_id": "c1", "container_name": "/web", "source": "stdout", "log": text, "partial_message": "true",
            "partial_id": ident, "partial_ordinal": str(ordinal), "partial_last": "true" if last else "false", **more}


def docker(record, **option):
    return astro.message("docker.web", T0, record, option)


def texts(rows):
    return [(r["description"], r.get("flags", [])) for r in rows]


def t_parts_are_joined(lab):
    c = lab.collector()
    with c.connect() as s:
        s.send(docker(part("a" * 500)) + docker(part("x", "j", source="stderr"))
               + docker(part("b" * 500, ordinal=2)) + docker({"log": "between", "source": "stdout"})
               + docker(part("y", "j", 2, True, source="stderr")) + docker(part("c", ordinal=3, last=True)))
        # The form before ids: the last part has no mark.
        old = {"container_id": "c1", "source": "stdout"}
        s.send(docker({**old, "log": "1", "partial_message": "true"}) + docker({**old, "log": "2", "partial_message": "true"})
               + docker({**old, "source": "stderr", "log": "alone"}) + docker({**old, "log": "3"}) + docker({**old, "log": "4"}))
        # In one frame with an ack, as a relay sends them.
        s.send(astro.packed("docker.web", [[T0, part("p", "k")], [T0, part("q", "k", 2, True)]], {"chunk": "c"}))
        astro.equal(s.ack(), "c")
    rows = lab.rows()
    astro.equal(texts(rows), [("between", []), ("xy", []), ("a" * 500 + "b" * 500 + "c", []),
                              ("alone", []), ("123", []), ("4", []), ("pq", [])])
    astro.equal(rows[2]["metadata"], {"container_id": "c1", "container_name": "/web", "source": "stdout"})
    astro.equal(c.metric("astro_collector_messages_joined_total"), 4)


def t_acks_wait_for_the_whole_message(lab):
    """Acks of parts come in order, and no earlier than the message is durable."""
    c = lab.collector()
    with c.connect() as s:
        s.send(docker({"log": "first"}, chunk="0") + docker(part("a"), chunk="1") + docker({"log": "other"}, chunk="2")
               + docker(part("b", ordinal=2, last=True), chunk="3") + docker({"log": "behind"}, chunk="4"))
        astro.equal([s.ack() for _ in range(5)], ["0", "1", "2", "3", "4"])
        astro.equal(sorted(texts(lab.rows())), [("ab", []), ("behind", []), ("first", []), ("other", [])])
        # A resend of all of it is stored once.
        s.send(docker(part("a"), chunk="1") + docker(part("b", ordinal=2, last=True), chunk="3"))
        astro.equal([s.ack(), s.ack()], ["1", "3"])
    astro.equal(c.stop(), 0)
    astro.equal(len(lab.rows()), 4)


def t_a_client_that_waits_gets_its_ack(lab):
    """It sends no further part before the ack of the last: the parts are stored as they came."""
    c = lab.collector()
    with c.connect() as s:
        for n in range(1, 5):
            s.send(docker(part(f"{n}", ordinal=n, last=n == 4), chunk=f"c{n}"))
            astro.equal(s.ack(), f"c{n}")
    rows = lab.rows()
    astro.equal(texts(rows), [(f"{n}", ["partial"]) for n in range(1, 5)])
    astro.equal(rows[1]["metadata"]["partial_ordinal"], "2")
    astro.equal(c.metric("astro_collector_parts_alone_total"), 4)


def t_parts_are_never_lost(lab):
    """The connection ends, or the collector does, before the last part."""
    c = lab.collector()
    with c.connect() as s:
        s.send(docker(part("a")) + docker(part("b", ordinal=2)))
        # Half a frame: what it would have brought is dropped with it.
        s.send(astro.pack("x")[:0] + astro.forward("docker.web", [[T0, part("c", ordinal=3, last=True)]])[:-1])
        c.wait_metric("astro_collector_frames_total{door=\"tcp\"}", 2)
    c.wait_metric("astro_store_committed_id", 2)
    s = c.connect()
    s.send(docker(part("d")) + docker(part("e", ordinal=2), chunk="held"))
    c.wait_metric("astro_collector_frames_total{door=\"tcp\"}", 4)
    astro.equal(c.stop(), 0)
    s.close()
    astro.equal(texts(lab.rows()), [(t, ["partial"]) for t in "abde"])


def t_more_than_may_be_held(lab):
    c = lab.collector()
    with c.connect() as s:
        for n in range(1, 101):
            s.send(docker(part("x" * 16384, ordinal=n, last=n == 100)))
        s.send(astro.message("t", T0, {"log": "end"}, {"chunk": "end"}))
        astro.equal(s.ack(), "end")
        c.wait_metric("astro_store_committed_id", 101)
    rows = [r for r in lab.rows() if r["description"] != "end"]
    astro.equal(sorted(int(r["metadata"]["partial_ordinal"]) for r in rows), list(range(1, 101)))
    astro.check(all(r["flags"] == ["partial"] for r in rows))


# ---- the same, sent again ----


def killed(lab, c):
    """A collector with what the last one had made durable."""
    c.kill()
    lab.daemons.remove(c)
    return lab.collector()


def relayed(chunk, *records):
    """A frame of several records with an id, as a relay sends them."""
    return astro.packed("docker.web", [[T0, r] for r in records], {"chunk": chunk})


def acks(s, *chunks):
    astro.equal([s.ack() for _ in chunks], list(chunks))


def once(lab, whole, parts):
    """These texts are stored, each once, and nothing else."""
    astro.equal(sorted(texts(lab.rows())), sorted([(t, []) for t in whole] + [(t, ["partial"]) for t in parts]))


def t_resent_when_a_part_was_not_stored(lab):
    """Killed when the events of two frames are durable, and the parts of their message may not be."""
    c = lab.collector()
    frames = [relayed("E", {"log": "event 1"}, part("a")), relayed("F", part("b", ordinal=2), {"log": "event 2"})]
    with c.connect() as s:
        s.send(b"".join(frames))
        c.wait_metric("astro_store_committed_id", 2)
    for _ in range(2):
        c = killed(lab, c)
        with c.connect() as s:
            s.send(b"".join(frames) + relayed("G", part("c", ordinal=3, last=True), {"log": "event 3"}))
            acks(s, "E", "F", "G")
        once(lab, ["event 1", "event 2", "event 3"], "abc")


def t_resent_when_all_was_stored(lab):
    """Killed when everything is durable and its client has taken no ack."""
    c = lab.collector()
    frames = (relayed("E", part("x", "j"), {"log": "event 1"}, part("a")) + relayed("F", part("b", ordinal=2))
              + relayed("G", part("c", ordinal=3, last=True), {"log": "event 2"}))
    with c.connect() as s:
        s.send(frames)
        c.wait_metric("astro_store_committed_id", 4)
    c = killed(lab, c)
    with c.connect() as s:
        s.send(frames)
        acks(s, "E", "F", "G")
    astro.equal(c.metric("astro_collector_repeats_total"), 3)
    once(lab, ["event 1", "event 2", "abc"], "x")


def t_resent_frames_of_nothing_but_parts(lab):
    """Their ids are remembered with their messages, of which one is stored before the kill."""
    c = lab.collector()
    frames = relayed("E", part("a"), part("x", "j")) + relayed("F", part("y", "j", 2, True))
    with c.connect() as s:
        s.send(frames)
        c.wait_metric("astro_store_committed_id", 1)
    c = killed(lab, c)
    with c.connect() as s:
        s.send(frames + relayed("G", part("b", ordinal=2, last=True)))
        acks(s, "E", "F", "G")
    once(lab, ["xy"], "ab")


def t_resent_before_anything_was_stored(lab):
    c = lab.collector()
    with c.connect() as s:
        s.send(relayed("E", part("a")))
        c.wait_metric('astro_collector_frames_total{door="tcp"}', 1)
    c = killed(lab, c)
    with c.connect() as s:
        s.send(relayed("E", part("a")) + relayed("F", part("b", ordinal=2, last=True)))
        acks(s, "E", "F")
    got = texts(lab.rows())
    astro.check(got in ([("ab", [])], [("a", ["partial"]), ("b", ["partial"])]), got)


def t_resent_while_the_first_copy_waits(lab):
    """On the same connection, and on another while the first one is still there."""
    c = lab.collector()
    old = {"container_id": "c2", "source": "stdout"}
    frame = relayed("E", {"log": "event"}, part("a"), {**old, "log": "o", "partial_message": "true"})
    with c.connect() as s, c.connect() as other:
        s.send(frame + frame)
        acks(s, "E", "E")
        s.send(relayed("F", part("b", "j")))
        # The two of E, its two messages and F.
        c.wait_metric('astro_collector_frames_total{door="tcp"}', 5)
        other.send(relayed("F", part("b", "j")))
        acks(other, "F")
        acks(s, "F")
        other.send(relayed("G", part("c", "j", 2, True), {**old, "log": "p"}))
        acks(other, "G")
    astro.equal(c.metric("astro_collector_repeats_total"), 2)
    once(lab, ["event", "p"], ["a", "o", "b", "c"])


def t_resent_as_json(lab):
    def frame(chunk, *records):
        return json.dumps(["docker.web", [[T0, r] for r in records], {"chunk": chunk}]).encode()

    c = lab.collector()
    frames = frame("E", {"log": "event"}, part("a"))
    with c.connect() as s:
        s.send(frames)
        c.wait_metric("astro_store_committed_id", 1)
    c = killed(lab, c)
    with c.connect() as s:
        s.send(frames + frame("F", part("b", ordinal=2, last=True)))
        astro.equal(answers(s, 2), [{"ack": "E"}, {"ack": "F"}])
    once(lab, ["event"], "ab")


astro.main(globals())
