#!/usr/bin/python3
"""Goal: the senders of syslog that hosts have deliver every message once, fields right.

Method: logger(1) in all its modes and rsyslogd's omfwd by UDP, TCP and TCP with counted octets send
numbered lines of a file; what is stored is compared line by line, in order where the way keeps it.
"""
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

MANY, SOME = 100000, 10000
RSYSLOGD = "/usr/sbin/rsyslogd"


def lines_file(lab, count):
    lines = [f"message {n} of {count}: naïve <text> \"quoted\" [x] a=b\\" for n in range(count)]
    lab.write("lines.log", "".join(line + "\n" for line in lines))
    return lines


def collector(lab):
    return lab.collector(["--syslog-unix", lab.path("log.sock")])


def port(c, door):
    return astro.split_address(c.address(door))[1]


def stored(lab, c, door, lines):
    """The rows, whose texts are the lines; by UDP without those that the kernel had to drop."""
    events = f'astro_collector_events_total{{door="syslog_{door}"}}'
    drops = 'astro_collector_syslog_datagrams_dropped_total{door="udp",reason="kernel"}'
    astro.wait_for(lambda: c.metric(events) + c.metric(drops) >= len(lines), f"events by {door}", 60)
    dropped = int(c.metric(drops))
    astro.equal(c.stop(), 0)
    rows = lab.rows()
    astro.equal(len(rows), len(lines) - dropped)
    if dropped:
        astro.note(f"the kernel dropped {dropped} datagrams, and counted them")
        rest = iter(lines)
        astro.check(all(r["description"] in rest for r in rows), "a text twice, or none of those sent")
    else:
        astro.equal([r["description"] for r in rows], lines)
    return rows


# ---------------------------------------------------------------- logger


def logger(*args):
    tool = shutil.which("logger")
    if not tool:
        raise astro.Skip("logger is not installed (package bsdutils)")
    done = subprocess.run([tool, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60 * astro.TIME_SCALE, check=False)
    astro.equal((done.returncode, done.stdout), (0, b""), "logger")


def logger_sends(lab, count, door, *mode):
    c = collector(lab)
    lines = lines_file(lab, count)
    to = ["-u", c.address("syslog_unix")] if door == "unix" else \
        ["-n", "127.0.0.1", "-P", str(port(c, "syslog_udp" if door == "udp" else "syslog"))]
    logger(*to, *mode, "-t", "shop", "--id=77", "-p", "local3.warning", "-f", lab.path("lines.log"))
    rows = stored(lab, c, door, lines)
    for row in rows:
        astro.equal((row["service"], row["host"].split(".")[0], row["severity"], row["event_type"],
                     row["metadata"]["procid"], row["metadata"]["facility"], row["metadata"].get("parse_error")),
                    ("shop", socket.gethostname().split(".")[0], "warning", "LOG", "77", "local3", None))
    return rows


def t_logger_by_tcp_counted(lab):
    rows = logger_sends(lab, MANY, "tcp", "-T", "--octet-count")
    astro.check("timeQuality" in rows[0]["metadata"]["sd"], "no structured data")


def t_logger_by_tcp(lab):
    logger_sends(lab, SOME, "tcp", "-T")


def t_logger_by_tcp_rfc_3164(lab):
    logger_sends(lab, SOME, "tcp", "-T", "--rfc3164")


def t_logger_by_tcp_rfc_3164_counted(lab):
    logger_sends(lab, SOME, "tcp", "-T", "--rfc3164", "--octet-count")


def t_logger_by_udp(lab):
    logger_sends(lab, SOME, "udp", "-d")


def t_logger_by_udp_rfc_3164(lab):
    logger_sends(lab, SOME, "udp", "-d", "--rfc3164")


def t_logger_by_the_unix_socket(lab):
    logger_sends(lab, MANY, "unix")


def t_logger_by_the_unix_socket_rfc_5424(lab):
    logger_sends(lab, SOME, "unix", "--rfc5424")


def t_logger_with_structured_data(lab):
    c = collector(lab)
    logger("-n", "127.0.0.1", "-P", str(port(c, "syslog")), "-T", "--octet-count", "-t", "shop", "-p", "auth.err",
           "--msgid", "ORDER", "--sd-id", "order@1", "--sd-param", 'nr="7"', "--sd-param", 'user_id="anna"',
           "order paid")
    row = stored(lab, c, "tcp", ["order paid"])[0]
    astro.equal((row["event_type"], row["user_id"], row["severity"], row["description"], row["service"]),
                ("ORDER", "anna", "error", "order paid", "shop"))
    astro.equal((row["metadata"]["facility"], row["metadata"]["msgid"], row["metadata"]["sd"]["order@1"]),
                ("auth", "ORDER", {"nr": "7"}))


# ---------------------------------------------------------------- rsyslogd

# With two workers, which a long queue gets, the order of lines is not kept.
CONF = """global(workDirectory="{dir}" net.enableDNS="off")
main_queue(queue.workerThreads="1")
module(load="imfile")
input(type="imfile" file="{dir}/lines.log" tag="shop[77]:" severity="warning" facility="local3")
*.* action(type="omfwd" target="127.0.0.1" port="{port}" {how})
"""


def rsyslog_sends(lab, count, door, how):
    if not os.access(RSYSLOGD, os.X_OK):
        raise astro.Skip("rsyslogd is not installed (package rsyslog)")
    c = collector(lab)
    lines = lines_file(lab, count)
    conf = lab.write("rsyslog.conf", CONF.format(dir=lab.dir, how=how, port=port(
        c, "syslog_udp" if door == "udp" else "syslog")))
    daemon = subprocess.Popen([RSYSLOGD, "-n", "-f", conf, "-i", lab.path("rsyslog.pid")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        rows = stored(lab, c, door, lines)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60 * astro.TIME_SCALE)
    for row in rows:
        astro.equal((row["service"], row["severity"], row["metadata"]["procid"], row["metadata"]["facility"],
                     row["metadata"].get("parse_error")), ("shop", "warning", "77", "local3", None))


def t_rsyslog_by_tcp(lab):
    rsyslog_sends(lab, MANY, "tcp", 'protocol="tcp"')


def t_rsyslog_by_tcp_counted_rfc_5424(lab):
    rsyslog_sends(lab, MANY, "tcp", 'protocol="tcp" TCP_Framing="octet-counted" '
                  'template="RSYSLOG_SyslogProtocol23Format"')


def t_rsyslog_by_udp(lab):
    rsyslog_sends(lab, SOME, "udp", 'protocol="udp"')


if __name__ == "__main__":
    astro.main(globals())
