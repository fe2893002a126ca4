#!/usr/bin/python3
"""Goal: every header compiles alone, twice, without a warning, and its guard bears its path."""
import concurrent.futures
import os
import re
import shutil
import subprocess

import lint


def flags_for(name, commands):
    """Search paths of a source in the header's folder, or of any source."""
    near = [n for n in commands if os.path.dirname(n) == os.path.dirname(name)]
    every = [n for n in commands if n.startswith("tests/")] or list(commands)
    return lint.search_flags(commands[(near or every)[0]][0])


def complaints(job):
    name, flags, compiler = job
    guard = re.sub(r"[^A-Z0-9]", "_", name.upper())
    if f"#ifndef {guard}\n#define {guard}\n" not in lint.read(name):
        return [f"{name}: guard it with {guard}"]
    text = f'#include "{name}"\n#include "{name}"\n'
    r = subprocess.run(
        [compiler, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-std=gnu11", "-D_GNU_SOURCE",
         "-I", lint.ROOT, *flags, "-x", "c", "-"],
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    return [f"{name}: does not compile alone", *r.stdout.splitlines()[:12]] if r.returncode else []


commands = lint.compile_commands()
compiler = "gcc" if shutil.which("gcc") else "cc"
names = lint.sources(".h", tests=True)
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
    jobs = [(n, flags_for(n, commands), compiler) for n in names]
    lint.point(f"{len(names)} headers compile alone",
               [c for found in pool.map(complaints, jobs) for c in found])
lint.done()
