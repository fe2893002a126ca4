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


def exported(path):
    r = subprocess.run(["nm", "-g", "--defined-only", path], stdout=subprocess.PIPE,
                       encoding="utf-8", check=True)
    for line in r.stdout.splitlines():
        symbol = line.split()[-1]
        # Compilers' and sanitizers' own begin with two underscores.
        if not symbol.startswith("__") and "." not in symbol:
            yield symbol


def prefixes(name):
    """The stem, and each shorter one that a header of the folder bears."""
    stem, folder = lint.stem(name), os.path.join(lint.ROOT, os.path.dirname(name))
    yield stem
    while "_" in stem:
        stem = stem.rpartition("_")[0]
        if any(os.path.exists(os.path.join(folder, stem + end)) for end in (".h", "_int.h")):
            yield stem


def complaints(name, path):
    if not os.path.exists(path):
        return
    known = list(prefixes(name))
    for symbol in exported(path):
        if symbol not in GIVEN and not any(symbol == p or symbol.startswith(p + "_") for p in known):
            yield f"{name}: exports {symbol}; begin it with {' or '.join(p + '_' for p in known)}, or make it static"


if not shutil.which("nm"):
    lint.skip_all("nm is missing (package binutils)")
objects = lint.compile_commands()
for folder in lint.PRODUCT:
    wanted = [(n, o) for n, (_, o) in sorted(objects.items()) if n.startswith(folder + "/")]
    if wanted:
        lint.point(f"{folder}: exported symbols begin with the file's stem",
                   [c for n, o in wanted for c in complaints(n, o)])
lint.done()
