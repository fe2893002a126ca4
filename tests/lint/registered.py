#!/usr/bin/python3
"""Goal: no test is forgotten: each source of a test has its line in meson.build, and runs."""
import os
import re

import lint


def quoted_words(path):
    code = re.sub(r"#.*", "", lint.read(path))
    return set(re.findall(r"'([^']+)'", code))


def unlisted(folder, pattern):
    listed = quoted_words(f"tests/{folder}/meson.build")
    for name in lint.files():
        m = re.fullmatch(rf"tests/{folder}/{pattern}", name)
        if m and m.group(1) not in listed and os.path.basename(name) not in listed:
            yield f"{name}: has no line in tests/{folder}/meson.build"


def seeds():
    for target in {n for n in lint.files() if re.fullmatch(r"tests/fuzz/fuzz_\w+\.c", n)}:
        stem = lint.stem(target)[len("fuzz_"):]
        if not any(n.startswith(f"tests/fuzz/seeds/{stem}/") for n in lint.files()):
            yield f"{target}: has no seeds in tests/fuzz/seeds/{stem}/"


def goals():
    for name in lint.files(".c", ".py"):
        if re.match(r"tests/(unit/test_|fuzz/fuzz_|(?:model|fault|corrupt)/test_|scenario/|lint/(?!lint\.py))", name):
            if "goal:" not in lint.read(name)[:1200].lower():
                yield f"{name}: its first comment does not name its goal"


for folder, pattern in (("unit", r"test_(\w+)\.c"), ("fuzz", r"fuzz_(\w+)\.c"),
                        ("scenario", r"([a-z]_\w+)\.py"), ("lint", r"(?!lint\.)(\w+)\.py")):
    lint.point(f"tests/{folder}: every file is registered", unlisted(folder, pattern))
lint.point("every fuzz target has seeds", sorted(seeds()))
lint.point("every test names its goal", goals())
lint.done()
