#!/usr/bin/python3
"""Goal: limits.h says what is so. Method: each of its names is used by the product, outside that file."""
import re

import lint

HEADER = "proto/base/limits.h"


def code(path):
    return re.sub(r"/\*.*?\*/", "", lint.read(path), flags=re.S)


text = code(HEADER)
names = re.findall(r"^\t(LIMIT_[A-Z0-9_]+) =", text, re.M)
product = "\n".join(code(path) for path in lint.sources(tests=False) if path != HEADER)
used = set(re.findall(r"\bLIMIT_[A-Z0-9_]+\b", product))
# One that others are made of is used as they are.
made_of = {n for line in re.findall(r"^\tLIMIT_[A-Z0-9_]+ =.*(?:\n\t\t.*)*", text, re.M)
           for n in re.findall(r"\bLIMIT_[A-Z0-9_]+\b", line.split("=", 1)[1])}

lint.point(f"{len(names)} limits, each with a use", [f"{HEADER}: nobody uses {n}" for n in names
                                                     if n not in used | made_of])
lint.point("no limit has two values", [f"{HEADER}: {n} stands there twice" for n in sorted(set(names))
                                       if names.count(n) > 1])
lint.done()
