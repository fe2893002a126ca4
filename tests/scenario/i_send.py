"""Goal: astrosend sends what it was given, unchanged, waits for every ack, sends again what a lost
connection left without one, and says clearly what became of it all.

Method: a collector of a few lines of Python that can be told to misbehave.
"""

import json
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro


class Sink:
    """Takes Forward frames and acks them; may hang up after some frames, or never ack."""

    def __init__(self, family=socket.AF_INET, where=("127.0.0.1", 0), hang_up_at=(), acks=True):
        self.hang_up_at = list(hang_up_at)
        self.acks = acks
        self.frames = []
        self.lock = threading.Lock()
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.bind(where)
        self.listener.listen(8)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def to(self):
        name = self.listener.getsockname()
        return f"unix:{name}" if isinstance(name, str) else f"tcp://127.0.0.1:{name[1]}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _run(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            with conn:
                self._serve(conn)

    def _serve(self, conn):
        data = b""
        while True:
            piece = conn.recv(1 << 16)
            if not piece:
                return
            data += piece
            frames, end = astro.unpack(data)
            data = data[end:]
            for frame in frames:
                if not self._frame(conn, frame):
                    return

    def _frame(self, conn, frame):
        with self.lock:
            self.frames.append(frame)
            count = len(self.frames)
        if count in self.hang_up_at:
            return False
        if self.acks:
            conn.sendall(astro.pack({"ack": frame[2]["chunk"]}))
        return True

    def entries(self):
        """Of all frames, each chunk once, as a collector stores them."""
        seen, out = set(), []
        for frame in self.frames:
            if frame[2]["chunk"] not in seen:
                seen.add(frame[2]["chunk"])
                out += astro.unpack(frame[1])[0]
        return out

    def records(self):
        return [record for _, record in self.entries()]


def send(to, *args, **more):
    return subprocess.run([astro.program("astrosend"), "--to", to, *map(str, args)],
                          capture_output=True, text=True, timeout=60, **more)


def ndjson(lab, name, events):
    return lab.write(name, "".join(json.dumps(e) + "\n" for e in events))


def summary(run, pattern):
    return astro.found(pattern, run.stdout)


def t_one_event_from_flags(lab):
    with Sink() as sink:
        run = send(sink.to, "-t", "AUTH", "-u", "anna", "--entity", "session/SES/1", "-m", "signed in",
                   "-s", "notice", "--ip", "::1", "--user-agent", "ua", "--service", "shop", "--host",
                   "h1", "--time", "2026-11-20T10:00:00.5Z", "method=password", "tries:=2",
                   "nested:={\"a\":[1,null]}", "empty=", "eq=a=b")
    astro.equal(run.returncode, 0, run.stderr)
    summary(run, r"sent 1 events in 1 frames, 1 acked")
    astro.equal(sink.records(), [{
        "event_type": "AUTH", "user_id": "anna", "entity_type": "session", "entity_id": "SES/1",
        "description": "signed in", "severity": "notice", "ip_address": "::1", "user_agent": "ua",
        "service": "shop", "host": "h1", "timestamp": "2026-11-20T10:00:00.5Z",
        "method": "password", "tries": 2, "nested": {"a": [1, None]}, "empty": "", "eq": "a=b"}])
    astro.equal(sink.frames[0][0], "astrosend")
    astro.equal(sink.frames[0][2]["size"], 1)


def t_destination_from_the_environment(lab):
    with Sink() as sink:
        run = subprocess.run([astro.program("astrosend"), "-q", "-m", "hello"], capture_output=True,
                             text=True, env={**os.environ, "ASTRO_TO": sink.to}, timeout=60)
        astro.equal((run.returncode, run.stdout, run.stderr), (0, "", ""))
        record = sink.records()[0]
        astro.equal(record["description"], "hello")
        astro.equal(record["host"], socket.gethostname())


def t_ndjson_arrives_unchanged(lab):
    events = [{"n": i, "text": "x" * (i % 50), "metadata": {"deep": [i, {"f": i / 4}]}}
              for i in range(5000)]
    path = ndjson(lab, "events.ndjson", events)
    with Sink() as sink:
        run = send(sink.to, "--ndjson", "--batch", 77, path)
        astro.equal(run.returncode, 0, run.stderr)
        summary(run, r"sent 5000 events in 65 frames, 5000 acked, 0 frames resent, 1 connections")
        astro.equal(sink.records(), events)


def t_standard_input_lines_and_several_files(lab):
    first, second = lab.write("a.log", "one\ntwo\r\n\n"), lab.write("b.log", "three")
    with Sink() as sink:
        run = send(sink.to, "--lines", "--service", "s", "--host", "h", "-t", "LOG", first, second)
        astro.equal(run.returncode, 0, run.stderr)
        astro.equal([r["message"] for r in sink.records()], ["one", "two", "three"])
        astro.equal(sink.records()[0],
                    {"event_type": "LOG", "service": "s", "host": "h", "message": "one"})
    with Sink() as sink:
        run = send(sink.to, "--ndjson", input='{"a":1}\n{"a":2}')
        astro.equal((run.returncode, sink.records()), (0, [{"a": 1}, {"a": 2}]))


