"""astro - the harness of the scenario tests: Python's standard library alone, no sleeping for luck.

A scenario file holds functions named t_*, each one failure mode or one promise, the most basic
first, and ends in `astro.main(globals())`. Each function gets a Lab: a temporary directory and the
daemons started in it, all gone when it returns. Output is TAP; when a test fails, the last lines
that its daemons logged are printed with it.

    def t_one_event_is_stored(lab):
        c = lab.collector()
        with c.connect() as s:
            s.send(astro.message("app", 1700000000, {"m": "hi"}, {"chunk": "AAEC"}))
            astro.equal(s.ack(), "AAEC")

Waiting is always for a condition with a deadline: wait_for, Daemon.wait_log, Client.ack. The build
directory comes from ASTRO_BUILD (meson sets it), else ./build. ASTRO_TIME_SCALE stretches every
deadline, for sanitizers, valgrind and slow machines.
"""

import contextlib
import http.client
import inspect
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from astro_msgpack import Ext, Float32, Raw, Short, event_time, pack, unpack  # noqa: F401

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("ASTRO_BUILD", os.path.join(ROOT, "build")))
SHARED = os.path.abspath(os.environ.get("ASTRO_SHARED", os.path.join(ROOT, "..", "shared")))
TIME_SCALE = float(os.environ.get("ASTRO_TIME_SCALE", "1"))
# Meson has malloc fill what it gives, which makes memory used that nothing uses; the unit tests want
# that, but here daemons are asked how much they take.
os.environ.pop("MALLOC_PERTURB_", None)
# A sanitizer's shadow memory is not the product's: bounds on memory are wider where time is.
MEMORY_SCALE = 6 if TIME_SCALE > 1 else 1
DEADLINE = 20.0


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


class Failure(AssertionError):
    """A check of a test did not hold."""


# ---------------------------------------------------------------- checks and waiting


def check(condition, text="check failed"):
    if not condition:
        raise Failure(text() if callable(text) else text)


def equal(got, want, text=""):
    if got != want:
        raise Failure(f"{text + ': ' if text else ''}got {got!r:.2000}, wanted {want!r:.2000}")


def found(pattern, text):
    m = re.search(pattern, text)
    if not m:
        raise Failure(f"{pattern!r} is not in {text!r:.2000}")
    return m


