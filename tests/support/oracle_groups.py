"""oracle_groups - random groupings of the events that a Question means, and what SQLite says to them."""
import collections
import json
import math

import oracle
import shop

HOUR = 3600 * 10**9
BUCKETS = {"1s": 10**9, "15m": HOUR // 4, "1h": HOUR, "1d": 24 * HOUR}
QUANTILES = {"p50": 0.5, "p95": 0.95, "median": 0.5, "quantile": 0.9}


class Call:
    """One function: its name in the request, and its value for a group's cells."""

    def __init__(self, function, path):
        self.function, self.path = function, path
        field = oracle.field_name(path) if path else ""
        more = ",0.9" if function == "quantile" else ""
        self.text = f"{function}({field}{more})" if path else function

    def want(self, store, group):
        """Of (events, [(kind, text, rank)] of those that have it and no null)."""
        count, cells = group
        numbers = [store.numbers[int(rank)] for kind, _, rank in cells if kind == "num"]
        if self.function == "count":
            return len(cells) if self.path else count
        if self.function == "distinct":
            return len({(k, r if k == "num" else t) for k, t, r in cells})
        if self.function in ("min", "max"):
            pick = min if self.function == "min" else max
            texts = [t.encode() for k, t, _ in cells if k == "text"]
            return pick(numbers) if numbers else pick(texts).decode() if texts else None
        if not numbers:
            return None
        if self.function == "sum":
            return sum(numbers) if all(isinstance(n, int) for n in numbers) else math.fsum(numbers)
        if self.function == "avg":
            return math.fsum(numbers) / len(numbers)
        return sorted(numbers)[max(0, math.ceil(QUANTILES[self.function] * len(numbers)) - 1)]

    def same(self, store, group, got, sketched):
        """A sketch may be off: quantiles by 1/256, distinct by five standard errors of 0.81 %."""
        want = self.want(store, group)
        if sketched and oracle.is_number(want) and oracle.is_number(got):
            return abs(got - want) <= abs(want) * (0.041 if self.function == "distinct" else 1 / 256)
        if isinstance(want, (int, float)) and isinstance(got, (int, float)) and not isinstance(got, bool):
            exact = isinstance(want, int) and abs(want) < 1 << 63 and self.function != "avg"
            size = math.fsum(abs(store.numbers[int(r)]) for k, _, r in group[1] if k == "num")
            if self.function in QUANTILES:
                return float(got) == float(want)  # they are kept as doubles
            return got == want if exact else abs(got - want) <= size * 2**-49 + abs(want) * 2**-50
        return type(got) is type(want) and got == want


class Grouping:
    def __init__(self, store, rnd):
        self.store, self.rnd = store, rnd
        self.by = [self.path() for _ in range(rnd.choice([0, 1, 1, 1, 2, 2, 3]))]
        self.by = [p for i, p in enumerate(self.by) if p not in self.by[:i]]
        self.bucket = rnd.choice([None, None, *BUCKETS])
        self.calls = [self.call() for _ in range(rnd.randrange(1, 4))]
        self.calls = [c for i, c in enumerate(self.calls) if c.text not in [x.text for x in self.calls[:i]]]
        self.top = rnd.choice([None, None, rnd.randrange(1, 20)])

    def path(self):
        if self.rnd.randrange(3) == 0:
            return ["severity"]
        if self.rnd.randrange(2):
            return [self.rnd.choice(shop.FIELDS)]
        event = self.rnd.choice(list(self.store.events.values()))
        return self.rnd.choice([p for p, _ in oracle.cells(event) if p[0] == "metadata"])

    def call(self):
        function = self.rnd.choice(["count", "count", "distinct", "sum", "min", "max", "avg", *QUANTILES])
        if function == "count" and self.rnd.randrange(2):
            return Call("count", None)
        event = self.rnd.choice(list(self.store.events.values()))
        meta = [p for p, v in oracle.cells(event) if p[0] == "metadata"]
        numbers = [p for p, v in oracle.cells(event) if p[0] == "metadata" and oracle.is_number(v)]
        if function in ("count", "distinct", "min", "max"):
            return Call(function, self.rnd.choice([[self.rnd.choice(shop.FIELDS)], self.rnd.choice(meta)]))
        return Call(function, self.rnd.choice(numbers or [["metadata", "n"]]))

    def pairs(self):
        out = [("agg", ",".join(c.text for c in self.calls))]
        if self.by:
            out.append(("by", ",".join(map(oracle.field_name, self.by))))
        if self.bucket:
            out.append(("bucket", self.bucket))
        return out + [("top", self.top if self.top else 100_000)]

    # -- what SQLite says

    def keys(self, question):
        """{event id: the key of its group}."""
        columns, joins, args = [], "", []
        if self.bucket:
            width = BUCKETS[self.bucket]
            columns.append(f"'time', null, e.ts / {width} * {width}")
        for n, path in enumerate(self.by):
            if path == ["severity"]:
                columns.append("'severity', null, e.severity")
                continue
            columns.append(f"k{n}.kind, k{n}.text, k{n}.rank")
            joins += f" left join cell k{n} on k{n}.id = e.id and k{n}.path = ? and k{n}.kind != 'null'"
            args.append(json.dumps(path))
        sql = (f"select e.id{''.join(', ' + c for c in columns)} from"
               f" (select id, ts, severity from event where {question.where}) e{joins}")
        # The joins' arguments stand behind the inner select's.
        rows = self.store.rows(sql, question.args + args)
        return {row[0]: tuple(self.part(*row[i:i + 3]) for i in range(1, len(row), 3)) for row in rows}

    @staticmethod
    def part(kind, text, rank):
        """Texts that read as numbers are texts; numbers are told by their rank alone."""
        return (kind, rank if kind in ("num", "time", "severity") else text)

    def groups(self, question):
        """{key: [(events, cells) for each call]}."""
        keys = self.keys(question)
        events = collections.Counter(keys.values())
        out = {key: [(count, []) for _ in self.calls] for key, count in events.items()}
        for n, call in enumerate(self.calls):
            cells = self.store.rows("select id, kind, text, rank from cell where path = ? and kind != 'null'",
                                    [json.dumps(call.path)]) if call.path else []
            for i, kind, text, rank in cells:
                if i in keys:
                    out[keys[i]][n][1].append((kind, text, rank))
        if not self.by and not self.bucket and not out:
            out[()] = [(0, []) for _ in self.calls]
        return out

    # -- what the API says

    def key_of(self, row):
        out = []
        if self.bucket:
            out.append(("time", shop.nanoseconds(row[0])))
        for path, value in zip(self.by, row[len(out):]):
            if path == ["severity"]:
                out.append(("severity", shop.SEVERITIES.index(value)))
            elif value is None:
                out.append((None, None))
            else:
                out.append(self.part(*self.store.kind_text_rank(value)))
        return tuple(out)

    def differences(self, question, answer):
        """What is wrong with an answer, as text; nothing: it is right."""
        groups, width = self.groups(question), len(self.by) + bool(self.bucket)
        if answer.get("partial"):
            yield f"partial: {answer['partial']}"
        if answer["groups"] != len(groups):
            yield f"{answer['groups']} groups, {len(groups)} wanted"
        if len(answer["rows"]) != min(self.top or 100_000, len(groups)):
            yield f"{len(answer['rows'])} rows"
        seen = set()
        for row in answer["rows"]:
            key = self.key_of(row)
            if key in seen or key not in groups:
                yield f"row {row}: {'twice' if key in seen else 'no such group'}"
                continue
            seen.add(key)
            for call, group, got in zip(self.calls, groups[key], row[width:]):
                if not call.same(self.store, group, got, call.text in answer["approximate"]):
                    yield f"row {row}: {call.text} is {got!r}, wanted {call.want(self.store, group)!r}"
        if self.top and self.calls[0].text == "count" and not self.bucket:
            largest = sorted((g[0][0] for g in groups.values()), reverse=True)[:self.top]
            if [row[width] for row in answer["rows"]] != largest:
                yield f"the first are {[row[width] for row in answer['rows']]}, wanted {largest}"
