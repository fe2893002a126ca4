#!/usr/bin/python3
"""Goal: functions and files stay small enough to be read (STYLE section 10)."""
import re

import lint

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 900
LINE_COLUMNS_MAX = 100
# clang-format leaves comments alone, and widens macros to align them. This number may only be made smaller.
LOOSE_COLUMNS_MAX = 113


def functions(lines):
    """(name, first line, lines) of each body: a brace alone in column 0 opens and closes it."""
    start = name = None
    for i, line in enumerate(lines):
        if line == "{":
            head = next((m for m in (re.search(r"(\w+)\(", lines[k]) for k in range(i - 1, max(i - 8, -1), -1))
                         if m), None)
            start, name = i, head.group(1) if head else "?"
        elif line == "}" and start is not None:
            yield name, start + 1, i - start + 1
            start = None


def width(line):
    return len(line.expandtabs(8))


def is_left_alone(line):
    return line.lstrip().startswith(("/*", "*", "#define")) or line.rstrip().endswith("*/")


long_functions, long_files, wide = [], [], []
for path in lint.sources(tests=True):
    lines = lint.read(path).splitlines()
    if len(lines) > FILE_LINES_MAX:
        long_files.append(f"{path}: {len(lines)} lines; past {FILE_LINES_MAX} it is two modules")
    for name, line, length in functions(lines):
        if length > FUNCTION_LINES_MAX:
            long_functions.append(f"{path}:{line}: {name} has {length} lines; {FUNCTION_LINES_MAX} is the end")
    for i, text in enumerate(lines):
        # A string that must stand in one piece (a URL, a message to grep for) may be wider.
        budget = LOOSE_COLUMNS_MAX if is_left_alone(text) else LINE_COLUMNS_MAX
        if width(text) > budget and '"' not in text:
            wide.append(f"{path}:{i + 1}: {width(text)} columns; {budget} is the end")

lint.point(f"no function over {FUNCTION_LINES_MAX} lines", long_functions)
lint.point(f"no file over {FILE_LINES_MAX} lines", long_files)
lint.point(f"no line over {LINE_COLUMNS_MAX} columns", wide)
lint.done()
