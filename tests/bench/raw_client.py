"""A client that costs next to nothing: one socket kept alive, the answer read into one buffer."""
import re
import socket
import time

BUFFER_BYTES = 1 << 20
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.I)
CHUNKS_END = b"\r\n0\r\n\r\n"


class Closed(Exception):
    """The server closed before the answer was whole."""


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


class RawClient:
    """One thread's. Answers are NDJSON or JSON: the mark that ends their chunks cannot stand in them."""

    def __init__(self, addr, timeout_s=120):
        host, port = addr.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buf)

    def close(self):
        self.sock.close()

    def recv(self, at=0):
        got = self.sock.recv_into(self.view[at:])
        if not got:
            raise Closed
        return got

    def exchange(self, raw, keep=None):
        """Sends a request and reads the whole answer: its head. Its body is appended to keep, if given."""
        self.sock.sendall(raw)
        have = self.recv()
        while (end := self.buf.find(b"\r\n\r\n", 0, have)) < 0:
            have += self.recv(have)
        head = bytes(self.view[:end + 2])
        # A view, not a copy: the pages of a fresh one cost more than a whole answer.
        self.take(head, self.view[end + 4:have], keep)
        return head

    def take(self, head, first, keep):
        length = LENGTH.search(head)
        left = int(length[1]) - len(first) if length else 0
        tail = (b"\r\n" + bytes(first[-len(CHUNKS_END):]))[-len(CHUNKS_END):]
        chunked = CHUNKED.search(head) is not None
        if keep is not None:
            keep += first
        while left > 0 or (chunked and tail != CHUNKS_END):
            got = self.recv()
            left -= got
            if chunked:
                tail = (tail + bytes(self.view[max(0, got - len(CHUNKS_END)):got]))[-len(CHUNKS_END):]
            if keep is not None:
                keep += self.view[:got]

    def get(self, path):
        """Status and body, chunks joined."""
        body = bytearray()
        head = self.exchange(request(path), body)
        status = int(head[9:12])
        return status, joined(body) if CHUNKED.search(head) else bytes(body)

    def timed_ms(self, raw):
        start = time.perf_counter()
        self.exchange(raw)
        return (time.perf_counter() - start) * 1e3


def joined(body):
    """Chunks to what they carry."""
    out, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].split(b";")[0], 16)
        if size == 0:
            return b"".join(out)
        out.append(bytes(body[end + 2:end + 2 + size]))
        at = end + 2 + size + 2
