"""websocket - a client that sends whatever it is told, well formed or not, and reads what comes, strictly.

    with websocket.open_tail(query, event_type="PAYMENT", after=17) as ws:
        ws.send_frame(websocket.PING, b"hello")
        op, payload = ws.frame()        # of the server: never masked, never in parts here
        message = ws.message()          # the next text, as JSON; answers pings meanwhile

`events` reads messages of a tail until a condition holds, and is what most tests want. `Stream` is the
same for server-sent events.
"""
import base64
import hashlib
import json
import os
import socket
import struct
import time
import urllib.parse

import astro

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def mask(payload, key=MASK):
    n = len(payload)
    if n == 0:
        return b""
    stretched = (key * (n // 4 + 1))[:n]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(n, "big")


def frame_bytes(op, payload=b"", fin=True, rsv=0, masked=True):
    """A client's frame, its length in the shortest form."""
    n = len(payload)
    first = bytes([(0x80 if fin else 0) | rsv << 4 | op])
    bit = 0x80 if masked else 0
    if n > 0xFFFF:
        head = first + struct.pack(">BQ", bit | 127, n)
    elif n > 125:
        head = first + struct.pack(">BH", bit | 126, n)
    else:
        head = first + bytes([bit | n])
    return head + (MASK + mask(payload) if masked else payload)


def path_of(path, params):
    pairs = [(k, v) for k, vs in params.items() for v in (vs if isinstance(vs, list) else [vs])]
    return path + ("?" + urllib.parse.urlencode(pairs) if pairs else "")


class Closed(Exception):
    """The server ended the connection; code is that of its close frame, None without one."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code, self.reason = code, reason


class Bytes:
    """Bytes of a connection, read with a deadline."""

    def __init__(self, address, request, timeout=astro.DEADLINE, receive=0):
        self.timeout = timeout
        where = astro.split_address(address)
        self.sock = socket.socket(socket.AF_INET6 if ":" in where[0] else socket.AF_INET, socket.SOCK_STREAM)
        if receive:  # a window that stays small
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.sock.settimeout(timeout * astro.TIME_SCALE)
        self.sock.connect(where)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self.sock.sendall(request)
        head = self.until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}

    def more(self):
        got = self.sock.recv(1 << 18)
        if not got:
            raise Closed(None)
        self.rest += got

    def take(self, n):
        while len(self.rest) < n:
            self.more()
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def until(self, mark):
        while mark not in self.rest:
            self.more()
        at = self.rest.index(mark) + len(mark)
        out, self.rest = self.rest[:at], self.rest[at:]
        return out

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(address, path, headers=None, key=None):
    key = key or base64.b64encode(os.urandom(16)).decode()
    fields = {"Host": address, "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": key,
              "Sec-WebSocket-Version": "13", **(headers or {})}
    return (f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
            + "\r\n").encode("latin-1"), key


class Socket(Bytes):
    """An open WebSocket; Refused where the server did not open it."""

    def __init__(self, address, path="/ws/logs", headers=None, early=b"", **more):
        text, key = request(address, path, headers)
        super().__init__(address, text + early, **more)
        if self.status != 101:
            return
        want = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        astro.equal(self.headers.get("sec-websocket-accept"), want)
        astro.check("sec-websocket-extensions" not in self.headers, "no extension is agreed to")

    @property
    def problem(self):
        return json.loads(self.take(int(self.headers["content-length"])))

    def send(self, data):
        self.sock.sendall(data)

    def send_frame(self, op, payload=b"", **more):
        self.send(frame_bytes(op, payload, **more))

    def frame(self):
        """The next frame as (op, payload)."""
        first, second = self.take(2)
        astro.check(first & 0x80 and not first & 0x70, f"first byte {first:#x}")
        astro.check(not second & 0x80, "a server masks nothing")
        n = second
        if n == 126:
            n, = struct.unpack(">H", self.take(2))
            astro.check(n > 125)
        elif n == 127:
            n, = struct.unpack(">Q", self.take(8))
            astro.check(n > 0xFFFF)
        return first & 15, self.take(n)

    def message(self):
        """The next message as JSON. Pings are answered; a close frame or the end raises Closed."""
        while True:
            op, payload = self.frame()
            if op == TEXT:
                return json.loads(payload)
            if op == PING:
                self.send_frame(PONG, payload)
            elif op == CLOSE:
                code = struct.unpack(">H", payload[:2])[0] if payload else None
                raise Closed(code, payload[2:].decode())

    def closed(self):
        """Reads until the server ends: (code, what came before it); code None without a close frame."""
        seen = []
        try:
            while True:
                op, payload = self.frame()
                if op != CLOSE:
                    seen.append((op, payload))
                    continue
                code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                self.ended()
                return code, seen
        except (Closed, ConnectionResetError, BrokenPipeError):
            return None, seen

    def ended(self):
        """After its close frame the server says nothing more, and ends."""
        try:
            while True:
                self.more()
        except Closed:
            astro.equal(self.rest, b"", "nothing behind the close frame")


class Stream(Bytes):
    """Server-sent events."""

    def __init__(self, address, path="/api/logs/tail", headers=None, **more):
        fields = {"Host": address, "Accept": "text/event-stream", **(headers or {})}
        text = f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()) + "\r\n"
        super().__init__(address, text.encode(), **more)
        self.last_id, self.comments = None, 0

    @property
    def problem(self):
        return json.loads(self.take(int(self.headers["content-length"])))

    def message(self):
        while True:
            data = None
            for line in self.until(b"\n\n").decode().rstrip("\n").split("\n"):
                name, _, value = line.partition(":")
                value = value[1:] if value.startswith(" ") else value
                if name == "id":
                    self.last_id = int(value)
                elif name == "data":
                    astro.check(data is None, "one line")
                    data = value
                elif name == "":
                    self.comments += 1
                else:
                    raise astro.Failure(f"unknown field {name!r}")
            if data is not None:
                out = json.loads(data)
                astro.equal(self.last_id, int(out["covered"]))
                return out


def open_tail(query, door="ws", headers=None, receive=0, **params):
    """An open tail by either door, which has said where it begins: .covered."""
    address = query.address("http")
    if door == "ws":
        t = Socket(address, path_of("/ws/logs", params), headers, receive=receive)
        astro.equal(t.status, 101)
    else:
        t = Stream(address, path_of("/api/logs/tail", params), headers, receive=receive)
        astro.equal(t.status, 200)
    first = t.message()
    astro.equal((first["type"], first["data"], first["count"]), ("logs", [], 0))
    t.covered = int(first["covered"])
    return t


def read_tail(tail, until, timeout=60):
    """Messages until `until(message)` holds: (events, dropped); places only ever grow."""
    events, dropped, end = [], 0, time.monotonic() + timeout * astro.TIME_SCALE
    while True:
        m = tail.message()
        astro.equal(m["count"], len(m["data"]))
        covered = int(m["covered"])
        astro.check(covered >= tail.covered, f"{covered} after {tail.covered}")
        for e in m["data"]:
            astro.check(tail.covered < int(e["id"]) <= covered, f"event {e['id']} in ({tail.covered}, {covered}]")
        tail.covered = covered
        events += m["data"]
        dropped += m.get("dropped", 0)
        if until(m):
            return events, dropped
        astro.check(time.monotonic() < end, "the tail did not get there")
