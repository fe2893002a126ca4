#!/usr/bin/python3
"""Goal: tests/run ends in what failed and why, whatever kind of test it was.

Method: logs as `meson test` writes them, of points that passed, failed and were skipped, of a crash and of a
test without points, are added up by support/summary.py.
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

SUMMARY = os.path.join(astro.ROOT, "tests", "support", "summary.py")


def summed(lab, tests, *steps):
    """What is printed of tests (name, result, stdout, stderr), and the exit status."""
    log = lab.write("log.json", "".join(json.dumps(
        {"name": f"astrolabe:unit / {name}", "result": result, "stdout": out, "stderr": err}) + "\n"
        for name, result, out, err in tests))
    r = subprocess.run([sys.executable, SUMMARY, *(a for s in steps for a in ("--step", s)), f"gcc={log}"],
                       stdout=subprocess.PIPE, text=True, check=False)
    return r.stdout.splitlines(), r.returncode


def t_all_passed(lab):
    out = summed(lab, [("one", "OK", "1..2\nok 1 - a (0.1 s)\n# said\nok 2 - b # SKIP no disk\n", ""), ("plain", "OK", "", "")],
                 "ok benchmarks")
    astro.equal(out, (["skipped: gcc: one: b: no disk", "3 passed, 0 failed, 1 skipped"], 0))


def t_a_point_that_failed_has_its_own_reason(lab):
    tap = "1..3\nnot ok 1 - a\n# Error: got 1\n#   at x\nok 2 - b\n# of b\nnot ok 3 - c\nnot a diagnostic\n# too late\n"
    out = summed(lab, [("one", "FAIL", tap, "a warning\n")], "not ok fuzz: walk")
    astro.equal(out, (["failed: fuzz: walk", "failed: gcc: one: a", "    Error: got 1", "      at x", "failed: gcc: one: c",
                       "1 passed, 3 failed"], 1))


def t_a_long_reason_is_cut(lab):
    tap = "1..1\nnot ok 1 - a\n" + "# " + "x" * 1001 + "\n" + "".join(f"# {i}\n" for i in range(29))
    out, _ = summed(lab, [("one", "FAIL", tap, "")])
    astro.equal((out[1], out[2], out[20:]), ("    " + "x" * 1000, "    0", ["    18", "    ... and 10 lines", "0 passed, 1 failed"]))


def t_a_crash_has_its_last_words(lab):
    out, _ = summed(lab, [("one", "ERROR", "1..2\nok 1 - a\n", "".join(f"{i}\n" for i in range(30))),
                          ("two", "TIMEOUT", "1..2\nok 1 - a\n", "")])
    astro.equal((out[:2], out[20:]), (["failed: gcc: one: error", "    10"],
                                      ["    29", "failed: gcc: two: timeout", "    1..2", "    ok 1 - a", "2 passed, 2 failed"]))


astro.main(globals())
