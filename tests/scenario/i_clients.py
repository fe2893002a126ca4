#!/usr/bin/python3
"""Goal: the clients that people have deliver their events unchanged, with acks where they have them.

Method: the Python client of Debian (python3-fluent-logger) and the npm packages fluent-logger and
@fluent-org/logger, the exact versions of tests/support/npm/package.json installed into the build
directory, send real-looking events; what is stored is compared field by field.
"""
import datetime
import functools
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

COUNT = 150
NPM = os.path.join(astro.ROOT, "tests", "support", "npm")
NPM_DIR = os.path.join(astro.BUILD, "npm-clients")


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


def compare(lab, sent, data):
    """Every event once, every field as it was sent."""
    stored = lab.rows(data)
    rows = {r["metadata"]["ref"]: r for r in stored}
    astro.equal((len(stored), len(rows)), (len(sent), len(sent)))
    for event in sent:
        row = rows[event["metadata"]["ref"]]
        for field, value in event.items():
            if field == "timestamp":
                astro.equal(instant(row[field]), instant(value), field)
            else:
                astro.equal(row.get(field), value, f"{field} of event {event['metadata']['ref']}")


def acked(c, at_least=1):
    astro.check(c.metric("astro_collector_acks_total") >= at_least, "nothing was acknowledged")


# ---------------------------------------------------------------- Python


def t_python_client(lab):
    script = lab.write("send.py", """
import json, sys
from fluent import sender, asyncsender
host, port, path, nanos, asynchronous = json.loads(sys.argv[1])
make = asyncsender.FluentSender if asynchronous else sender.FluentSender
s = make("clients", host=host, port=port, nanosecond_precision=nanos)
for event in json.load(open(path)):
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
            address = astro.split_address(c.address(door))
            host, port = (address[0], address[1]) if door == "forward" else (f"unix://{address}", 0)
            part = sent[::2] if door == "forward" else sent[1::2]
            lab.write("events.json", json.dumps(part))
            r = subprocess.run(["/usr/bin/python3", script,
                                json.dumps([host, port, path, nanos, asynchronous])],
                               stderr=subprocess.PIPE, check=False, timeout=60, text=True)
            astro.equal(r.returncode, 0, r.stderr)
        astro.equal(c.stop(), 0)  # what was written is taken before the end
        compare(lab, sent, f"data{n}")


# ---------------------------------------------------------------- npm


def npm_clients():
    """Installs the exact versions once per build directory; tried once per run."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise astro.Skip(f"{tool} is not installed")
    modules = os.path.join(NPM_DIR, "node_modules")
    with open(os.path.join(NPM, "package.json"), encoding="utf-8") as f:
        wanted = json.load(f)["devDependencies"]
    if not all(version_of(modules, name) == v for name, v in wanted.items()):
        why = npm_install()
        if why:
            raise astro.Skip(f"npm could not install the clients: {why}")
    return modules


@functools.lru_cache(maxsize=None)
def npm_install():
    """Why it did not work, or nothing."""
    os.makedirs(NPM_DIR, exist_ok=True)
    shutil.copy(os.path.join(NPM, "package.json"), NPM_DIR)
    try:
        r = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
                            "--no-package-lock", "--fetch-retries=1", "--fetch-timeout=30000"],
                           cwd=NPM_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return "no answer in 180 s"
    return (r.stdout.strip().splitlines() or ["no reason given"])[-1] if r.returncode else None


def version_of(modules, name):
    try:
        with open(os.path.join(modules, name, "package.json"), encoding="utf-8") as f:
            return json.load(f)["version"]
    except OSError:
        return None


def send_by_node(lab, c, script, sent, door="forward", **job):
    address = astro.split_address(c.address(door))
    where = {"host": address[0], "port": address[1]} if door == "forward" else {"path": address}
    path = lab.write("events.json", json.dumps(sent))
    r = subprocess.run(["node", os.path.join(NPM, script), json.dumps({**where, "events": path, **job})],
                       env={**os.environ, "NODE_PATH": npm_clients()}, text=True, check=False,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=120 * astro.TIME_SCALE)
    astro.equal(r.returncode, 0, r.stderr)
    astro.equal(r.stdout.strip(), str(len(sent)), r.stderr)


def each_mode(lab, script, modes, **job):
    npm_clients()
    for n, (mode, ack, door) in enumerate(modes):
        c = lab.collector(data=f"data{n}")
        sent = events()
        send_by_node(lab, c, script, sent, door, mode=mode, ack=ack, **job)
        if ack:
            acked(c)
        c.wait_metric("astro_store_committed_id", len(sent))
        astro.equal(c.stop(), 0)
        compare(lab, sent, f"data{n}")


def t_npm_fluent_logger(lab):
    each_mode(lab, "fluent_logger.js",
              [("Message", True, "forward"), ("Message", False, "forward"),
               ("PackedForward", True, "forward"), ("PackedForward", False, "unix")])


def t_npm_fluent_logger_milliseconds(lab):
    each_mode(lab, "fluent_logger.js", [("Message", True, "unix")], millis=True)


def t_npm_fluent_org_logger(lab):
    """Its patience for an ack is half a second, which is kept unless the test runs on a slow build."""
    patience = int(5000 * astro.TIME_SCALE) if astro.TIME_SCALE > 1 else 0
    each_mode(lab, "fluent_org.js",
              [("PackedForward", True, "forward"), ("Forward", True, "forward"),
               ("Message", True, "forward"), ("PackedForward", False, "unix")], patience=patience)


astro.main(globals())
