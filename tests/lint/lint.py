"""lint - what the lint scripts share: the files of the project, compile commands, TAP output.

A script holds one rule of STYLE or of the build, and calls point() once for each thing it looked
at, with the complaints it has; done() ends it. Files are those git tracks, so that somebody's
half-written one disturbs nobody; without git (a tarball), all that are there.
"""
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("ASTRO_BUILD", os.path.join(ROOT, "build")))
PRODUCT = ("proto", "storage", "collector", "query", "tools")


def _walk():
    for folder, dirs, names in os.walk(ROOT):
        dirs[:] = [d for d in dirs if not d.startswith(("build", ".git", "__pycache__", "node_modules"))]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def _tracked():
    r = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], stdout=subprocess.PIPE,
                       stderr=subprocess.DEVNULL, check=False)
    return r.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] if r.returncode == 0 else []


def files(*suffixes):
    """Paths relative to the root, sorted; only those that end so, if suffixes are given."""
    try:
        names = _tracked()
    except OSError:
        names = []
    names = names or list(_walk())
    return sorted(n for n in names
                  if (not suffixes or n.endswith(suffixes)) and os.path.isfile(os.path.join(ROOT, n)))


def sources(*suffixes, tests=False):
    """C files of the product (and of the tests)."""
    folders = PRODUCT + (("tests",) if tests else ())
    return [n for n in files(*(suffixes or (".c", ".h"))) if n.split("/")[0] in folders]


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def stem(name):
    return os.path.splitext(os.path.basename(name))[0]


def compile_commands():
    """{source relative to the root: (arguments, object file)} of the build being tested."""
    path = os.path.join(BUILD, "compile_commands.json")
    if not os.path.exists(path):
        skip_all(f"no {path}")
    out = {}
    with open(path, encoding="utf-8") as f:
        for c in json.load(f):
            full = os.path.join(c["directory"], c["file"])
            name = os.path.relpath(os.path.realpath(full), os.path.realpath(ROOT))
            out[name] = (shlex.split(c["command"]), os.path.join(c["directory"], c["output"]))
    return out


def search_flags(arguments):
    """The -I, -isystem and -D arguments of a compile command, with absolute paths."""
    out, take = [], False
    for a in arguments[1:]:
        if take:
            out.append(os.path.join(BUILD, a))
            take = False
        elif a == "-isystem":
            out.append(a)
            take = True
        elif a.startswith("-I"):
            out.append("-I" + os.path.join(BUILD, a[2:]))
        elif a.startswith(("-D", "-std=")):
            out.append(a)
    return out


_points = _failed = 0


def point(name, complaints=()):
    global _points, _failed
    _points += 1
    complaints = list(complaints)
    print(f"{'not ok' if complaints else 'ok'} {_points} - {name}")
    _failed += bool(complaints)
    for c in complaints:
        print(f"# {c}")
    sys.stdout.flush()


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def done():
    print(f"1..{_points}")
    sys.exit(1 if _failed else 0)
