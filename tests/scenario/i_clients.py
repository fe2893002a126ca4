#!/usr/bin/python3
"""Goal: the clients that people have deliver their events unchanged, with acks where they have them, and
MANY of them: nothing lost, nothing twice.

Method: the Python and Go clients of Debian (python3-fluent-logger,
golang-github-fluent-fluent-logger-golang-dev) and the npm packages fluent-logger and
@fluent-org/logger, the exact versions of tests/support/npm/package.json installed into the build
directory, send real-looking events; what is stored is compared field by field. Event number i is the
i-th of a list that begins anew at its end, and has the number in its metadata.
"""
import datetime
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import senders

COUNT = 150
MANY = 100_000 if astro.TIME_SCALE == 1 else 10_000
GO_SOURCE = os.path.join(astro.ROOT, "tests", "support", "go", "fluent_send.go")


def events():
    """Events of the product's sample, each with a number, and some that are hard to carry."""
    out = []
    with open(os.path.join(astro.ROOT, "tools", "sample.ndjson"), encoding="utf-8") as f:
        for line in f:
            out.append(json.loads(line))
            if len(out) == COUNT:
                break
    out.append({"timestamp": "2026-11-20T08:00:00.123456789Z", "event_type": "THOUGHT",
                "description": "naïve 日本語 \U0001f30c \0 \\ \" end", "metadata":
                {"deep": {"list": [1, -2, 2.5, None, True, "", [], {}]}, "big": 9007199254740991}})
    for n, event in enumerate(out):
        event.setdefault("metadata", {})["ref"] = n
    return out


def instant(text):
    whole, _, part = text.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(whole), (part + "0" * 9)[:9]


def stored(lab, data):
    """The rows one by one: many are too much to hold."""
    with subprocess.Popen([astro.program("rows"), lab.path(data)], stdout=subprocess.PIPE, text=True,
                          errors="surrogateescape") as rows:
        for line in rows.stdout:
            yield json.loads(line)
    astro.equal(rows.returncode, 0)


def compare(lab, sent, data, count=None):
    """Every event once, every field as it was sent."""
    count = count or len(sent)
    seen = bytearray(count)
    times = [instant(event["timestamp"]) for event in sent]
    for row in stored(lab, data):
        ref = row["metadata"]["ref"]
        seen[ref] += 1
        for field, value in sent[ref % len(sent)].items():
            if field == "timestamp":
                astro.check(row[field] == value or instant(row[field]) == times[ref % len(sent)], f"time of event {ref}")
            elif field == "metadata":
                astro.equal(row[field], {**value, "ref": ref}, f"metadata of event {ref}")
            elif row.get(field) != value:
                astro.equal(row.get(field), value, f"{field} of event {ref}")
    astro.equal(set(seen), {1}, f"times that one of {count} events is there")


def acked(c, at_least=1):
    astro.check(c.metric("astro_collector_acks_total") >= at_least, "nothing was acknowledged")


# ---------------------------------------------------------------- Python


def t_python_client(lab):
    script = lab.write("send.py", """
import json, sys
from fluent import sender, asyncsender
host, port, path, nanos, asynchronous, count = json.loads(sys.argv[1])
make = asyncsender.FluentSender if asynchronous else sender.FluentSender
s = make("clients", host=host, port=port, nanosecond_precision=nanos)
events = json.load(open(path))
for i in range(count):
    event = events[i % len(events)]
    if count > len(events):
        event = {**event, "metadata": {**event["metadata"], "ref": i}}
    if not asynchronous:
        assert s.emit("py", event), s.last_error
    else:
        s.emit("py", event)
s.close()
""")
    probe = subprocess.run(["/usr/bin/python3", "-c", "import fluent.sender"], check=False,
                           stderr=subprocess.PIPE)
    if probe.returncode:
        raise astro.Skip("python3-fluent-logger is not installed")
    for n, (nanos, asynchronous) in enumerate([(False, False), (True, False), (True, True)]):
        sent = events()
        path = lab.write("events.json", json.dumps(sent))
        c = lab.collector(data=f"data{n}")
        for door in ("forward", "unix"):
            part = sent[::2] if door == "forward" else sent[1::2]
            lab.write("events.json", json.dumps(part))
            send_by_python(c, door, script, path, nanos, asynchronous, len(part))
        astro.equal(c.stop(), 0)  # what was written is taken before the end
        compare(lab, sent, f"data{n}")
    c = lab.collector(data="many")
    path = lab.write("events.json", json.dumps(sent))
    send_by_python(c, "forward", script, path, True, False, MANY)
    c.wait_metric("astro_store_committed_id", MANY)
    c.kill()
    compare(lab, sent, "many", MANY)