def t_msgpack_maps(lab):
    path = lab.path("events.mp")
    with open(path, "wb") as f:
        f.write(astro.pack({"a": 1}, {"b": {"c": 2}}) + b"\x05" + astro.pack({"d": 3}) + b"\x81\xa1x")
    with Sink() as sink:
        run = send(sink.to, "--msgpack", path)
        astro.equal(sink.records(), [{"a": 1}, {"b": {"c": 2}}, {"d": 3}])
    astro.equal(run.returncode, 1)
    astro.found(r"events.mp:3: not an object: skipped", run.stderr)
    astro.found(r"events.mp:5: not msgpack; the rest of the file is skipped", run.stderr)


def t_bad_lines_are_named_and_skipped(lab):
    path = lab.write("bad.ndjson", '{"a":1}\n{"a":}\n[1]\n\n  \n{"a":2}\nnot json\n{"a":3')
    with Sink() as sink:
        run = send(sink.to, "--ndjson", path)
        astro.equal(sink.records(), [{"a": 1}, {"a": 2}])
    astro.equal(run.returncode, 1)
    for line in (2, 3, 7, 8):
        astro.found(rf"bad.ndjson:{line}: ", run.stderr)
    summary(run, r"sent 2 events in 1 frames, 2 acked.*4 bad and skipped")
    path = ndjson(lab, "long.ndjson", [{"a": 1}, {"a": "x" * (5 << 20)}, {"a": 2}])
    with Sink() as sink:
        run = send(sink.to, "--ndjson", path)
        astro.equal((run.returncode, sink.records()), (1, [{"a": 1}, {"a": 2}]))
    astro.found(r"long.ndjson:2: longer than 4 MiB", run.stderr)


def t_many_bad_lines_are_counted(lab):
    path = lab.write("bad.ndjson", "x\n" * 1000)
    with Sink() as sink:
        run = send(sink.to, "--ndjson", path)
    astro.equal(run.returncode, 1)
    astro.check(len(run.stderr.splitlines()) < 20, run.stderr)
    summary(run, r"sent 0 events in 0 frames.*1000 bad and skipped")


def t_strict_ends_at_the_first_bad_line(lab):
    path = lab.write("bad.ndjson", '{"a":1}\n{"a":}\n{"a":2}\n')
    with Sink() as sink:
        run = send(sink.to, "--ndjson", "--strict", path)
        astro.equal(sink.records(), [{"a": 1}])
    astro.equal(run.returncode, 4)
    astro.found(r"bad.ndjson: 2: line 1, column 6", run.stderr)


def t_a_lost_connection_loses_nothing(lab):
    events = [{"n": i} for i in range(2000)]
    path = ndjson(lab, "events.ndjson", events)
    log = lab.path("acked")
    with Sink(hang_up_at=(1, 7, 12, 13)) as sink:
        run = send(sink.to, "--ndjson", "--batch", 100, "--window", 4, "--acked-log", log, path)
        astro.equal(run.returncode, 0, run.stderr)
        found = summary(run, r"2000 acked, (\d+) frames resent, 5 connections")
        astro.check(int(found.group(1)) >= 4)
        astro.equal(sink.records(), events)
    with open(log) as f:
        lines = [line.rstrip("\n").split("\t") for line in f]
    astro.equal(sum(int(count) for _, count, _, _ in lines), 2000)
    astro.equal(lines[0][1:], ["100", f"{path}:1", f"{path}:100"])


def t_the_window_bounds_what_is_on_its_way(lab):
    path = ndjson(lab, "events.ndjson", [{"n": i} for i in range(100)])
    with Sink(acks=False) as sink:
        run = send(sink.to, "--ndjson", "--batch", 1, "--window", 3, "--timeout", 1, path)
        astro.equal(len(sink.frames), 3)
    astro.equal(run.returncode, 3)
    astro.found(r"no ack came in time", run.stderr)
    summary(run, r"sent 3 events in 3 frames, 0 acked")


def t_it_says_what_it_waits_for(lab):
    with Sink(acks=False) as sink:
        run = send(sink.to, "-m", "hello", "--timeout", 4)
    astro.equal(run.returncode, 3)
    astro.found(r"no ack for 3 s; .*Waiting up to 4 s", run.stderr)
    astro.found(r"no ack came in time", run.stderr)


def t_who_never_acks_and_hangs_up_is_not_waited_for(lab):
    with Sink(hang_up_at=range(1, 100)) as sink:
        run = send(sink.to, "-m", "hello")
        astro.equal(len(sink.frames), 5)
    astro.equal(run.returncode, 3)
    astro.found(r"acknowledged nothing; is it the Forward port", run.stderr)


def t_nobody_there(lab):
    with Sink() as sink:
        to = sink.to
    run = send(to, "-m", "hello")
    astro.equal(run.returncode, 3)
    astro.found(r"cannot connect; .*Connection refused", run.stderr)
    run = send("unix:" + lab.path("none.sock"), "-m", "hello")
    astro.equal(run.returncode, 3)
    run = send("tcp://no-such-host.invalid:1", "-m", "hello")
    astro.equal(run.returncode, 3)