def wait_for(condition, what, timeout=DEADLINE):
    """Calls condition until it returns something true, and returns that."""
    end = time.monotonic() + timeout * TIME_SCALE
    pause = 0.002
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise Failure(f"not within {timeout} s: {what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def data_file(*path):
    """A file of the shared real data, or Skip where it is not there."""
    full = os.path.join(SHARED, "data", *path)
    if not os.path.exists(full):
        raise Skip(f"{os.path.join('data', *path)} is not here (ASTRO_SHARED)")
    return full


def limit(name):
    """A limit of proto/base/limits.h by its name."""
    with open(os.path.join(ROOT, "proto", "base", "limits.h"), encoding="ascii") as f:
        text = f.read()
    value = found(rf"\n\t{name} = ([^;]*?),\n", text).group(1)
    value = re.sub(r"LIMIT_\w+", lambda m: str(limit(m.group(0))), value)
    check(re.fullmatch(r"[\d\s()+*/<-]+", value), value)
    return eval(value.replace("/", "//"))  # numbers alone, as was checked


# ---------------------------------------------------------------- frames


def entry(when, record):
    return [when, record]


def message(tag, when, record, option=None):
    return pack([tag, when, record] if option is None else [tag, when, record, option])


def forward(tag, entries, option=None):
    return pack([tag, entries] if option is None else [tag, entries, option])


def packed(tag, entries, option=None, as_str=False):
    """PackedForward; entries are [time, record] pairs, or bytes that are packed already."""
    body = entries if isinstance(entries, bytes) else pack(*entries)
    if as_str:
        body = Raw(struct.pack(">BI", 0xDB, len(body)) + body)
    return pack([tag, body] if option is None else [tag, body, option])


# ---------------------------------------------------------------- clients


def split_address(address):
    """("127.0.0.1", 24224) of the text in a ready line; a path stays a path."""
    if address.startswith(("/", "@")):
        return address
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Client:
    """A stream connection to a daemon; every wait has a deadline."""

    def __init__(self, address, timeout=DEADLINE, source=None):
        where = split_address(address) if isinstance(address, str) else address
        if isinstance(where, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout * TIME_SCALE)
            self.sock.connect(where)
        else:
            self.sock = socket.create_connection(where, timeout * TIME_SCALE, source and (source, 0))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout = timeout
        self.rest = b""
        self.ready = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes with RST, as a host that went away does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def value(self, timeout=None):
        """The next msgpack value the daemon sends; None when it closed the connection."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout) * TIME_SCALE
        while not self.ready:
            left = end - time.monotonic()
            if left <= 0:
                raise Failure("the daemon sent nothing in time")
            self.sock.settimeout(left)
            try:
                got = self.sock.recv(65536)
            except socket.timeout:
                continue
            except ConnectionResetError:
                return None
            if not got:
                return None
            self.rest += got
            values, end_at = unpack(self.rest)
            self.ready, self.rest = values, self.rest[end_at:]
        return self.ready.pop(0)

    def ack(self, timeout=None):
        """The chunk id of the next ack."""
        v = self.value(timeout)
        check(isinstance(v, dict) and list(v) == ["ack"], f"not an ack: {v!r}")
        return v["ack"]

    def closed_by_peer(self, timeout=None):
        """Waits until the daemon closes; whatever it still sends is thrown away."""
        while self.value(timeout) is not None:
            pass
        return True

    def silent(self, seconds):
        """True if nothing arrives and nothing is closed for that long."""
        self.sock.settimeout(seconds)
        try:
            return bool(self.ready) is False and self.sock.recv(1, socket.MSG_PEEK) is None
        except (socket.timeout, BlockingIOError):
            return True


class Udp:
    def __init__(self, address):
        self.to = split_address(address)
        family = socket.AF_INET6 if ":" in self.to[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendto(data, self.to)

    def recv(self, timeout=DEADLINE):
        self.sock.settimeout(timeout * TIME_SCALE)
        try:
            return self.sock.recv(65536)
        except socket.timeout:
            raise Failure("no datagram in time") from None


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def json(self):
        return json.loads(self.body)


def http_request(address, path, method="GET", body=None, headers=None, timeout=DEADLINE):
    where = split_address(address)
    con = http.client.HTTPConnection(where[0], where[1], timeout=timeout * TIME_SCALE)
    try:
        con.request(method, path, body, headers or {})
        r = con.getresponse()
        return Reply(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        con.close()


def metrics(address):
    """The numbers of a /metrics page by name, labels included in the name as written."""
    page = http_request(address, "/metrics")
    equal(page.status, 200, "/metrics")
    out = {}
    for line in page.text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            out[name] = float(value)
    return out


# ---------------------------------------------------------------- daemons


def strace(*args):
    """A prefix that starts a daemon below strace, or Skip where that cannot be."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("strace may not trace here")
    return ["strace", "-D", "-f", *args]


def program(name):
    """The path of a built program, wherever in the build directory it is."""
    for folder in ("collector", "query", "tools", "tests/support"):
        full = os.path.join(BUILD, folder, name)
        if os.path.exists(full):
            return full
    raise Skip(f"{name} is not built")


class Daemon:
    """A program that logs a ready line; its log lines are kept as they come."""

    def __init__(self, name, argv, env=None, prefix=(), cwd=None, limits=None):
        self.name, self.argv = name, list(prefix) + argv
        self.lines, self.cond, self.ready = [], threading.Condition(), {}
        self.ended = False
        env = dict(env or {})
        if prefix:  # the leak sanitizer cannot work below another tracer
            env.setdefault("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0")
        self.proc = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, **env}, cwd=cwd, preexec_fn=limits)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.proc.stdout:
            line = raw.decode("utf-8", "backslashreplace").rstrip("\n")
            with self.cond:
                self.lines.append(line)
                self.cond.notify_all()
        with self.cond:
            self.ended = True
            self.cond.notify_all()

    @property
    def pid(self):
        return self.proc.pid

    @property
    def log(self):
        with self.cond:
            return "\n".join(self.lines)

    def wait_log(self, pattern, timeout=DEADLINE, since=0):
        """The first match in a line logged at or after line number `since`."""
        expr, end = re.compile(pattern), time.monotonic() + timeout * TIME_SCALE
        with self.cond:
            at = since
            while True:
                for line in self.lines[at:]:
                    m = expr.search(line)
                    if m:
                        return m
                at = len(self.lines)
                left = end - time.monotonic()
                if self.ended or left <= 0 or not self.cond.wait(left):
                    if at == len(self.lines):
                        raise Failure(f"{self.name} did not log {pattern!r}"
                                      + (" and ended" if self.ended else f" in {timeout} s"))

    def wait_ready(self, timeout=DEADLINE):
        line = self.wait_log(r"\bready ((?:\S+=\S+ ?)+)", timeout).group(1)
        self.ready = dict(part.split("=", 1) for part in line.split())
        return self

    def address(self, door):
        check(door in self.ready, f"{self.name} has no {door}: {self.ready}")
        return self.ready[door]

    def connect(self, door="forward", timeout=DEADLINE, source=None):
        """source: the address that the client has, of those of loopback."""
        return Client(self.address(door), timeout, source)

    def udp(self):
        return Udp(self.address("udp"))

    def get(self, path, **more):
        return http_request(self.address("http"), path, **more)

    def metric(self, name):
        return metrics(self.address("http")).get(name, 0)

    def wait_metric(self, name, at_least, timeout=DEADLINE):
        return wait_for(lambda: self.metric(name) >= at_least, f"{name} >= {at_least}", timeout)

    def alive(self):
        return self.proc.poll() is None

    def signal(self, number):
        self.proc.send_signal(number)

    def wait(self, timeout=DEADLINE):
        try:
            code = self.proc.wait(timeout * TIME_SCALE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end in {timeout} s") from None
        self.reader.join(5)
        return code

    def stop(self, timeout=60):
        """SIGTERM; the exit status."""
        if self.alive():
            self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """SIGKILL, as a crash."""
        if self.alive():
            self.proc.kill()
        self.proc.wait()
        self.reader.join(5)

    # What the kernel says of the process.

    def _status(self, key):
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith(key + ":"):
                    return int(line.split()[1])
        return 0

    def rss_mb(self):
        return self._status("VmRSS") / 1024

    def peak_mb(self):
        return self._status("VmHWM") / 1024

    def fds(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except PermissionError:  # a process that gave up being dumpable, and we are not root
            return int(self.metric("process_open_fds"))

    def cpu_seconds(self, loop_only=False):
        """Of the whole process; or of its first thread, the loop, while others do what they do."""
        where = f"/proc/{self.pid}/task/{self.pid}/stat" if loop_only else f"/proc/{self.pid}/stat"
        with open(where, encoding="ascii", errors="replace") as f:
            part = f.read().rsplit(")", 1)[1].split()
        return (int(part[11]) + int(part[12])) / os.sysconf("SC_CLK_TCK")


class Lab:
    """What one test runs in: a directory and daemons, cleaned up whatever happens."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="astro-")
        self.daemons = []

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def start(self, name, args=(), ready=True, **more):
        d = Daemon(name, [program(name), *args], cwd=self.dir, **more)
        self.daemons.append(d)
        return d.wait_ready() if ready else d

    def collector(self, args=(), data="data", unix=True, ready=True, **more):
        """astrocollectd on port 0 everywhere; its data directory is data below the lab."""
        argv = ["--data", self.path(data), "--forward", "127.0.0.1:0",
                "--syslog", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        if unix:
            argv += ["--unix", self.path("c.sock")]
        return self.start("astrocollectd", [*argv, *args], ready, **more)

    def query(self, args=(), data="data", ready=True, **more):
        argv = ["--data", self.path(data), "--http", "127.0.0.1:0"]
        return self.start("astroqueryd", [*argv, *args], ready, **more)

    def run(self, name, *args, timeout=60, stdin=None, env=None):
        """A tool to its end: the CompletedProcess with text output."""
        return subprocess.run(
            [program(name), *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.dir, timeout=timeout * TIME_SCALE, env={**os.environ, **(env or {})},
            encoding="utf-8", errors="surrogateescape", check=False)

    def rows(self, data="data"):
        """Every event of a data directory in id order, read without any daemon."""
        r = self.run("rows", self.path(data), timeout=300)
        equal(r.returncode, 0, r.stderr)
        return sorted((json.loads(line) for line in r.stdout.split("\n") if line),
                      key=lambda row: int(row["id"]))

    def close(self):
        for d in self.daemons:
            with contextlib.suppress(Exception):
                d.signal(signal.SIGCONT)
                d.kill()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---------------------------------------------------------------- running and TAP


def note(text):
    for line in str(text).splitlines():
        print(f"# {line}", flush=True)


def _run_one(number, name, function):
    lab, began = Lab(), time.monotonic()
    try:
        function(lab)
        for d in lab.daemons:
            check("AddressSanitizer" not in d.log and "runtime error" not in d.log,
                  f"{d.name}: the sanitizer speaks")
        print(f"ok {number} - {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return True
    except Skip as e:
        print(f"ok {number} - {name} # SKIP {e}", flush=True)
        return True
    except BaseException as e:
        print(f"not ok {number} - {name}", flush=True)
        note("".join(traceback.format_exception_only(type(e), e)))
        note("".join(traceback.format_tb(e.__traceback__)))
        for d in lab.daemons:
            note(f"last lines of {d.name} (exit {d.proc.poll()}):")
            note("\n".join(d.lines[-40:]))
        if isinstance(e, KeyboardInterrupt):
            raise
        return False
    finally:
        lab.close()


def main(names):
    """Runs the t_* functions of a module in the order they are written; words on the command line
    choose those whose name contains one of them. Options are `--name=value` or `--name value`."""
    tests = [(n[2:], f) for n, f in names.items() if n.startswith("t_") and callable(f)]
    tests.sort(key=lambda t: inspect.getsourcelines(t[1])[1])
    args = sys.argv[1:]
    words = [a for i, a in enumerate(args) if not a.startswith("--")
             and not (i and args[i - 1].startswith("--") and "=" not in args[i - 1])]
    if words:
        tests = [t for t in tests if any(w in t[0] for w in words)]
    print(f"1..{len(tests)}", flush=True)
    good = [_run_one(i + 1, n.replace("_", " "), f) for i, (n, f) in enumerate(tests)]
    sys.exit(0 if all(good) else 1)


def option(name, default):
    """The value of `--name VALUE` or `--name=VALUE` on the test's command line."""
    for i, a in enumerate(sys.argv):
        if a == f"--{name}" and i + 1 < len(sys.argv):
            value = sys.argv[i + 1]
            return type(default)(value)
        if a.startswith(f"--{name}="):
            return type(default)(a.split("=", 1)[1])
    return default
