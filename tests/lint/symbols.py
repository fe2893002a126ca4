#!/usr/bin/python3
"""Goal: what a file exports begins with its stem (STYLE section 3). Method: nm over the objects.

A module that is split into several files keeps one name: compact_retain.c may export compact_x if
compact.h or compact_int.h of its folder declares the module, for its callers know that header.
"""
import os
import shutil
import subprocess

import lint

# Names that others give: the entry of a program.
GIVEN = {"main"}


def exported(paths):
    """The symbols of each object; one call of nm for all of them."""
    r = subprocess.run(["nm", "-A", "-g", "--defined-only", *paths], stdout=subprocess.PIPE,
                       encoding="utf-8", check=True)
    found = {path: [] for path in paths}
    for line in r.stdout.splitlines():
        path, symbol = line.rpartition(":")[0], line.split()[-1]
        # Compilers' and sanitizers' own begin with two underscores.
        if not symbol.startswith("__") and "." not in symbol:
            found[path].append(symbol)
    return found


def prefixes(name):
    """The stem, and each shorter one that a header of the folder bears."""
    stem, folder = lint.stem(name), os.path.join(lint.ROOT, os.path.dirname(name))
    yield stem
    while "_" in stem:
        stem = stem.rpartition("_")[0]
        if any(os.path.exists(os.path.join(folder, stem + end)) for end in (".h", "_int.h")):
            yield stem


def complaints(name, symbols):
    known = list(prefixes(name))
    for symbol in symbols:
        if symbol not in GIVEN and not any(symbol == p or symbol.startswith(p + "_") for p in known):
            yield f"{name}: exports {symbol}; begin it with {' or '.join(p + '_' for p in known)}, or make it static"


if not shutil.which("nm"):
    lint.skip_all("nm is missing (package binutils)")
objects = lint.compile_commands()
for folder in lint.PRODUCT:
    wanted = {o: n for n, (_, o) in sorted(objects.items())
              if n.startswith(folder + "/") and os.path.exists(o)}
    if wanted:
        lint.point(f"{folder}: exported symbols begin with the file's stem",
                   [c for o, symbols in exported(list(wanted)).items()
                    for c in complaints(wanted[o], symbols)])
lint.done()
