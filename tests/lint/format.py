#!/usr/bin/python3
"""Goal: clang-format leaves every C file as it is. Method: --dry-run, with the repository's style."""
import re
import shutil
import subprocess

import lint

# Another version formats otherwise; Debian 12 has 14.
tool = next((t for t in ("clang-format-14", "clang-format") if shutil.which(t)), None)
if not tool:
    lint.skip_all("clang-format is missing (package clang-format)")
version = subprocess.run([tool, "--version"], stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
if " 14." not in version:
    lint.skip_all(f"the style is that of clang-format 14, here is {version.strip()}")
names = lint.sources(tests=True)
# One process for all: starting it costs more than its work.
r = subprocess.run([tool, "--style=file", "--dry-run", *names], cwd=lint.ROOT, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, encoding="utf-8", errors="surrogateescape", check=True)
first = {}
for m in re.finditer(r"^(\S+?):(\d+):\d+: warning: code should be clang-formatted", r.stderr, re.M):
    first.setdefault(m.group(1), m.group(2))
complaints = [f"{name}:{line}: run clang-format -i {name}" for name, line in first.items()]
lint.point(f"{len(names)} files are as clang-format leaves them", complaints)
lint.done()
