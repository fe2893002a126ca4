#!/usr/bin/python3
"""Goal: rules of the configuration hold for every door, before anything is on disk, and are reread without loss.

Method: a live collector with [rule NAME] sections; what it stored is read back, and every byte of its
data directory is searched for what must not be there.
"""
import os
import re
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000
SECRETS = [b"anna.b@mail.example.org", b"4111 1111 1111 1111", b"378282246310005", b"tok3n.abc-DEF_9", b"hunter2"]
PRIVACY = """
[rule privacy]
mask = email, card, bearer
mask_pattern = password=\\K\\S+
mask_with = [removed]
"""


def with_rules(lab, rules, args=(), **more):
    lab.write("a.conf", rules)
    return lab.collector(["--config", lab.path("a.conf"), *args], **more)


def reread(c):
    """SIGHUP, and the log line that says how it went."""
    since = len(c.lines)
    c.signal(signal.SIGHUP)
    return c.wait_log(r"config: (not )?reread", since=since).group(0)


def rule_metric(c, what, rule):
    return c.metric(f'astro_collector_rule_{what}_total{{rule="{rule}"}}')


def bytes_below(path):
    for folder, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                yield os.path.join(folder, name), f.read()


def nothing_of(lab, needles):
    seen = 0
    for name, data in bytes_below(lab.path("data")):
        seen += len(data)
        for needle in needles:
            astro.check(needle not in data, f"{needle!r} is in {name}")
    return seen


def record(i):
    """An event that has each secret, in texts on several levels."""
    mail, card, short, token, word = (s.decode() for s in SECRETS)
    return {"event_type": "PAYMENT", "description": f"{i}: paid by {mail} with {card}",
            "metadata": {"n": i, "to": [mail, {"deep": {"card": short, "auth": "Bearer " + token}}],
                         "raw": b"password=hunter2", "line": f"login password={word} ok"}}


# ---------------------------------------------------------------- reading


def manual_examples():
    with open(os.path.join(astro.ROOT, "proto", "astrolabe.conf.5"), encoding="utf-8") as f:
        page = f.read()
    page = page[page.index(".Sh RULES ON EVENTS"):]
    return re.search(r"\.Bd -literal.*?\n(.*?)\.Ed", page, re.S).group(1).replace("\\e", "\\")


def t_the_examples_of_the_manual_are_read(lab):
    example = manual_examples()
    lab.write("a.conf", "[class audit]\nkeep = 1d\n" + example)
    r = lab.run("astrocollectd", "--config", lab.path("a.conf"), "--check-config")
    astro.equal(r.returncode, 0, r.stderr)
    for line in example.splitlines():
        astro.check(line in r.stdout, f"{line!r} is not printed")
    # What is printed reads the same.
    lab.write("b.conf", r.stdout.replace("configuration ok", ""))
    again = lab.run("astrocollectd", "--config", lab.path("b.conf"), "--check-config")
    astro.equal(again.stdout[again.stdout.index("[rule"):], r.stdout[r.stdout.index("[rule"):])
    # The other programs pass over them.
    astro.equal(lab.run("astroqueryd", "--config", lab.path("a.conf"), "--check-config").returncode, 0)


def t_mistakes_are_told_with_file_and_line(lab):
    lab.write("a.conf", "[rule a]\nmatch = service >< x\nclass = nowhere\n\n[rule b]\nmask_pattern = a(b\n"
                        "[rule c]\nmap = metadata.x -> usr_id\nbeautify = yes\n")
    r = lab.run("astrocollectd", "--config", lab.path("a.conf"), "--check-config")
    astro.equal(r.returncode, 2)
    at = lab.path("a.conf")
    for told in (f"{at}:2: [rule a] match: column", f"{at}:3: [rule a] class: there is no section [class nowhere]",
                 f"{at}:6: [rule b] mask_pattern: column 4", f"{at}:8: [rule c] map: 'usr_id' is not allowed",
                 f"{at}:9: [rule c] beautify: no such key of a rule"):
        astro.check(told in r.stderr, f"{told!r} is not in {r.stderr!r}")


# ---------------------------------------------------------------- what they do


