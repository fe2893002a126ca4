"""web - HTTP by hand: a connection whose requests are written as given and whose answers are seen whole."""

import gzip
import json
import socket

import astro


class Answer:
    """Status, header fields (names in small letters, several of one name joined) and the body as it came."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def plain(self):
        return gzip.decompress(self.body) if self.fields.get("content-encoding") == "gzip" else self.body

    def json(self):
        return json.loads(self.plain())


class Raw:
    def __init__(self, daemon):
        self.address = daemon.address("http")
        self.sock = socket.create_connection(astro.split_address(self.address))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(astro.DEADLINE * astro.TIME_SCALE)
        self.left = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def ask(self, method, path, body=None, **fields):
        """One request and its answer; of the fields' names `_` stands for `-`."""
        return self.send(self.request(method, path, body, **fields)).answer(method == "HEAD")

    def request(self, method, path, body=None, **fields):
        lines = {"Host": self.address, **{k.replace("_", "-"): v for k, v in fields.items()}}
        if body is not None:
            lines["Content-Length"] = len(body)
        head = "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")

    def _more(self):
        got = self.sock.recv(1 << 16)
        self.left += got
        return bool(got)

    def _take(self, n):
        while len(self.left) < n:
            astro.check(self._more(), "the answer is cut")
        got, self.left = self.left[:n], self.left[n:]
        return got

    def _line(self):
        while b"\r\n" not in self.left:
            astro.check(self._more(), "the answer is cut")
        line, _, self.left = self.left.partition(b"\r\n")
        return line

    def _chunks(self):
        parts = []
        while n := int(self._line(), 16):
            parts.append(self._take(n))
            astro.equal(self._take(2), b"\r\n")
        astro.equal(self._take(2), b"\r\n")
        return b"".join(parts)

    def status(self):
        """That of an answer whose end nobody waits for."""
        return int(self._line().split()[1])

    def answer(self, head=False):
        """The next answer; None when the connection has ended."""
        while b"\r\n\r\n" not in self.left:
            if not self._more():
                astro.equal(self.left, b"")
                return None
        status, fields = int(self._line().split()[1]), {}
        while line := self._line().decode():
            name, _, value = line.partition(": ")
            name = name.lower()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        if head or status in (204, 304):
            return Answer(status, fields, b"")
        if fields.get("transfer-encoding") == "chunked":
            return Answer(status, fields, self._chunks())
        return Answer(status, fields, self._take(int(fields["content-length"])))
