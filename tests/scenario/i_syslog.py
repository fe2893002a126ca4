#!/usr/bin/python3
"""Goal: syslog comes in by TCP, UDP and the unix socket, in every form and framing, and nothing is lost.

Method: messages built here byte by byte, and every line of the shared raw logs, against a live
collector; what is stored is read back by the library (tests/support/rows) and compared.
"""
import datetime
import json
import lzma
import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

UTC = {"ASTRO_SYSLOG_ZONE": "UTC"}


def collector(lab, *args, env=None, **more):
    return lab.collector(["--syslog-unix", lab.path("log.sock"), *args],
                         env={**UTC, **(env or {})}, **more)


def events(c, door="tcp"):
    return c.metric(f'astro_collector_events_total{{door="syslog_{door}"}}')


def taken(c, count, door="tcp"):
    astro.wait_for(lambda: events(c, door) >= count, f"{count} events of syslog by {door}")


def stored(lab, c):
    astro.equal(c.stop(), 0)
    return lab.rows()


def send_tcp(c, data, piece=None):
    with c.connect("syslog") as s:
        for at in range(0, len(data), piece or len(data)):
            s.send(data[at:at + (piece or len(data))])


def unix_socket(c):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.settimeout(astro.DEADLINE * astro.TIME_SCALE)
    s.connect(c.address("syslog_unix"))
    return s


def udp_socket(c):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(astro.split_address(c.address("syslog_udp")))
    return s


def fields(row, *names):
    return [row.get(name) for name in names]


# ---------------------------------------------------------------- fields


def t_rfc_5424(lab):
    c = collector(lab)
    send_tcp(c, b'<165>1 2003-10-11T22:14:15.003Z web1 shop 77 ID47 '
                b'[order@1 nr="7" q="a\\"b\\]"][x@1] \xef\xbb\xbfpaid\n'
                b'<86>1 - - sshd - - - signed in\n')
    taken(c, 2)
    one, two = stored(lab, c)
    astro.equal(fields(one, "timestamp", "event_type", "severity", "service", "host", "description"),
                ["2003-10-11T22:14:15.003Z", "ID47", "notice", "shop", "web1", "paid"])
    astro.equal(one["metadata"], {"facility": "local4", "procid": "77", "msgid": "ID47",
                                  "sd": {"order@1": {"nr": "7", "q": 'a"b]'}, "x@1": True}})
    astro.equal(fields(two, "event_type", "severity", "service", "host", "metadata"),
                ["AUTH", "info", "sshd", "127.0.0.1", {"facility": "authpriv"}])


def t_rfc_3164(lab):
    c = collector(lab)
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    send_tcp(c, b"<35>%s vm su[9]: failed\n<14>hello world\nno header\n"
             % now.strftime("%b %e %H:%M:%S").encode())
    taken(c, 3)
    one, two, three = stored(lab, c)
    astro.equal(fields(one, "timestamp", "event_type", "severity", "service", "host", "description"),
                [now.strftime("%Y-%m-%dT%H:%M:%SZ"), "AUTH", "error", "su", "vm", "failed"])
    astro.equal(one["metadata"], {"facility": "auth", "procid": "9"})
    astro.equal(fields(two, "event_type", "severity", "service", "description"),
                ["LOG", "info", None, "hello world"])
    astro.equal(fields(three, "description", "metadata"),
                ["no header", {"facility": "user", "parse_error": "no_pri,no_header"}])


def t_what_is_configured(lab):
    c = collector(lab, env={"ASTRO_SYSLOG_ZONE": "+02:00", "ASTRO_SYSLOG_EVENT_TYPE": "HOSTS",
                            "ASTRO_SYSLOG_JSON": "yes"})
    send_tcp(c, b'<11>Feb  1 10:00:00 vm app: text\n'
                b'<11>1 - - - - M [a event_type="PAYMENT" user_id="u1"] x\n'
                b'<14>Feb  1 10:00:00 vm app: @cee: {"msg": "m", "type": "T", "n": {"a": [1]}}\n')
    taken(c, 3)
    astro.equal(c.metric("astro_collector_syslog_json_total"), 1)
    one, two, three = stored(lab, c)
    astro.equal((one["event_type"], one["timestamp"][4:]), ("HOSTS", "-02-01T08:00:00Z"))
    astro.equal(fields(two, "event_type", "user_id"), ["PAYMENT", "u1"])
    astro.equal(fields(three, "event_type", "service", "host", "description", "metadata"),
                ["T", "app", "vm", "m", {"facility": "user", "n": {"a": [1]}}])