def send_by_python(c, door, script, *job):
    address = astro.split_address(c.address(door))
    host, port = (address[0], address[1]) if door == "forward" else (f"unix://{address}", 0)
    r = subprocess.run(["/usr/bin/python3", script, json.dumps([host, port, *job])], stderr=subprocess.PIPE,
                       check=False, timeout=120 * astro.TIME_SCALE, text=True)
    astro.equal(r.returncode, 0, r.stderr)


# ---------------------------------------------------------------- npm


def where_of(c, door):
    address = astro.split_address(c.address(door))
    return {"host": address[0], "port": address[1]} if door == "forward" else {"path": address}


def send_by_node(lab, c, script, sent, door="forward", **job):
    where = where_of(c, door)
    path = lab.write("events.json", json.dumps(sent))
    r = subprocess.run(["node", os.path.join(senders.NPM, script), json.dumps({**where, "events": path, **job})],
                       env={**os.environ, "NODE_PATH": senders.npm_clients()}, text=True, check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=120 * astro.TIME_SCALE)
    astro.equal(r.returncode, 0, r.stderr)
    astro.equal(r.stdout.strip(), str(job.get("count", len(sent))), r.stderr)


def each_mode(lab, script, modes, **job):
    senders.npm_clients()
    for n, (mode, ack, door) in enumerate(modes):
        c = lab.collector(data=f"data{n}")
        sent = events()
        send_by_node(lab, c, script, sent, door, mode=mode, ack=ack, **job)
        if ack:
            acked(c)
        c.wait_metric("astro_store_committed_id", len(sent))
        astro.equal(c.stop(), 0)
        compare(lab, sent, f"data{n}")


def many_by_node(lab, script, **job):
    senders.npm_clients()
    c, sent = lab.collector(data="many"), events()
    send_by_node(lab, c, script, sent, mode="PackedForward", ack=True, count=MANY, **job)
    acked(c)
    c.kill()  # what was acknowledged is there
    compare(lab, sent, "many", MANY)


def t_npm_fluent_logger(lab):
    each_mode(lab, "fluent_logger.js",
              [("Message", True, "forward"), ("Message", False, "forward"),
               ("PackedForward", True, "forward"), ("PackedForward", False, "unix")])


def t_npm_fluent_logger_milliseconds(lab):
    each_mode(lab, "fluent_logger.js", [("Message", True, "unix")], millis=True)


def t_npm_fluent_logger_many(lab):
    many_by_node(lab, "fluent_logger.js")


def t_npm_fluent_org_logger(lab):
    """Its patience for an ack is half a second, which is kept unless the test runs on a slow build."""
    patience = int(5000 * astro.TIME_SCALE) if astro.TIME_SCALE > 1 else 0
    each_mode(lab, "fluent_org.js",
              [("PackedForward", True, "forward"), ("Forward", True, "forward"),
               ("Message", True, "forward"), ("PackedForward", False, "unix")], patience=patience)


def t_npm_fluent_org_logger_many(lab):
    """One chunk holds all that waits, and the client reads and writes in one thread: it is given time."""
    many_by_node(lab, "fluent_org.js", patience=60000)


# ---------------------------------------------------------------- Go


def send_by_go(lab, c, sent, door, count, loggers):
    path = lab.write("events.json", json.dumps(sent))
    job = {**where_of(c, door), "events": path, "count": count, "loggers": loggers}
    r = subprocess.run([senders.go_program("go_fluent_send", GO_SOURCE), json.dumps(job)], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=120 * astro.TIME_SCALE, check=False)
    astro.equal(r.returncode, 0, r.stderr)
    astro.equal(r.stdout.strip(), str(count))
    astro.equal(c.metric("astro_collector_acks_total"), count)


def t_go_client(lab):
    """Each event is a frame with an ack; many loggers share what a sync of the disk costs."""
    senders.need_go()
    for door, count, loggers in (("unix", COUNT + 1, 1), ("forward", MANY, 256)):
        c, sent = lab.collector(data=door), events()
        send_by_go(lab, c, sent, door, count, loggers)
        c.kill()  # what was acknowledged is there
        compare(lab, sent, door, count)


astro.main(globals())
