"""oracle - random questions about events, and what SQLite says to them.

A Store is the events as a store gave them back, in two tables of SQLite:

    event(id, ts, received, severity)
    cell(id, path, kind, text, rank)      what stands at each field and each path of the metadata

A path is a JSON list: ["user_id"], ["metadata", "a", "b"]. kind is null, bool, num, text or other (a
list or a map). Numbers stand as their rank among all numbers that occur, so that SQLite compares them
exactly however large they are; a text that reads as a number has that rank, too.

A Question is drawn from the events themselves: a tree of tests as `q`, filters of the API beside it, and
the same as a WHERE. Every choice comes from one seeded random.Random.
"""
import bisect
import datetime
import json
import re
import sqlite3

import shop

TEXTS = shop.FIELDS
JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BARE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@/+%#-]*")
KEYWORDS = {"and", "or", "not", "in"}
WORD = re.compile(r"[A-Za-z0-9_.-]{3,}")


def number_of(text):
    """The number that the whole text is, or None."""
    m = JSON_NUMBER.fullmatch(text)
    if not m:
        return None
    if m[2] or m[3]:
        return float(text)
    n = int(text)
    return n if -(1 << 63) <= n < 1 << 64 else float(text)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def cells(event):
    """(path, value) of each field and each path of the metadata, inner maps too."""
    for field in TEXTS:
        if field in event:
            yield [field], event[field]
    todo = [(["metadata", key], value) for key, value in event.get("metadata", {}).items()]
    while todo:
        path, value = todo.pop()
        yield path, value
        if isinstance(value, dict):
            todo += [([*path, key], inner) for key, inner in value.items()]


class Store:
    def __init__(self, events):
        self.events = {int(e["id"]): e for e in events}
        flat = [(int(e["id"]), path, value) for e in events for path, value in cells(e)]
        numbers = (value if is_number(value) else number_of(value) if isinstance(value, str) else None
                   for _, _, value in flat)
        self.numbers = sorted({n for n in numbers if n is not None})
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.create_function("regexp", 2, lambda pattern, text: re.search(pattern, text) is not None,
                                deterministic=True)
        self.db.executescript("""
            create table event(id integer primary key, ts integer, received integer, severity integer);
            create table cell(id integer, path text, kind text, text text, rank integer);""")
        self.db.executemany("insert into event values (?, ?, ?, ?)", (
            (int(e["id"]), shop.nanoseconds(e["timestamp"]), shop.nanoseconds(e["received"]),
             shop.SEVERITIES.index(e["severity"])) for e in events))
        self.db.executemany("insert into cell values (?, ?, ?, ?, ?)", (
            (i, json.dumps(path), *self.kind_text_rank(value)) for i, path, value in flat))
        self.db.executescript("create index cell_path on cell(path, id); create index event_ts on event(ts);")

    def kind_text_rank(self, value):
        if value is None:
            return "null", "null", None
        if isinstance(value, bool):
            return "bool", "true" if value else "false", None
        if is_number(value):
            return "num", None, self.rank(value)
        if isinstance(value, str):
            n = number_of(value)
            return "text", value, None if n is None else self.rank(n)
        return "other", json.dumps(value, ensure_ascii=False), None

    def rank(self, n):
        """Where the number stands among all that occur; between two of them it ends in .5."""
        at = bisect.bisect_left(self.numbers, n)
        here = at < len(self.numbers) and self.numbers[at] == n
        return at if here else at - 0.5

    def ids(self, question):
        """Ids of all that match, in the question's order."""
        way = "asc" if question.asc else "desc"
        return [row[0] for row in self.db.execute(
            f"select id from event e where {question.where} order by ts {way}, id {way}", question.args)]

    def rows(self, sql, args=()):
        return self.db.execute(sql, args).fetchall()


# ---------------------------------------------------------------- values as they are written


