#!/usr/bin/python3
"""Goal: the tree holds what it should and nothing of the place it was made in."""
import os
import re

import lint

TOP_LEVEL = {"collector", "storage", "query", "proto", "tools", "tests", "meson.build",
             "meson_options.txt", "README.md", "LICENSE"}
# Brackets keep this file from finding itself.
PLACES = re.compile(r"/(w[o]rk|f[a]rm|h[o]me/[a-z]+|r[o]ot)/[A-Za-z.]")
REGISTRIES = re.compile(r"\b(deb|security|registry|pypi|files|crates|proxy)\.(debian|npmjs|yarnpkg|pypi|"
                        r"pythonhosted|golang|crates)\.[a-z]+|\bpypi\.org|\bcrates\.io")
UNFINISHED = re.compile(r"\b(T[O]DO|F[I]XME|X[X]X)\b|not (yet )?impl[e]mented")
# Real data, and vectors of others, are as they are.
FOREIGN = ("tests/fuzz/seeds/", "tests/golden/", "tools/sample.ndjson", "LICENSE")


def text_files():
    for name in lint.files():
        if name.startswith(FOREIGN):
            continue
        with open(os.path.join(lint.ROOT, name), "rb") as f:
            data = f.read()
        if b"\0" not in data:
            yield name, data.decode("utf-8", "surrogateescape")


def find(pattern, what):
    for name, text in TEXTS:
        for i, line in enumerate(text.split("\n")):
            m = pattern.search(line)
            if m:
                yield f"{name}:{i + 1}: {what}: {m.group(0)}"


def untidy():
    for name, text in TEXTS:
        if text and not text.endswith("\n"):
            yield f"{name}: ends without a newline"
        if "\r" in text:
            yield f"{name}: has carriage returns"
        for i, line in enumerate(text.split("\n")):
            if line != line.rstrip() and not name.endswith(".md"):
                yield f"{name}:{i + 1}: blanks at the end of the line"


def executables():
    for name, text in TEXTS:
        runs = os.access(os.path.join(lint.ROOT, name), os.X_OK)
        if runs and not text.startswith("#!"):
            yield f"{name}: executable, but not a script"


TEXTS = list(text_files())
lint.point("the top level is the agreed one",
           [f"{n}: not at the top level" for n in sorted({f.split("/")[0] for f in lint.files()})
            if n not in TOP_LEVEL and not n.startswith(".")])
lint.point("no path of the machine it was made on", find(PLACES, "a path of one machine"))
lint.point("no host of a package registry", find(REGISTRIES, "a registry's host"))
lint.point("nothing is left unfinished", find(UNFINISHED, "finish it"))
lint.point("no blanks at line ends, a newline at the end", untidy())
lint.point("only scripts are executable", executables())
lint.done()