def t_events_are_dropped_sampled_and_shaped(lab):
    c = with_rules(lab, """
[rule health]
match = description =~ "^GET /healthz"
drop = yes
[rule shape]
match = metadata.app = sshd
event_type = AUTH
severity = notice
map = metadata.uid -> user_id
copy = metadata.peer.addr -> ip_address
map = host -> metadata.origin.host
[rule some]
match = event_type = DEBUG
sample = 1/4
""")
    with c.connect() as s:
        s.send(astro.forward("web", [[T0, {"message": "GET /healthz 200"}], [T0, {"message": "GET / 200"}]],
                             {"chunk": "c1"}))
        s.send(astro.forward("web", [[T0, {"message": "GET /healthz 500"}]], {"chunk": "c2"}))
        s.send(astro.message("os", T0, {"app": "sshd", "uid": 1000, "peer": {"addr": "10.1.2.3", "port": 22}},
                             {"chunk": "c3"}))
        debug = [[T0, {"event_type": "DEBUG", "n": n}] for n in range(400)]
        s.send(astro.forward("app", debug, {"chunk": "c4"}))
        # The same again under another name: the same ones stay.
        s.send(astro.forward("app", debug, {"chunk": "c5"}))
        astro.equal([s.ack() for _ in range(5)], ["c1", "c2", "c3", "c4", "c5"])
        astro.equal(rule_metric(c, "dropped", "health"), 2)
        astro.equal(rule_metric(c, "matched", "some"), 800)
        dropped = rule_metric(c, "dropped", "some")
    c.stop()
    rows = lab.rows()
    astro.equal(rows[0]["description"], "GET / 200")
    ssh = rows[1]
    astro.equal([ssh[k] for k in ("event_type", "severity", "user_id", "ip_address")],
                ["AUTH", "notice", "1000", "10.1.2.3"])
    astro.equal(ssh["metadata"], {"app": "sshd", "peer": {"addr": "10.1.2.3", "port": 22},
                                  "origin": {"host": "127.0.0.1"}})
    astro.check("host" not in ssh)
    stayed = [r["metadata"]["n"] for r in rows[2:]]
    astro.equal(len(stayed), 800 - dropped)
    astro.equal(stayed[:len(stayed) // 2], stayed[len(stayed) // 2:])
    astro.check(60 <= len(stayed) // 2 <= 140, f"{len(stayed)} of 800 stayed")


def t_a_rule_chooses_the_class(lab):
    c = with_rules(lab, """
[class audit]
match = user_id = root
[class noise]
keep = 1d
[rule quiet]
match = metadata.kind = trace
class = noise
""")
    with c.connect() as s:
        s.send(astro.forward("a", [[T0, {"kind": "trace", "user_id": "root"}], [T0, {"user_id": "root"}],
                                   [T0, {"metadata": {"_class": "noise"}}]], {"chunk": "c1"}))
        astro.equal(s.ack(), "c1")
    c.stop()
    names = [n for folder, _, files in os.walk(lab.path("data", "seg")) for n in files if n.endswith(".seg")]
    ids = {n.split(".")[1]: n.split(".")[2] for n in names}
    astro.equal(sorted(ids), ["audit", "default", "noise"], f"{names}")
    astro.equal(ids["noise"], ids["noise"].split("-")[0] + "-" + ids["noise"].split("-")[0], "one event")
    rows = lab.rows()
    astro.equal(rows[0]["metadata"]["_class"], "noise")


# ---------------------------------------------------------------- masks


def send_everywhere(c, frames, entries):
    """The same records by TCP, unix socket and UDP; returns how many."""
    sent = 0
    for door in ("forward", "unix"):
        with c.connect(door) as s:
            for f in range(frames):
                batch = [[T0 + f, record(f * entries + i)] for i in range(entries)]
                s.send(astro.packed("shop", batch, {"chunk": f"{door}-{f}"}))
                astro.equal(s.ack(), f"{door}-{f}")
                sent += entries
    with c.udp() as u:
        for i in range(20):
            u.send(astro.message("shop", T0, record(i)))
            sent += 1
    c.wait_metric("astro_store_committed_id", sent)
    return sent


def check_masked(row):
    astro.check(row["description"].endswith(": paid by [removed] with [removed]"), row["description"])
    m = row["metadata"]
    astro.equal(m["to"], ["[removed]", {"deep": {"card": "[removed]", "auth": "Bearer [removed]"}}])
    astro.equal(m["line"], "login password=[removed] ok")


def t_what_is_masked_is_in_no_byte_of_the_store(lab):
    c = with_rules(lab, PRIVACY)
    sent = send_everywhere(c, 10, 100)
    astro.check(nothing_of(lab, SECRETS) > 0, "the journal holds something")
    astro.equal(rule_metric(c, "masked", "privacy"), sent * 6)
    c.stop()
    astro.check(nothing_of(lab, SECRETS) > 0, "the segments hold something")
    rows = lab.rows()
    astro.equal(len(rows), sent)
    for row in rows:
        check_masked(row)


def t_nor_in_a_frame_that_waits_on_disk(lab):
    """A frame beyond the memory of frames is spilled to tmp: masked as well."""
    c = with_rules(lab, PRIVACY, env={"ASTRO_COLLECTOR_MEMORY_MAX": "4M"})
    batch = astro.pack(*[[T0, record(i)] for i in range(20000)])
    frame = astro.packed("shop", batch, {"chunk": "big"})
    with c.connect() as s:
        s.send(frame[:-40])
        c.wait_metric("astro_collector_spill_bytes", 1 << 20)
        nothing_of(lab, SECRETS)
        s.send(frame[-40:])
        astro.equal(s.ack(), "big")
    nothing_of(lab, SECRETS)
    c.stop()
    rows = lab.rows()
    astro.equal(len(rows), 20000)
    check_masked(rows[-1])


# ---------------------------------------------------------------- reread


def t_rules_are_reread(lab):
    c = with_rules(lab, "[rule a]\nevent_type = ONE\n")
    with c.connect() as s:
        s.send(astro.message("a", T0, {"n": 1}, {"chunk": "c1"}))
        s.ack()
        lab.write("a.conf", "[rule a]\nevent_type = TWO\n[rule b]\nhost = h\n")
        astro.equal(reread(c), "config: reread")
        c.wait_log(r"changed.*\[rule \.\.\.\]")
        s.send(astro.message("a", T0, {"n": 2}, {"chunk": "c2"}))
        s.ack()
        # A mistake changes nothing: neither rules nor anything else.
        lab.write("a.conf", "[log]\nlevel = debug\n[rule a]\nevent_type = X\nsample = 7\n[rule c]\nclass = new\n"
                            "[class new]\nkeep = 1d\n")
        astro.equal(reread(c), "config: not reread")
        c.wait_log(r"a\.conf:5: \[rule a\] sample: ")
        c.wait_log(r"a\.conf:7: \[rule c\] class: there is no section \[class new\], or there was none at the start")
        s.send(astro.message("a", T0, {"n": 3}, {"chunk": "c3"}))
        s.ack()
        astro.equal(rule_metric(c, "matched", "a"), 3, "counted on under one name")
        lab.write("a.conf", "")
        astro.equal(reread(c), "config: reread")
        s.send(astro.message("a", T0, {"n": 4}, {"chunk": "c4"}))
        s.ack()
    c.stop()
    astro.equal([(r.get("event_type"), r["host"]) for r in lab.rows()],
                [("ONE", "127.0.0.1"), ("TWO", "h"), ("TWO", "h"), (None, "127.0.0.1")])


def pump(c, number, frames, failures):
    try:
        with c.connect() as s:
            for f in range(frames):
                chunk = f"{number}-{f}"
                s.send(astro.packed("shop", [[T0, record(i)] for i in range(20)], {"chunk": chunk}))
                astro.equal(s.ack(), chunk)
    except (astro.Failure, OSError) as e:
        failures.append(f"connection {number}: {e}")


def t_rereading_under_load_loses_nothing(lab):
    c = with_rules(lab, PRIVACY)
    failures, connections, frames = [], 6, 60
    threads = [threading.Thread(target=pump, args=(c, n, frames, failures)) for n in range(connections)]
    for t in threads:
        t.start()
    turns = 0
    while any(t.is_alive() for t in threads):
        lab.write("a.conf", PRIVACY + f"[rule turn-{turns}]\nevent_type = T{turns}\nmask_pattern = xx+z\n")
        c.signal(signal.SIGHUP)
        name = f'astro_collector_rule_matched_total{{rule="turn-{turns}"}}'
        astro.wait_for(lambda: name in astro.metrics(c.address("http")), f"{name} is counted")
        turns += 1
    for t in threads:
        t.join()
    astro.equal(failures, [])
    astro.check(turns > 1, "the configuration was reread meanwhile")
    astro.equal(c.metric("astro_collector_accepted_total"), connections)
    c.stop()
    rows = lab.rows()
    astro.equal(len(rows), connections * frames * 20)
    for row in rows:
        check_masked(row)
    nothing_of(lab, SECRETS)


if __name__ == "__main__":
    astro.main(globals())
