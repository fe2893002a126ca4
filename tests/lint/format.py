#!/usr/bin/python3
"""Goal: clang-format leaves every C file as it is. Method: --dry-run, with the repository's style."""
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
complaints = []
for name in names:
    r = subprocess.run([tool, "--style=file", name], cwd=lint.ROOT, stdout=subprocess.PIPE,
                       encoding="utf-8", errors="surrogateescape", check=True)
    was, is_now = lint.read(name).splitlines(), r.stdout.splitlines()
    if was != is_now:
        line = next((i for i, (a, b) in enumerate(zip(was, is_now)) if a != b), min(len(was), len(is_now)))
        complaints.append(f"{name}:{line + 1}: run clang-format -i {name}")
lint.point(f"{len(names)} files are as clang-format leaves them", complaints)
lint.done()