def quote(text):
    out = "".join({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}.get(c, c) if c >= " " or c in "\n\t"
                  else f"\\x{ord(c):02x}" for c in text)
    return f'"{out}"'


def quote_regex(pattern):
    """Of the escapes only that of the quote is the language's."""
    return '"' + pattern.replace('"', '\\"') + '"'


class Value:
    """A value of a query: bare where that is possible and chance says so."""

    def __init__(self, rnd, text):
        can = BARE.fullmatch(text) and text.lower() not in KEYWORDS
        number = number_of(text) is not None
        self.text = text
        self.bare = bool(can or number) and rnd.randrange(3) > 0
        self.number = number_of(text) if self.bare else None

    def __str__(self):
        return self.text if self.bare else quote(self.text)


def field_name(path):
    return ".".join(p if i == 0 or PLAIN.fullmatch(p) else quote(p) for i, p in enumerate(path))


def time_text(ns, digits=9):
    day = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
    return day.strftime("%Y-%m-%dT%H:%M:%S") + f".{ns % 10**9:09}"[:digits + 1] + "Z"


# ---------------------------------------------------------------- random questions


class Question:
    """q and params for the API, where and args for SQLite."""

    def __init__(self):
        self.q, self.params, self.asc = "", [], False
        self.where, self.args = "1", []

    def both(self, sql, args):
        self.where = f"({self.where} and {sql})"
        self.args += args

    def pairs(self):
        return ([("q", self.q)] if self.q else []) + self.params


