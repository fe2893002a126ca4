#!/usr/bin/python3
"""Goal: every command of astroquery says the same of a daemon and of a directory, byte for byte; exports
that go on from a file neither miss nor repeat; completion and the manual's examples work.

Method: the sample of the quickstart, a query daemon, and the program itself, on pipes and on a pty; the
manual's examples are taken from its source and run in a shell.
"""
import csv
import fcntl
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SAMPLE = os.path.join(ROOT, "tools", "sample.ndjson")
MANUAL = os.path.join(ROOT, "tools", "astroquery.1")
COMPLETION = os.path.join(ROOT, "tools", "completion")
T0 = 1786000000  # 2026-08-06T07:06:40Z
HIDDEN = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x7f\x9b31m\u202etxt.exe\n\t=1+1"
PLAIN = {"TZ": "Europe/Berlin", "LC_ALL": "C.UTF-8"}


def sample():
    with open(SAMPLE, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def feed_sample(lab, c):
    r = lab.run("astrosend", "--to", "tcp://" + c.address("forward"), "--run-id", "sample", "--ndjson", SAMPLE)
    astro.equal(r.returncode, 0, r.stderr)


def feed(c, records, at=T0, chunk="chunk"):
    with c.connect() as s:
        s.send(astro.forward("shop.api", [[at + i, r] for i, r in enumerate(records)], {"chunk": chunk}))
        s.ack()


def run(lab, place, *words, status=0, env=None):
    r = lab.run("astroquery", *words, *place, env={**PLAIN, **(env or {})})
    astro.equal(r.returncode, status, f"exit status of {words}: {r.stderr}")
    return r.stdout


def places(lab):
    return [["--addr", lab.query().address("http")], ["-D", lab.path("data")]]


# ---------------------------------------------------------------- both places


QUESTIONS = [
    ["search", "-n", "20"],
    ["search", "-o", "short-iso", "-n", "5", "--tz", "America/New_York"],
    ["search", "-o", "table", "event_type=ERROR"],
    ["search", "-o", "logfmt", "-n", "all", "-r"],
    ["search", "-o", "json-pretty", "severity>=error"],
    ["search", "--fields", "id,timestamp,metadata.amount,metadata", "-o", "csv", "-n", "all"],
    ["search", "--fields", "severity,metadata.amount", "metadata.amount>200"],
    ["search", "severity<=warning and (declined or metadata.amount>100) and not service=notifier"],
    ["search", "description=~\"(?i)PAYMENT.*[0-9]{3}\"", "-o", "id", "-n", "all"],
    ["search", "-g", "sign-in", "-C", "2"],
    ["search", "-g", "failed", "-A", "1", "-B", "3", "--same-entity", "-r"],
    ["search", "-E", "status [a-z]+ -> packed", "-C", "1", "--same", "user_id,host"],
    ["search", "--after-cursor", "i=300", "--show-cursor", "-o", "id"],
    ["stats"],
    ["stats", "-o", "json"],
    ["stats", "event_type=PAYMENT", "-S", "2026-11-19", "-U", "2026-11-19"],
    ["stats", "--by", "service,event_type", "--top", "5"],
    ["stats", "--by", "severity", "--agg", "count,distinct(user_id),p95(metadata.amount),max(timestamp)"],
    ["stats", "--bucket", "1h", "--agg", "count,sum(metadata.amount)", "event_type=PAYMENT"],
    ["stats", "--histogram"],
    ["stats", "--histogram", "--by", "service", "--color", "always"],
    ["stats", "--histogram", "-o", "csv"],
    ["search", "-p", "error", "--by", "event_type", "-o", "logfmt"],
    ["top", "user_id"],
    ["top", "event_type,service", "--top", "3", "-o", "csv"],
    ["top", "metadata.amount", "-o", "json"],
    ["fields"],
    ["fields", "-o", "json", "event_type=AUTH"],
    ["fields", "service"],
    ["fields", "event_type", "--complete"],
    ["fields", "--complete"],
    ["export"],
    ["export", "-o", "csv", "event_type=AUTH"],
    ["export", "--order", "asc", "-S", "2026-11-19 12:00"],
    ["export", "--order", "desc", "-o", "logfmt", "-p", "warning"],
    ["export", "--fields", "id,user_id,metadata", "-o", "csv"],
]


def t_both_places_say_the_same(lab):
    feed_sample(lab, lab.collector())
    by_http, by_dir = places(lab)
    for words in QUESTIONS:
        want = run(lab, by_dir, *words)
        astro.check(want, f"{words} says nothing")
        astro.equal(run(lab, by_http, *words), want, f"{words}")
    for words in (["stats", "service=none"], ["top", "user_id", "service=none"], ["fields", "service", "service=none"],
                  ["export", "service=none"], ["--histogram", "service=none"]):
        astro.equal(run(lab, by_http, *words, status=1), run(lab, by_dir, *words, status=1), f"{words}")


def t_explain_is_the_same_but_for_what_it_cost(lab):
    feed_sample(lab, lab.collector())
    for place in places(lab):
        for words in (["severity>=error", "and", "not", "service=shop"], ["--entity", "order/ORD-001044"], []):
            out = run(lab, place, "explain", *words)
            astro.found(r"(?m)^(question|meaning)", out)
        out = run(lab, place, "explain", "severity>=error and not service=shop")
        astro.found(r"severity", out)
        astro.found(r"service", out)


# ---------------------------------------------------------------- numbers


def t_numbers_are_those_of_the_sample(lab):
    events = sample()
    feed_sample(lab, lab.collector())
    want = {}
    for e in events:
        want[e["event_type"]] = want.get(e["event_type"], 0) + 1
    for place in places(lab):
        rows = [json.loads(line) for line in run(lab, place, "top", "event_type", "-o", "json").splitlines()]
        astro.equal({r["event_type"]: r["count"] for r in rows}, want)
        astro.equal([r["count"] for r in rows], sorted(want.values(), reverse=True))
        rows = list(csv.DictReader(io.StringIO(run(lab, place, "stats", "--histogram", "-o", "csv"))))
        astro.equal(sum(int(r["count"]) for r in rows), len(events))
        got = [line for line in run(lab, place, "export", "-o", "json").splitlines()]
        astro.equal(len(got), len(events))
        astro.equal([json.loads(line)["description"] for line in got], [e["description"] for e in events])
        lines = run(lab, place, "--fields", "id,metadata.amount", "-o", "json", "-n", "all").splitlines()
        got = {json.loads(line)["id"]: json.loads(line).get("metadata.amount") for line in lines}
        astro.equal(got, {i + 1: e["metadata"].get("amount") for i, e in enumerate(events)})
        astro.found(r"(?m)^314 events from ", run(lab, place, "stats"))


def t_context_is_what_lies_around(lab):
    c = lab.collector()
    feed(c, [{"event_type": "A", "entity_type": "e", "entity_id": f"{n % 3}", "description": f"n{n:02}."}
             for n in range(20)])
    for place in places(lab):
        def shown(*words):
            return re.findall(r"(?m)^(--|[> ] ).*?(n\d\d)?\.?$", run(lab, place, *words))
        def numbers(*words):
            return [(a.strip() or " ") + b for a, b in shown(*words)]
        astro.equal(numbers("-g", "n05", "-C", "1"), [" n04", ">n05", " n06"])
        astro.equal(numbers("-g", "n05", "-A", "2"), [">n05", " n06", " n07"])
        astro.equal(numbers("-E", "n0[57]", "-C", "1"), [" n04", ">n05", " n06", ">n07", " n08"])
        astro.equal(numbers("-E", "n0[58]", "-C", "1"), [" n04", ">n05", " n06", " n07", ">n08", " n09"])
        astro.equal(numbers("-E", "n0[59]", "-C", "1"), [" n04", ">n05", " n06", "--", " n08", ">n09", " n10"])
        astro.equal(numbers("-g", "n05", "-C", "1", "--same-entity"), [" n02", ">n05", " n08"])
        astro.equal(numbers("-E", "n0[56]", "-C", "1", "--same-entity"),
                    [" n02", ">n05", " n08", "--", " n03", ">n06", " n09"])
        astro.equal(numbers("-E", "n(00|19)", "-B", "1"), [">n00", "--", " n18", ">n19"])


# ---------------------------------------------------------------- cursors


def ids(text):
    return [json.loads(line)["id"] for line in text.splitlines()]


def t_exports_go_on_where_they_ended(lab):
    c = lab.collector()
    for i, place in enumerate(places(lab)):
        first = 1 if i == 0 else ids(run(lab, place, "export"))[-1] + 1
        place_file = lab.path(f"place{i}")
        words = ["export", "--cursor-file", place_file]
        if i:
            lab.write(f"place{i}", f"i={first - 1}\n")
        got = []
        for round_ in range(4):
            # An event of long ago is new all the same.
            feed(c, [{"event_type": "X", "description": f"{i} {round_} {n}"} for n in range(1200)],
                 at=T0 - round_ * 86400, chunk=f"c{i}.{round_}")
            got.append(ids(run(lab, place, *words)))
            astro.equal(len(got[-1]), 1200)
            astro.equal(run(lab, place, *words, status=1), "")
        astro.equal(sum(got, []), list(range(first, first + 4800)))
        with open(place_file, encoding="ascii") as f:
            astro.equal(f.read(), f"i={first + 4799}\n")
        # A limit stops where it stops, and the next run goes on from there.
        os.unlink(place_file)
        part = ids(run(lab, place, "search", "-o", "json", "-n", "7", "--cursor-file", place_file))
        astro.equal(part, [1, 2, 3, 4, 5, 6, 7])
        astro.equal(ids(run(lab, place, "search", "-o", "json", "-n", "2", "--cursor-file", place_file)), [8, 9])
        # Filters pass over what they do not want, once.
        os.unlink(place_file)
        some = ids(run(lab, place, *words, f"description:\"{i} 2 119\""))
        astro.equal(len(some), 11)
        astro.equal(run(lab, place, *words, status=1), "")


def t_a_killed_export_repeats_a_little_and_misses_nothing(lab):
    c = lab.collector()
    for part in range(5):
        feed(c, [{"event_type": "X", "description": "x" * 200} for _ in range(4000)], chunk=f"c{part}")
    for i, place in enumerate(places(lab)):
        place_file, out = lab.path(f"place{i}"), lab.path(f"out{i}")
        kills = 0
        while True:
            with open(out, "ab") as f:
                p = subprocess.Popen([astro.program("astroquery"), "export", "--cursor-file", place_file, *place], stdout=f)
                size = os.path.getsize(out)
                # Killed once it has written something, at another place each time.
                while p.poll() is None and os.path.getsize(out) < size + 300_000 * (kills + 1):
                    time.sleep(0)
                if p.poll() is None:
                    p.kill()
                    kills += 1
                if p.wait() == 0:
                    break
                astro.check(kills < 100)
        with open(out, encoding="utf-8") as f:
            lines = f.read().split("\n")
        # A kill in the middle of a line leaves a part of it, which the repeat begins anew behind.
        seen = []
        for line in lines:
            whole = re.search(r'\{"id":(\d+),[^\n]*\}$', line)
            if whole:
                seen.append(int(whole.group(1)))
        astro.equal(sorted(set(seen)), list(range(1, 20001)))
        astro.check(kills >= 1, "it was killed at least once")
        astro.check(len(seen) <= 20000 + kills * 1000, f"{len(seen)} lines, {kills} kills")


def t_one_run_has_the_place(lab):
    feed_sample(lab, lab.collector())
    for place in places(lab):
        p = subprocess.Popen([astro.program("astroquery"), "tail", "-o", "id", "--cursor-file", lab.path("place"), *place],
                             stdout=subprocess.PIPE)
        try:
            # It began with the oldest.
            astro.equal(p.stdout.readline(), b"1\n")
            r = lab.run("astroquery", "export", "--cursor-file", lab.path("place"), *place)
            astro.equal(r.returncode, 3)
            astro.found("another run", r.stderr)
        finally:
            p.send_signal(signal.SIGKILL)
            p.wait()
            p.stdout.close()
        os.unlink(lab.path("place"))


def t_cursors_are_shown_and_taken(lab):
    c = lab.collector()
    feed(c, [{"event_type": "X"}] * 5)
    for i, place in enumerate(places(lab)):
        out = run(lab, place, "-n", "2", "-o", "id", "--show-cursor")
        n = 5 + i * 3
        astro.equal(out, f"{n - 1}\n{n}\n-- cursor: i={n}\n")
        feed(c, [{"event_type": "Y"}] * 3, at=T0 + 100 * (i + 1), chunk=f"more{i}")
        astro.equal(run(lab, place, "-o", "id", "--after-cursor", f"i={n}"), f"{n + 1}\n{n + 2}\n{n + 3}\n")
        astro.equal(run(lab, place, "-o", "id", "--after-cursor", f"i={n}", "event_type=X", status=1), "")


# ---------------------------------------------------------------- slips


def t_a_slip_has_its_place(lab):
    lab.collector()
    for place in places(lab):
        r = lab.run("astroquery", *place, "service=shop and severity>=")
        astro.equal(r.returncode, 2)
        lines = r.stderr.splitlines()
        astro.equal(lines[1], "  service=shop and severity>=")
        astro.equal(lines[2], "  " + " " * len("service=shop and severity>=") + "^")
        r = lab.run("astroquery", *place, "\x1b[2J sevrity=error or x")
        astro.equal(r.returncode, 2)
        astro.check("\x1b" not in r.stderr, repr(r.stderr))
        r = lab.run("astroquery", *place, "stats", "--agg", "sum(x")
        astro.equal(r.returncode, 2, r.stderr)
        r = lab.run("astroquery", *place, "stats", "--by", "nothing")
        astro.equal(r.returncode, 2, r.stderr)


# ---------------------------------------------------------------- terminals


def on_terminal(args, columns=80, env=None):
    """Everything that the program writes to a terminal of that width, and its exit status."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "TZ": "UTC", "LC_ALL": "C.UTF-8", "ASTRO_PAGER": "", **(env or {})})
        os.execv(astro.program("astroquery"), ["astroquery", *args])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    out, end = b"", time.monotonic() + astro.DEADLINE * astro.TIME_SCALE
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            got = os.read(fd, 65536)
        except OSError:
            break
        if not got:
            break
        out += got
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return status, out.decode()


def t_pictures_fit_the_terminal(lab):
    feed_sample(lab, lab.collector())
    place = ["-D", lab.path("data")]
    for columns in (40, 80, 132):
        # The width is set after the program has begun: it is told by its environment.
        env = {"COLUMNS": str(columns)}
        # Eight columns of events want more than a narrow terminal has.
        for words in (["stats", "--histogram"], ["top", "user_id"], ["stats", "--by", "service,event_type"],
                      ["-o", "table", "-n", "50"])[:4 if columns >= 80 else 3]:
            status, out = on_terminal([*words, *place], env=env)
            astro.equal(status, 0)
            for line in re.sub("\x1b\\[[0-9;]*m", "", out).splitlines():
                astro.check(len(line) <= columns, f"{words} on {columns} columns: {line!r}")
    status, out = on_terminal(["stats", "--histogram", *place])
    astro.check("\x1b[31m" in out and "\x1b[32m" in out and "█" in out, out)
    status, out = on_terminal(["stats", "--histogram", *place], env={"NO_COLOR": "1"})
    astro.check("\x1b" not in out and "█" in out, out)
    status, out = on_terminal(["stats", "--histogram", *place], env={"NO_COLOR": "1", "LC_ALL": "C"})
    astro.check("#" in out and not re.search("[^\x00-\x7f]", out), out)
    status, out = on_terminal(["top", "user_id", *place])
    astro.found("█", out)


def t_no_event_drives_a_terminal(lab):
    c = lab.collector()
    feed(c, [{"event_type": HOSTILE, "severity": "info", "entity_type": HOSTILE, "entity_id": HOSTILE,
              "user_id": HOSTILE, "description": HOSTILE, "service": HOSTILE, "host": HOSTILE,
              HOSTILE: {HOSTILE: HOSTILE}}])
    place = ["-D", lab.path("data"), "--color", "never"]
    for words in (["-o", "logfmt"], ["-o", "table"], ["-o", "json-pretty"], ["-o", "short-iso"], ["-C", "1"],
                  ["--fields", "event_type,metadata"], ["--fields", "event_type,metadata", "-o", "csv"],
                  ["--fields", "event_type,metadata", "-o", "verbose"], ["stats"], ["stats", "--by", "event_type"],
                  ["stats", "-o", "json"], ["stats", "-o", "csv"], ["--histogram", "--by", "service"],
                  ["top", "service,host"], ["top", "service,host", "-o", "logfmt"], ["fields"], ["fields", "user_id"],
                  ["explain", f"user_id={HOSTILE}"], ["export"]):
        status, out = on_terminal([*words, *place])
        astro.equal(status, 0, f"{words}: {out}")
        astro.equal(re.findall(HIDDEN, out.replace("\r\n", "\n").replace("\r\n", "\n")), [], f"{words} on a terminal")
    # What a shell is offered is typed as it stands.
    astro.equal(run(lab, ["-D", lab.path("data")], "fields", "user_id", "--complete"), "")


def t_long_work_tells_how_far_it_is(lab):
    """On a terminal of standard error alone."""
    feed_sample(lab, lab.collector())
    main, sub = pty.openpty()
    r = subprocess.run([astro.program("astroquery"), "export", "-D", lab.path("data")], stdout=subprocess.PIPE,
                       stderr=sub, check=False)
    os.close(sub)
    os.close(main)
    astro.equal(r.returncode, 0)
    astro.equal(r.stdout.count(b"\n"), 314)


# ---------------------------------------------------------------- doctor


def t_doctor_says_what_to_do(lab):
    c = lab.collector()
    feed_sample(lab, c)
    q = lab.query()
    http, door = q.address("http"), c.address("http")
    out = run(lab, ["-D", lab.path("data"), "--addr", http, "--collector", door], "doctor")
    astro.check("warn" not in out and "fail" not in out, out)
    astro.found(r"All \d+ checks are well", out)
    rows = [json.loads(line) for line in run(lab, ["-D", lab.path("data")], "doctor", "-o", "json").splitlines()]
    astro.check({"rights", "collector", "disk", "segments", "sidecars", "clock"} <= {r["check"] for r in rows}, rows)
    q.kill()
    out = run(lab, ["--addr", http, "--collector", door], "doctor", status=4)
    astro.found(r"(?s)fail  astroqueryd .*start it", out)
    c.kill()
    out = run(lab, ["-D", lab.path("data")], "doctor", status=1)
    astro.found(r"(?s)warn  collector .*no collector runs.*start it", out)
    os.chmod(lab.path("data"), 0o777)
    astro.found(r"fail  rights ", run(lab, ["-D", lab.path("data")], "doctor", status=4))
    astro.found(r"fail  directory ", run(lab, ["-D", lab.path("nowhere")], "doctor", status=4))
    astro.found(r"fail  format ", run(lab, ["-D", lab.dir], "doctor", status=4))


def t_doctor_finds_what_is_gone(lab):
    c = lab.collector(env={"ASTRO_STORE_SEAL_ROWS": "100"})
    feed_sample(lab, c)
    astro.wait_for(lambda: c.metric("astro_store_sealed_id") >= 300, "most to be sealed")
    c.stop()
    files = [os.path.join(d, n) for d, _, names in os.walk(lab.path("data", "seg")) for n in names]
    sidecar = sorted(f for f in files if f.endswith(".evt"))[0]
    segment = sorted(f for f in files if f.endswith(".seg"))[-1]
    os.unlink(sidecar)
    out = run(lab, ["-D", lab.path("data")], "doctor", status=1)
    astro.found(rf"(?s)warn  sidecars .*{os.path.basename(sidecar)}.*astrocompact", out)
    os.unlink(segment)
    out = run(lab, ["-D", lab.path("data")], "doctor", status=4)
    astro.found(rf"(?s)fail  segments .*{os.path.basename(segment)}.*snapshot", out)


# ---------------------------------------------------------------- completion


def complete(lab, line, env=None):
    """What bash offers at the end of the line."""
    script = (f"source {COMPLETION}/astroquery.bash; COMP_WORDBREAKS=${{BREAKS-=}}; COMP_LINE=$1 COMP_POINT=${{#1}}; "
              "_astroquery; printf '%s\\n' \"${COMPREPLY[@]}\"")
    r = subprocess.run(["bash", "-c", script, "bash", line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=lab.dir,
                       env={**os.environ, "PATH": os.path.dirname(astro.program("astroquery")) + ":" + os.environ["PATH"],
                            **(env or {})}, encoding="utf-8", timeout=60, check=False)
    astro.equal(r.stderr, "", line)
    return [w for w in r.stdout.split("\n") if w]


def t_bash_offers_what_is_there(lab):
    c = lab.collector()
    feed_sample(lab, c)
    feed(c, [{"event_type": "$(touch owned)", "user_id": "a b"}, {"event_type": "PAY;rm"}])
    http, folder = places(lab)
    types = {e["event_type"] for e in sample()}
    for where in (f"-a {http[1]}", f"-D {folder[1]}"):
        astro.equal(set(complete(lab, f"astroquery {where} -t A")), {t for t in types if t.startswith("A")})
        astro.equal(set(complete(lab, f"astroquery {where} event_type=AU")), {"AUTH"})
        astro.equal(set(complete(lab, f"astroquery {where} top sev")), {"severity"})
        astro.equal(set(complete(lab, f"astroquery {where} --by service,host,sev")), {"service,host,severity"})
        astro.check("metadata.amount=" in complete(lab, f"astroquery {where} metadata."), "fields of the metadata")
        # What came in an event is quoted, never run.
        astro.equal(complete(lab, f"astroquery {where} -t $"), [r"\$\(touch\ owned\)"])
        astro.equal(complete(lab, f"astroquery {where} -t PAY;"), [r"PAY\;rm"])
        astro.check(r"a\ b" in complete(lab, f"astroquery {where} -u a"), "a name with a blank")
        astro.check(not os.path.exists(lab.path("owned")))
    astro.check({"stats", "top", "doctor"} <= set(complete(lab, "astroquery ")))
    astro.equal(complete(lab, "astroquery st"), ["stats"])
    astro.equal(complete(lab, "astroquery stats --hist"), ["--histogram"])
    astro.equal(complete(lab, "astroquery -o json"), ["json", "json-pretty"])
    astro.equal(complete(lab, "astroquery --output=cs"), ["csv"])
    astro.equal(complete(lab, "astroquery --output=cs", {"BREAKS": " "}), ["--output=csv"])


def t_completion_is_quiet_without_a_daemon(lab):
    began = time.monotonic()
    astro.equal(complete(lab, "astroquery -a 127.0.0.1:1 -t A"), [])
    astro.equal(complete(lab, "astroquery -D nowhere -t A"), [])
    astro.check(time.monotonic() - began < 10 * astro.TIME_SCALE)


def t_the_other_shells_can_read_theirs(lab):
    for shell, name in (("zsh", "_astroquery"), ("fish", "astroquery.fish")):
        if not shutil.which(shell):
            astro.note(f"{shell} is not installed: its completion was not read")
            continue
        r = subprocess.run([shell, "-n", os.path.join(COMPLETION, name)], stderr=subprocess.PIPE, check=False)
        astro.equal(r.returncode, 0, r.stderr)


# ---------------------------------------------------------------- the manual


def examples():
    with open(MANUAL, encoding="utf-8") as f:
        return re.findall(r"(?m)^\.Dl \$ (.+)$", f.read())


def t_the_manuals_examples_run(lab):
    c = lab.collector()
    feed_sample(lab, c)
    q = lab.query()
    found = examples()
    astro.check(len(found) >= 15, f"{len(found)} examples")
    env = {**os.environ, **PLAIN, "ASTRO_ADDR": q.address("http"), "PAGER": "cat",
           "PATH": os.path.dirname(astro.program("astroquery")) + ":" + os.environ["PATH"]}
    for line in found:
        command = line.replace("/var/lib/astrolabe", lab.path("data"))
        command = re.sub(r"^astroquery doctor", f"astroquery doctor --collector {c.address('http')}", command)
        p = subprocess.Popen(["bash", "-c", "exec " + command], cwd=lab.dir, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        if " tail" in command or " -f" in command:
            astro.check(p.stdout.readline(), line)
            p.terminate()
            p.communicate()
            continue
        out, err = p.communicate(timeout=60)
        astro.equal(p.returncode, 0, f"$ {line}: {err.decode()}")
        astro.check(out or ">" in line, f"$ {line} shows nothing")
    with open(lab.path("events.ndjson"), encoding="utf-8") as f:
        astro.equal(len(f.readlines()), 314)


def t_every_command_has_its_help(lab):
    out = lab.run("astroquery", "--help").stdout
    commands = re.findall(r"(?m)^  ([a-z]+)  +\S", out[out.index("Commands"):out.index("EXPRESSION:")])
    astro.equal(sorted(commands), sorted("search tail stats top fields export explain doctor".split()))
    for command in commands:
        r = lab.run("astroquery", command, "--help")
        astro.equal(r.returncode, 0)
        astro.found("^usage: astroquery", r.stdout)
        for flag in ("--utc", "--tz", "--addr", "--directory", "--color", "--no-pager", "--quiet", "--output"):
            astro.found(flag + r"\b", r.stdout)


if __name__ == "__main__":
    astro.main(globals())
