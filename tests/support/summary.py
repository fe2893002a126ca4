#!/usr/bin/python3
"""Adds up what meson's test logs say, and prints `N passed, N failed[, N skipped]` as the last line.

usage: summary.py [--step "ok NAME" | --step "not ok NAME"]... [NAME=testlog.json]...

A test that speaks TAP counts once for each of its points, any other test once. A TAP test that
ended badly without a failed point (a crash, a timeout) counts as one failure more.
"""
import json
import re
import sys

POINT = re.compile(r"^\s*(not )?ok\b(?:\s+\d+)?(?:\s*-?\s*)([^#]*)(?:#\s*(SKIP)\b(.*))?", re.I)
PLAN_SKIP = re.compile(r"^\s*1\.\.0\s*#\s*skip(.*)", re.I)


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.skips = [], []

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def skip(self, name, why):
        self.skipped += 1
        self.skips.append(f"{name}: {why.strip()}" if why and why.strip() else name)

    def point(self, test, match):
        bad, name, directive, why = match.groups()
        name = f"{test}: {name.strip()}" if name.strip() else test
        if directive:
            self.skip(name, why)
        elif bad:
            self.fail(name)
        else:
            self.passed += 1

    def test(self, name, result, stdout):
        lines = (stdout or "").splitlines()
        points = [m for m in map(POINT.match, lines) if m]
        plan = next((m for m in map(PLAN_SKIP.match, lines) if m), None)
        failed_before = self.failed
        if plan and not points:
            self.skip(name, plan.group(1))
            return
        for m in points:
            self.point(name, m)
        if result in ("OK", "EXPECTEDFAIL"):
            if not points:
                self.passed += 1
        elif result == "SKIP":
            if not points:
                self.skip(name, "")
        elif self.failed == failed_before:
            self.fail(f"{name}: {result.lower()}")


def read(total, build, path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            if line.strip():
                r = json.loads(line)
                name = r["name"].split(" / ")[-1]
                total.test(f"{build}: {name}", r["result"], r.get("stdout"))


def main(args):
    total = Total()
    while args and args[0] == "--step":
        word, args = args[1], args[2:]
        if word.startswith("not ok "):
            total.fail(word[len("not ok "):])
        else:
            total.passed += 1
    for arg in args:
        build, _, path = arg.partition("=")
        read(total, build, path)
    for title, names in (("skipped", total.skips), ("failed", total.failures)):
        for name in names:
            print(f"{title}: {name}")
    tail = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{tail}")
    return 1 if total.failed or not (total.passed or total.skipped) else 0


sys.exit(main(sys.argv[1:]))