def t_a_zone_that_is_none(lab):
    c = lab.start("astrocollectd", ["--data", lab.path("data"), "--forward", "", "--http", "",
                                    "--syslog", "127.0.0.1:0"], ready=False,
                  env={"ASTRO_SYSLOG_ZONE": "CET"})
    astro.equal(c.wait(), 1)
    astro.found(r"zone of \[syslog\] is 'CET', and must be", c.log)


# ---------------------------------------------------------------- framing and doors


def t_framing_is_told_for_each_message(lab):
    c = collector(lab)
    stream = (b"<13>lf one\n23 <13>counted\nwith a line" b"<13>nul\0"
              b"\r\n\n42 is the answer\n11 <13>counted<13>lf two\r\n  indented\nlast")
    for n, piece in enumerate((1, 3, 1000)):
        send_tcp(c, stream, piece)
        taken(c, 8 * (n + 1))
    texts = [r["description"] for r in stored(lab, c)]
    want = ["lf one", "counted\nwith a line", "nul", "42 is the answer", "counted", "lf two",
            "  indented", "last"]
    astro.equal(texts, want * 3)


def t_udp(lab):
    c = collector(lab)
    with udp_socket(c) as s:
        for text in (b"<13>one\n", b"<13>two\nlines\0", b"", b"\xff\xfe bytes"):
            s.send(text)
    taken(c, 3, "udp")
    astro.equal(c.metric('astro_collector_syslog_datagrams_total{door="udp"}'), 4)
    rows = stored(lab, c)
    astro.equal([r["description"] for r in rows], ["one", "two\nlines", "\ufffd\ufffd bytes"])
    astro.equal([r["host"] for r in rows], ["127.0.0.1"] * 3)


def t_unix_socket(lab):
    c = collector(lab)
    path = c.address("syslog_unix")
    astro.equal(oct(os.stat(path).st_mode & 0o777), "0o666")
    with unix_socket(c) as s:
        s.send(b"<86>Nov 20 17:45:55 sshd[3]: signed in")
        s.send(b"<14>Nov 20 17:45:55 two words")
        s.send(b"<14>" + b"x" * 70000)
    taken(c, 3, "unix")
    astro.equal(c.metric('astro_collector_syslog_problems_total{reason="cut"}'), 1)
    one, two, three = stored(lab, c)
    astro.equal(fields(one, "host", "service", "description"),
                [socket.gethostname(), "sshd", "signed in"])
    astro.equal(fields(two, "host", "description"), [socket.gethostname(), "two words"])
    astro.check(len(three["description"]) > 60000, len(three["description"]))
    astro.equal(three["metadata"]["parse_error"], "cut")
    astro.check(not os.path.exists(path), "the socket's path is left")


def t_long_messages_are_cut(lab):
    c = collector(lab)
    send_tcp(c, b"<13>" + b"a" * 70000 + b"\n" + b"70004 <13>" + b"b" * 70000 + b"<13>next\n")
    taken(c, 3)
    one, two, three = stored(lab, c)
    for row in (one, two):
        astro.equal(len(row["description"]), 65536 - 4)
        astro.equal(row["metadata"]["parse_error"], "cut")
    astro.equal(three["description"], "next")


def t_a_message_that_breaks_off(lab):
    c = collector(lab)
    send_tcp(c, b"<13>whole\n100 <13>not all of it")
    send_tcp(c, b"<13>without its end")
    taken(c, 2)
    c.wait_metric('astro_collector_syslog_closed_total{reason="broken"}', 1)
    astro.equal([r["description"] for r in stored(lab, c)], ["whole", "without its end"])


