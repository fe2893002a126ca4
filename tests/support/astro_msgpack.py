"""astro_msgpack - msgpack packed and unpacked in a few lines, for the scenario tests: independent of the
product's own code and of any package. Everything here is offered by astro as well."""

import struct


class Ext:
    def __init__(self, kind, data):
        self.kind, self.data = kind, bytes(data)

    def __eq__(self, other):
        return isinstance(other, Ext) and (self.kind, self.data) == (other.kind, other.data)

    def __repr__(self):
        return f"Ext({self.kind}, {self.data!r})"


class Raw(bytes):
    """Bytes that are msgpack already and go out unchanged."""


class Float32(float):
    """A float that goes out with 32 bits."""


def event_time(seconds, nanoseconds=0):
    return Ext(0, struct.pack(">II", seconds, nanoseconds))


def _head(out, n, fix, fix_max, codes):
    """A length or count in its shortest form; codes are those of 8, 16 and 32 bits or None."""
    if fix is not None and n <= fix_max:
        out.append(bytes([fix | n]))
        return
    for code, form, top in zip(codes, (">BB", ">BH", ">BI"), (0xFF, 0xFFFF, 0xFFFFFFFF)):
        if code is not None and n <= top:
            out.append(struct.pack(form, code, n))
            return
    raise ValueError("too long for msgpack")


def _pack_int(out, v):
    if 0 <= v < 128:
        out.append(bytes([v]))
    elif -32 <= v < 0:
        out.append(struct.pack("b", v))
    elif v >= 0:
        form = [(0xCC, ">BB", 1 << 8), (0xCD, ">BH", 1 << 16), (0xCE, ">BI", 1 << 32),
                (0xCF, ">BQ", 1 << 64)]
        out.append(next(struct.pack(f, c, v) for c, f, top in form if v < top))
    else:
        form = [(0xD0, ">Bb", 7), (0xD1, ">Bh", 15), (0xD2, ">Bi", 31), (0xD3, ">Bq", 63)]
        out.append(next(struct.pack(f, c, v) for c, f, bits in form if v >= -(1 << bits)))


def _pack_ext(out, v):
    fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}.get(len(v.data))
    if fixed:
        out.append(bytes([fixed]))
    else:
        _head(out, len(v.data), None, 0, (0xC7, 0xC8, 0xC9))
    out.append(struct.pack("b", v.kind) + v.data)


def _pack(out, v):
    if v is None:
        out.append(b"\xc0")
    elif v is True or v is False:
        out.append(b"\xc3" if v else b"\xc2")
    elif isinstance(v, int):
        _pack_int(out, v)
    elif isinstance(v, Float32):
        out.append(struct.pack(">Bf", 0xCA, v))
    elif isinstance(v, float):
        out.append(struct.pack(">Bd", 0xCB, v))
    elif isinstance(v, str):
        b = v.encode("utf-8", "surrogateescape")
        _head(out, len(b), 0xA0, 31, (0xD9, 0xDA, 0xDB))
        out.append(b)
    elif isinstance(v, Raw):
        out.append(bytes(v))
    elif isinstance(v, (bytes, bytearray)):
        _head(out, len(v), None, 0, (0xC4, 0xC5, 0xC6))
        out.append(bytes(v))
    elif isinstance(v, (list, tuple)):
        _head(out, len(v), 0x90, 15, (None, 0xDC, 0xDD))
        for item in v:
            _pack(out, item)
    elif isinstance(v, dict):
        _head(out, len(v), 0x80, 15, (None, 0xDE, 0xDF))
        for key, item in v.items():
            _pack(out, key)
            _pack(out, item)
    elif isinstance(v, Ext):
        _pack_ext(out, v)
    else:
        raise TypeError(f"no msgpack for {type(v)}")


def pack(*values):
    out = []
    for v in values:
        _pack(out, v)
    return b"".join(out)


class Short(Exception):
    """The bytes end inside a value."""


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise Short()
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, n):
        return self.take(n).decode("utf-8", "surrogateescape")

    def array(self, n):
        return [self.value() for _ in range(n)]

    def map(self, n):
        out = {}
        for _ in range(n):
            key = self.value()
            out[key if not isinstance(key, (list, dict)) else repr(key)] = self.value()
        return out

    def ext(self, n):
        kind = self.number("b")
        return Ext(kind, self.take(n))

    def value(self):
        b = self.take(1)[0]
        if b < 0x80:
            return b
        if b >= 0xE0:
            return b - 256
        if b < 0x90:
            return self.map(b & 15)
        if b < 0xA0:
            return self.array(b & 15)
        if b < 0xC0:
            return self.text(b & 31)
        if b in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[b]
        sizes = (">B", ">H", ">I")
        if 0xC4 <= b <= 0xC6:
            return bytes(self.take(self.number(sizes[b - 0xC4])))
        if 0xC7 <= b <= 0xC9:
            return self.ext(self.number(sizes[b - 0xC7]))
        if 0xCA <= b <= 0xD3:
            return self.number((">f", ">d", ">B", ">H", ">I", ">Q", ">b", ">h", ">i", ">q")[b - 0xCA])
        if 0xD4 <= b <= 0xD8:
            return self.ext(1 << (b - 0xD4))
        if 0xD9 <= b <= 0xDB:
            return self.text(self.number(sizes[b - 0xD9]))
        if b in (0xDC, 0xDD):
            return self.array(self.number(sizes[b - 0xDB]))
        if b in (0xDE, 0xDF):
            return self.map(self.number(sizes[b - 0xDD]))
        raise ValueError(f"byte {b:#x} is not msgpack")


def unpack(data):
    """All values in the bytes, and how many bytes they took."""
    reader, values, end = _Reader(data), [], 0
    while end < len(data):
        try:
            values.append(reader.value())
        except Short:
            break
        end = reader.at
    return values, end
