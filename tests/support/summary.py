#!/usr/bin/python3
"""Adds up what meson's test logs say, and prints `N passed, N failed[, N skipped]` as the last line.

usage: summary.py [--step "ok NAME" | --step "not ok NAME"]... [NAME=testlog.json]...

A test that speaks TAP counts once for each of its points, any other test once. A TAP test that
ended badly without a failed point (a crash, a timeout) counts as one failure more. Under each failure
stands why: the first diagnostics of the point (the lines with # behind it), or the last lines that the
test wrote; so a log that keeps only its end has the reasons.
"""
import itertools
import json
import re
import sys

POINT = re.compile(r"^\s*(not )?ok\b(?:\s+\d+)?(?:\s*-?\s*)([^#]*)(?:#\s*(SKIP)\b(.*))?", re.I)
DIAGNOSTIC = re.compile(r"^\s*# ?(.*)")
REASON_LINES = 20
REASON_WIDTH = 1000
PLAN_SKIP = re.compile(r"^\s*1\.\.0\s*#\s*skip(.*)", re.I)


class Total:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures, self.skips = [], []

    def fail(self, name, reason=()):
        self.failed += 1
        self.failures.append((name, reason))

    def skip(self, name, why):
        self.skipped += 1
        self.skips.append(f"{name}: {why.strip()}" if why and why.strip() else name)

    def point(self, test, match, reason):
        bad, name, directive, why = match.groups()
        name = f"{test}: {name.strip()}" if name.strip() else test
        if directive:
            self.skip(name, why)
        elif bad:
            self.fail(name, reason)
        else:
            self.passed += 1

    def test(self, name, result, stdout, stderr):
        lines = stdout.splitlines()
        points = [(m, i) for i, m in enumerate(map(POINT.match, lines)) if m]
        plan = next((m for m in map(PLAN_SKIP.match, lines) if m), None)
        failed_before = self.failed
        if plan and not points:
            self.skip(name, plan.group(1))
            return
        for m, i in points:
            self.point(name, m, diagnostics(lines[i + 1:]))
        if result in ("OK", "EXPECTEDFAIL"):
            if not points:
                self.passed += 1
        elif result == "SKIP":
            if not points:
                self.skip(name, "")
        elif self.failed == failed_before:
            last = stderr.splitlines() or lines
            self.fail(f"{name}: {result.lower()}", last[-REASON_LINES:])


def diagnostics(lines):
    """Those at the beginning, without their sign, and how many more there are."""
    found = [m.group(1) for m in itertools.takewhile(bool, map(DIAGNOSTIC.match, lines))]
    more = len(found) - REASON_LINES
    return found[:REASON_LINES] + ([f"... and {more} lines"] if more > 0 else [])


def read(total, build, path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            if line.strip():
                r = json.loads(line)
                name = r["name"].split(" / ")[-1]
                total.test(f"{build}: {name}", r["result"], r.get("stdout") or "", r.get("stderr") or "")


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
    for name in total.skips:
        print(f"skipped: {name}")
    for name, reason in total.failures:
        print(f"failed: {name}")
        for line in reason:
            print(f"    {line[:REASON_WIDTH]}".rstrip())
    tail = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{tail}")
    return 1 if total.failed or not (total.passed or total.skipped) else 0


sys.exit(main(sys.argv[1:]))