class Asker:
    def __init__(self, store, rnd):
        self.store, self.rnd = store, rnd
        self.all = list(store.events.values())

    # -- what occurs

    def event(self):
        return self.rnd.choice(self.all)

    def cell(self):
        """A path and a value of it, out of one event."""
        here = list(cells(self.event()))
        meta = [c for c in here if c[0][0] == "metadata"]
        if meta and self.rnd.randrange(5) < 3:
            return self.rnd.choice(meta)
        return self.rnd.choice(here)

    def text_of(self, value):
        """How a value may be written; sometimes one that is only near it."""
        if value is None:
            return "null"
        if isinstance(value, bool):
            return "true" if value else "false"
        if is_number(value):
            near = self.rnd.choice([0, 0, 0, 1, -1, 0.5])
            if isinstance(value, int) and near == 0.5 and abs(value) < 1 << 50:
                return repr(value + near)
            return repr(value + int(near)) if isinstance(value, int) else repr(value)
        if isinstance(value, str):
            return value if self.rnd.randrange(12) else value + "x"
        return "1"

    def part_of(self, text):
        """A piece of a text, its case changed now and then."""
        if not text:
            return "x"
        at = self.rnd.randrange(len(text))
        piece = text[at:at + self.rnd.randrange(1, 9)]
        return piece.swapcase() if piece.isascii() and self.rnd.randrange(3) == 0 else piece

    # -- tests: (text of q, SQL, arguments)

    def on_cells(self, path, text, condition, args):
        sql = f"id in (select id from cell where path = ? and {condition})"
        return text, sql, [json.dumps(path), *args]

    def equal(self, path, values):
        words = [v.text for v in values if v.bare and v.number is None]
        conditions = [f"(kind = 'text' and text in ({','.join('?' * len(values))}))"]
        args = [v.text for v in values]
        ranks = [self.store.rank(v.number) for v in values if v.number is not None]
        if ranks:
            conditions.append(f"(kind = 'num' and rank in ({','.join('?' * len(ranks))}))")
            args += ranks
        if words:
            conditions.append(f"(kind in ('bool', 'null') and text in ({','.join('?' * len(words))}))")
            args += words
        return f"({' or '.join(conditions)})", args

    def test_equal(self, path, value):
        v = Value(self.rnd, self.text_of(value))
        condition, args = self.equal(path, [v])
        if self.rnd.randrange(4) == 0:
            text, sql, args = self.on_cells(path, f"{field_name(path)}!={v}", condition, args)
            return text, f"not {sql}", args
        return self.on_cells(path, f"{field_name(path)}={v}", condition, args)

    def test_in(self, path, value):
        others = [c[1] for _ in range(8) for c in cells(self.event()) if c[0] == path]
        values = [Value(self.rnd, self.text_of(v)) for v in [value, *others]]
        condition, args = self.equal(path, values)
        text = f"{field_name(path)} in ({', '.join(map(str, values))})"
        if self.rnd.randrange(4) == 0:
            text, sql, args = self.on_cells(path, text.replace(" in (", " not in (", 1), condition, args)
            return text, f"not {sql}", args
        return self.on_cells(path, text, condition, args)

    def test_order(self, path, value):
        v, op = Value(self.rnd, self.text_of(value)), self.rnd.choice(["<", "<=", ">", ">="])
        text = f"{field_name(path)}{self.blank()}{op}{self.blank()}{v}"
        if v.number is None:
            return self.on_cells(path, text, f"kind = 'text' and text {op} ?", [v.text])
        return self.on_cells(path, text, f"kind in ('num', 'text') and rank {op} ?",
                             [self.store.rank(v.number)])

    def test_contains(self, path, value):
        v = Value(self.rnd, self.part_of(value if isinstance(value, str) else self.text_of(value)))
        return self.on_cells(path, f"{field_name(path)}:{v}",
                             "kind = 'text' and instr(lower(text), lower(?)) > 0", [v.text])

    def test_word(self, _path, _value):
        words = WORD.findall(self.event().get("description", ""))
        v = Value(self.rnd, self.rnd.choice(words) if words else "nothing")
        return self.on_cells(["description"], str(v),
                             "kind = 'text' and instr(lower(text), lower(?)) > 0", [v.text])

    def test_regex(self, path, value):
        pattern = self.pattern(value if isinstance(value, str) else self.text_of(value))
        no = self.rnd.randrange(4) == 0
        text, sql, args = self.on_cells(
            path, f"{field_name(path)}{'!~' if no else '=~'}{quote_regex(pattern)}",
            "kind = 'text' and text regexp ?", [pattern])
        return text, f"not {sql}" if no else sql, args

    def pattern(self, text):
        """A regular expression that means the same to PCRE2 and to Python."""
        words = [re.escape(w) for w in WORD.findall(text)] or ["none"]
        one, two = self.rnd.choice(words), self.rnd.choice(words)
        return self.rnd.choice([
            one, "^" + one, one + "$", f"{one}.*{two}", f"({one}|{two})", f"(?i){one}", f"{one[:4]}[a-z0-9]+",
            "[0-9]{3,}", f"^[^{one[0]}]" if one[0].isalnum() else "^[^a]", f"{one}\\s", "\\bthe\\b", f"{one}?{two}"])

    def test_exists(self, path, _value):
        return self.on_cells(path, f"{field_name(path)}=*", "1", [])

    def test_severity(self, _path, _value):
        names = self.rnd.sample(shop.SEVERITIES, self.rnd.randrange(1, 4))
        numbers = [shop.SEVERITIES.index(n) for n in names]
        if self.rnd.randrange(2):  # the worse is the greater
            op, turned = self.rnd.choice([("<", ">"), ("<=", ">="), (">", "<"), (">=", "<=")])
            return f"severity{op}{names[0]}", f"severity {turned} ?", numbers[:1]
        text = f"severity={names[0]}" if len(names) == 1 else f"severity in ({', '.join(names)})"
        return text, f"severity in ({','.join('?' * len(numbers))})", numbers

    def test_entity(self, _path, _value):
        event = self.event()
        if not BARE.fullmatch(event.get("entity_type", "")) or "/" in event["entity_type"]:
            return self.test_exists(["entity_type"], None)
        text = f"entity={quote(event['entity_type'] + '/' + event.get('entity_id', 'x'))}"
        sql = "id in (select id from cell where path = ? and text = ?)"
        return text, f"{sql} and {sql}", ['["entity_type"]', event["entity_type"],
                                          '["entity_id"]', event.get("entity_id", "x")]

    def test_id(self, _path, _value):
        i, op = int(self.event()["id"]), self.rnd.choice(["=", "<", "<=", ">", ">="])
        return f"id{op}{i}", f"id {op} ?", [i]

    def test_time(self, _path, _value):
        ns, op = shop.nanoseconds(self.event()["timestamp"]), self.rnd.choice(["<", "<=", ">", ">="])
        return f'timestamp{op}"{time_text(ns)}"', f"ts {op} ?", [ns]

    def test_day(self, _path, _value):
        ns = shop.nanoseconds(self.event()["timestamp"])
        day = ns // (86400 * 10**9) * 86400 * 10**9
        return f"timestamp={time_text(day)[:10]}", "ts >= ? and ts < ?", [day, day + 86400 * 10**9]

    def test(self):
        kinds = ([self.test_equal] * 6 + [self.test_in] * 3 + [self.test_order] * 3 + [self.test_contains] * 4
                 + [self.test_word] * 2 + [self.test_regex] * 4 + [self.test_exists] * 2
                 + [self.test_severity, self.test_entity, self.test_id, self.test_time, self.test_day])
        text, sql, args = self.rnd.choice(kinds)(*self.cell())
        return text, f"({sql})", args

    def blank(self):
        return " " * self.rnd.randrange(2)

    def tree(self, depth=0):
        kind = self.rnd.randrange(10) if depth < 3 else 0
        if kind < 5:
            return self.test()
        if kind == 5:
            text, sql, args = self.tree(depth + 1)
            return f"{self.rnd.choice(['not ', '!'])}({text})", f"(not {sql})", args
        parts = [self.tree(depth + 1) for _ in range(self.rnd.randrange(2, 4))]
        word = "or" if kind < 8 else "and"
        join = " or " if word == "or" else self.rnd.choice([" and ", " AND ", " "])
        return (f"({join.join(p[0] for p in parts)})", f"({f' {word} '.join(p[1] for p in parts)})",
                [a for p in parts for a in p[2]])

    # -- filters of the API

    def filter_text(self, question):
        field = self.rnd.choice(TEXTS)
        values = {self.event().get(field) for _ in range(self.rnd.randrange(1, 4))} - {None}
        if values:
            question.params += [(field, v) for v in sorted(values)]
            question.both(f"id in (select id from cell where path = ? and text in ({','.join('?' * len(values))}))",
                          [json.dumps([field]), *values])

    def filter_severity(self, question):
        names = self.rnd.sample(shop.SEVERITIES, self.rnd.randrange(1, 4))
        question.params += [("severity", n) for n in names]
        question.both(f"severity in ({','.join('?' * len(names))})", [shop.SEVERITIES.index(n) for n in names])

    def filter_search(self, question):
        text = self.part_of(self.event().get("description", ""))
        question.params.append(("search", text))
        question.both("id in (select id from cell where path = '[\"description\"]'"
                      " and instr(lower(text), lower(?)) > 0)", [text])

    def filter_range(self, question):
        low, high = sorted(shop.nanoseconds(self.event()["timestamp"]) for _ in range(2))
        if self.rnd.randrange(3):
            question.params.append(("start_time", time_text(low)))
            question.both("ts >= ?", [low])
        if self.rnd.randrange(3) and low < high:
            question.params.append(("end_time", time_text(high)))
            question.both("ts < ?", [high])

    def question(self):
        out = Question()
        filters = [self.filter_text, self.filter_severity, self.filter_search, self.filter_range]
        for make in self.rnd.sample(filters, self.rnd.choice([0, 0, 1, 1, 2])):
            make(out)
        if not out.params or self.rnd.randrange(3):
            out.q, sql, args = self.tree()
            out.both(sql, args)
        out.asc = self.rnd.randrange(2) == 1
        return out
