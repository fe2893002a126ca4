#!/usr/bin/python3
"""Goal: layout.h, its own comments and FORMAT.md give the same numbers for every byte on disk.

Method: the tables of offsets in layout.h's comments, the constants below each, and the tables of
FORMAT.md are read as text. A table of layout.h must be found in FORMAT.md with every offset and size.
"""
import re

import lint

HEADERS = ("storage/layout.h", "storage/seg_layout.h")
TEXT = "storage/FORMAT.md"

COMMENT_ROW = re.compile(r"^ \* {1,5}(\d+) {2,4}(\d+)? {2,}(\S.*)$")
TITLE = re.compile(r"^ \* ([A-Z][A-Z ]+[A-Z])(?: {2,}.*)?$")
# Constants that are counts, kinds or marks, and no offsets.
NOT_OFFSETS = re.compile(r"_(BYTES|VERSION|MAGIC|ALIGN|KIND_\w+|CODEC_\w+|FLAG_\w+|COPY|RECORDS)$")


class Table:
    def __init__(self, name):
        self.name, self.rows = name, []

    def pairs(self):
        """Sized fields, without the head that all files have in common."""
        return {(off, size) for off, size, what in self.rows if size and not what.startswith("common head")}

    def overlaps(self):
        end = 0
        for off, size, what in self.rows:
            if off < end:
                yield f"{self.name}: {what.split()[0]} at {off} begins before byte {end}"
            end = off + (size or 0)


def header_tables(text):
    """[(tables, constants)]: the tables of one comment, and {name: number} of the enum that follows."""
    for m in re.finditer(r"^/\*\n(.*?)^ \*/\n(.*?)(?=^/\*|\Z)", text, re.S | re.M):
        tables = []
        for line in m.group(1).splitlines():
            title, row = TITLE.match(line), COMMENT_ROW.match(line)
            if title:
                tables.append(Table(title.group(1)))
            elif row and tables:
                tables[-1].rows.append((int(row.group(1)), int(row.group(2) or 0), row.group(3)))
        numbers = {n: int(v, 0) for n, v in re.findall(r"^\t(LAYOUT_\w+) = (\w+),", m.group(2), re.M)
                   if re.fullmatch(r"0x[0-9a-f]+|\d+", v)}
        tables = [t for t in tables if t.rows]
        if tables:
            yield tables, numbers


def strange_constants(tables, numbers):
    offsets = {off for t in tables for off, _, _ in t.rows}
    for name, value in numbers.items():
        if not NOT_OFFSETS.search(name) and value not in offsets:
            yield f"layout.h: {name} = {value} is no offset of the table above it"


def text_tables(text):
    out, section = [], ""
    for line in text.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        if re.match(r"\| off +\| size +\|", line):
            out.append(Table(f"FORMAT.md, {section}"))
        m = (re.match(r"\| *(\d+) *\| *(\d*) *\|(.*)", line)
             or re.match(r" {1,8}(\d+) {1,5}(\d+) {2,}(\S.*)", line))
        if m and out:
            out[-1].rows.append((int(m.group(1)), int(m.group(2) or 0), m.group(3).strip(" |") or "?"))
        elif out and not line.startswith(("|", " ")):
            out.append(Table(section))
    return [t for t in out if t.rows]


def missing(tables, told):
    for t in tables:
        best = max((len(t.pairs() & x.pairs()), x.name) for x in told) if told else (0, "no table")
        if best[0] < len(t.pairs()):
            lost = sorted(t.pairs() - max((x.pairs() for x in told), key=lambda p: len(t.pairs() & p), default=set()))
            yield f"{t.name}: FORMAT.md tells no (offset, size) {lost}; nearest is {best[1]}"


def magics(text):
    for header in HEADERS:
        for magic in sorted(set(re.findall(r'"([A-Z]{8})"', lint.read(header)))):
            if magic not in text:
                yield f"{TEXT}: does not name the magic {magic} of {header}"


text = lint.read(TEXT)
empty = re.search(r"^(## .*)\n+(?=## )", text, re.M)
if empty:
    lint.skip_all(f"{TEXT} is not complete: '{empty.group(1)}' is empty")
groups = list(header_tables(lint.read(HEADERS[0])))
told = text_tables(text)
every = [t for tables, _ in groups for t in tables]
lint.point(f"{len(every)} tables of layout.h: fields do not overlap", [c for t in every for c in t.overlaps()])
lint.point("constants of layout.h are offsets of their table",
           [c for tables, numbers in groups for c in strange_constants(tables, numbers)])
lint.point("FORMAT.md tells every field of layout.h", missing(every, told))
lint.point(f"{len(told)} tables of FORMAT.md: fields do not overlap", [c for t in told for c in t.overlaps()])
lint.point("FORMAT.md names every magic", magics(text))
lint.done()