def t_a_message_that_takes_too_long(lab):
    c = collector(lab, env={"ASTRO_FORWARD_FRAME_TIMEOUT": "200ms"})
    with c.connect("syslog") as s:
        s.send(b"<13>half")
        astro.check(s.closed_by_peer(), "it is still open")
    astro.equal(c.metric('astro_collector_syslog_closed_total{reason="slow"}'), 1)
    astro.equal([r["description"] for r in stored(lab, c)], ["half"])


def t_memory_for_parts_of_messages_is_bounded(lab):
    c = collector(lab, env={"ASTRO_COLLECTOR_MEMORY_MAX": "4M"})
    held = []
    for _ in range(100):
        held.append(c.connect("syslog"))
        held[-1].send(b"<13>" + b"x" * 60000)
    c.wait_metric('astro_collector_syslog_closed_total{reason="refused"}', 20)
    astro.check(c.metric("astro_collector_stage_bytes") <= 4 << 20, "more than memory_max")
    send_tcp(c, b"<13>a short one\n")
    taken(c, 1)
    for s in held:
        s.close()


# ---------------------------------------------------------------- nothing is lost


def t_what_the_kernel_holds_at_the_end(lab):
    c = collector(lab)
    c.signal(signal.SIGSTOP)
    for n in range(20):
        send_tcp(c, b"".join(b"<13>tcp %d %d\n" % (n, k) for k in range(500)))
    with udp_socket(c) as s:
        for k in range(200):
            s.send(b"<13>udp 0 %d" % k)
    with unix_socket(c) as s:
        s.setblocking(False)
        local = 0
        try:
            while local < 200:
                s.send(b"<13>unix 0 %d" % local)
                local += 1
        except BlockingIOError:
            pass
    c.signal(signal.SIGTERM)
    c.signal(signal.SIGCONT)
    astro.equal(c.wait(60), 0)
    texts = [r["description"].split() for r in lab.rows()]
    for door, count in (("tcp", 10000), ("udp", 200), ("unix", local)):
        got = [(int(a), int(b)) for d, a, b in texts if d == door]
        astro.equal((len(got), len(set(got))), (count, count), door)


def t_a_full_disk_holds_senders_up(lab):
    st = os.statvfs(lab.dir)

    def conf(hard):
        return lab.write("a.conf", f"[store]\ndisk_soft = 0\ndisk_hard = {hard}\n")

    c = collector(lab, "--config", conf(2 * st.f_blocks * st.f_frsize))
    c.wait_metric('astro_store_disk_below{limit="hard"}', 1)
    peer = c.connect("syslog")
    peer.send(b"".join(b"<13>tcp %d\n" % k for k in range(1000)))
    with udp_socket(c) as s:
        for _ in range(5):
            s.send(b"<13>udp")
    with unix_socket(c) as s:
        s.send(b"<13>unix")
    c.wait_metric('astro_collector_syslog_datagrams_dropped_total{door="udp",reason="disk"}', 5)
    astro.equal(events(c) + events(c, "udp") + events(c, "unix"), 0)
    conf(0)
    c.signal(signal.SIGHUP)
    taken(c, 1000)
    taken(c, 1, "unix")
    peer.close()
    texts = sorted(r["description"] for r in stored(lab, c))
    astro.equal(texts, sorted([f"tcp {k}" for k in range(1000)] + ["unix"]))