def t_unix_socket(lab):
    with Sink(socket.AF_UNIX, lab.path("s")) as sink:
        run = send(sink.to, "-m", "hello")
        astro.equal((run.returncode, len(sink.records())), (0, 1))


def t_a_run_id_makes_the_same_chunks(lab):
    path = ndjson(lab, "events.ndjson", [{"n": i} for i in range(10)])
    chunks = []
    for _ in range(2):
        with Sink() as sink:
            send(sink.to, "--ndjson", "--batch", 3, "--run-id", "nightly", path)
            chunks.append([frame[2]["chunk"] for frame in sink.frames])
    astro.equal(chunks[0], chunks[1])
    astro.equal(chunks[0][0], "nightly-00000001")


def t_live_input_does_not_wait_for_a_full_frame(lab):
    with Sink() as sink:
        run = subprocess.Popen([astro.program("astrosend"), "--to", sink.to, "--lines", "--host", "h"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for i in range(3):
            run.stdin.write(b"line %d\n" % i)
            run.stdin.flush()
            astro.wait_for(lambda: len(sink.records()) == i + 1, f"line {i}")
        run.stdin.close()
        astro.equal(run.wait(60), 0)
        run.stdout.close()


def t_a_signal_ends_the_input_only(lab):
    with Sink() as sink:
        run = subprocess.Popen([astro.program("astrosend"), "--to", sink.to, "--lines"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        run.stdin.write("a\n")
        run.stdin.flush()
        astro.wait_for(lambda: sink.frames, "the first line")
        run.terminate()
        out, _ = run.communicate(timeout=60)
        astro.found(r"sent 1 events in 1 frames, 1 acked", out)


def t_datagrams_hold_whole_frames(lab):
    events = [{"n": i, "text": "y" * (i * 37 % 900)} for i in range(200)] + [{"text": "z" * 5000}]
    path = ndjson(lab, "events.ndjson", events)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(20)
        run = send(f"udp://127.0.0.1:{udp.getsockname()[1]}", "--ndjson", path)
        astro.equal(run.returncode, 0, run.stderr)
        frames = int(summary(run, r"sent 201 events in (\d+) frames, not acked").group(1))
        got = []
        for i in range(frames):
            data = udp.recv(65536)
            (frame,), end = astro.unpack(data)
            entries = astro.unpack(frame[1])[0]
            astro.equal(end, len(data))
            astro.check(len(data) <= 1400 or len(entries) == 1, len(data))
            astro.check("chunk" not in frame[2])
            got += [record for _, record in entries]
        astro.equal(got, events)
    astro.check(frames < 150, frames)


def t_datagrams_are_paced(lab):
    path = ndjson(lab, "events.ndjson", [{"n": i} for i in range(300)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        run = send(f"udp://127.0.0.1:{udp.getsockname()[1]}", "--ndjson", "--rate", 1000, path)
    seconds = float(summary(run, r"(\d+\.\d\d) s, ").group(1))
    astro.check(seconds >= 0.25, seconds)


def t_events_too_large_for_a_datagram(lab):
    path = ndjson(lab, "events.ndjson", [{"n": 1}, {"text": "z" * 70000}, {"n": 2}])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        run = send(f"udp://127.0.0.1:{udp.getsockname()[1]}", "--ndjson", path)
    astro.equal(run.returncode, 1)
    astro.found(r"events.ndjson:2: larger than a datagram", run.stderr)
    summary(run, r"sent 2 events in 1 frames, .* 1 bad and skipped")


def t_usage(lab):
    for args, why in (
            ((), "nothing to send"),
            (("--ndjson", "--lines"), "exclude one another"),
            (("--ndjson", "-m", "x"), "fields"),
            (("--lines", "-m", "x"), "every line is a message"),
            (("-m", "x", "--entity", "only"), "TYPE/ID"),
            (("-m", "x", "-s", "loud"), "--severity takes"),
            (("-m", "x", "--time", "soon"), "--time"),
            (("noequals",), "NAME=TEXT"),
            (("a:={",), "is no JSON"),
            (("-m", "x", "--window", "0"), "window"),
            (("-m", "x", "--nope"), "nope")):
        run = send("tcp://127.0.0.1:1", *args)
        astro.equal((run.returncode, run.stdout), (2, ""), args)
        astro.found(why, run.stderr)
    for to in ("127.0.0.1:1", "tcp://", "http://x", "unix:", "tcp://[::1", "tcp://h:"):
        run = send(to, "-m", "x")
        astro.equal(run.returncode, 2, to)
    run = send("tcp://127.0.0.1:1", "--ndjson", "--acked-log", "/nonexistent/x", "/dev/null")
    astro.equal(run.returncode, 4)


def t_unreadable_input(lab):
    with Sink() as sink:
        run = send(sink.to, "--ndjson", lab.path("missing.ndjson"))
    astro.equal(run.returncode, 4)
    astro.found(r"missing.ndjson: cannot open: No such file", run.stderr)


astro.main(globals())