def t_a_slow_disk_holds_senders_up(lab):
    """With 50 ms for each sync, and the end told while senders wait: everything that was sent is stored."""
    c = collector(lab, prefix=astro.strace("--seccomp-bpf", "-o", "/dev/null", "-e", "trace=fdatasync",
                                           "-e", "inject=fdatasync:delay_enter=50000"))
    for n in range(3):
        send_tcp(c, b"".join(b"<13>tcp %d %04d %s\n" % (n, k, b"y" * 1000) for k in range(4000)))
    with unix_socket(c) as s:
        for k in range(500):
            s.send(b"<13>unix 0 %04d" % k)
    with c.udp() as s:
        for k in range(500):
            s.send(astro.message("udp", 1700000000, {"msg": "forward 0 %04d" % k}))
    stalls = c.metric("astro_collector_syslog_stalls_total")
    rows = stored(lab, c)
    astro.check(stalls > 0, "reading never stopped")
    astro.check(c.proc.returncode == 0)
    texts = [tuple(r["description"].split()[:3]) for r in rows]
    astro.equal((len(texts), len(set(texts))), (13000, 13000))


def t_many_connections_at_once(lab):
    c = collector(lab)
    peers = [c.connect("syslog") for _ in range(50)]
    for k in range(0, 1000, 100):
        for n, s in enumerate(peers):
            s.send(b"".join(b"<13>app[%d]: message %d\n" % (n, k + i) for i in range(100)))
    for s in peers:
        s.close()
    taken(c, 50000)
    rows = stored(lab, c)
    for n in range(50):
        mine = [r["description"] for r in rows if r["metadata"]["procid"] == str(n)]
        astro.equal(mine, [f"message {k}" for k in range(1000)])


def raw_lines():
    folder = astro.data_file("raw")
    for name in sorted(os.listdir(folder)):
        with lzma.open(os.path.join(folder, name), "rb") as f:
            for line in f:
                if name.endswith(".ndjson.xz"):
                    line = json.loads(line)["line"].encode("utf-8", "surrogateescape")
                yield from (part for part in line.split(b"\n") if part.rstrip(b"\r"))


STAMP = re.compile(r"(<\d+>)?([A-Z][a-z]{2} +\d+( \d{4})? \d\d:\d\d:\d\d([.,]\d+)?( \d{4})?( UTC)?"
                   r"|\S+T\S+|)?:? *$")


HEADER = re.compile(r"<\d+>\d+ \S+ (\S+) (\S+) (\S+) (\S+) (.*?) ?$")


def ietf_parts_of(head, row):
    """The same of RFC 5424: the words of the header, and the structured data written again."""
    m, meta = HEADER.match(head), row["metadata"]
    words = [row["host"], row.get("service", "-"), meta.get("procid", "-"), meta.get("msgid", "-")]
    sd = "".join(f"[{name}" + "".join(f' {k}="{v}"' for k, v in params.items()) + "]"
                 for name, params in meta.get("sd", {}).items())
    return m and [*m.groups()] == [*words, sd or "-"]


def parts_of(line, row):
    """Whether the line is a stamp, the fields taken from it and the text, and nothing else."""
    text = row["description"]
    astro.check(line.endswith(text), lambda: f"{text!r} does not end {line!r}")
    head = line[:len(line) - len(text)]
    if HEADER.match(head):
        return ietf_parts_of(head, row)
    app, procid = row.get("service"), row["metadata"].get("procid")
    if "msgid" in row["metadata"]:
        app = "%" + row["metadata"]["msgid"]
    tag = "" if app is None else app + (f"[{procid}]" if procid is not None else "")
    for host in (row["host"] + " ", ""):
        for end in {tag, tag + " ", tag + ":", tag + ": ", tag + "[]: "}:
            if head.endswith(host + end) and STAMP.match(head[:len(head) - len(host + end)]):
                return True
    return False


def t_every_line_of_real_logs(lab):
    lines = list(raw_lines())
    c = collector(lab)
    send_tcp(c, b"".join(line + b"\n" for line in lines), 1 << 16)
    taken(c, len(lines))
    rows = stored(lab, c)
    astro.equal(len(rows), len(lines))
    whole = 0
    for line, row in zip(lines, rows):
        text = line.rstrip(b"\r").decode("utf-8", "replace")
        if text == row["description"]:
            whole += 1
        else:
            astro.check(parts_of(text, row), lambda t=text, r=row: f"{t!r} is stored as {r!r}")
    astro.note(f"{len(lines)} lines, {whole} of them without a header")


if __name__ == "__main__":
    astro.main(globals())
