#!/usr/bin/python3
"""Goal: clang has nothing to say about what gcc compiled. Method: -fsyntax-only with the build's flags."""
import concurrent.futures
import os
import shutil
import subprocess

import lint

# Of gcc alone, or about output that is not made here.
DROP = ("-fstack-clash-protection", "-MD", "-pipe", "-g")
DROP_WITH_VALUE = ("-MQ", "-MF", "-o", "-c")


def arguments(command):
    out, skip = [], False
    # Meson puts ccache in front of the compiler where it finds it.
    launcher = os.path.basename(command[0]) in ("ccache", "sccache")
    for a in command[2 if launcher else 1:]:
        if skip:
            skip = False
        elif a in DROP_WITH_VALUE:
            skip = True
        elif a not in DROP and not a.startswith(("-fsanitize", "-fno-sanitize", "-O")):
            out.append(a)
    return out


def complaints(job):
    name, command = job
    r = subprocess.run(
        ["clang", *arguments(command), "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-warning-option",
         "-Wno-missing-field-initializers",
         "-fsyntax-only", os.path.join(lint.ROOT, name)],
        cwd=lint.BUILD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    return [f"{name}:", *r.stdout.splitlines()[:12]] if r.returncode else []


if not shutil.which("clang"):
    lint.skip_all("clang is missing (package clang)")
commands = lint.compile_commands()
tracked = set(lint.files(".c"))
jobs = [(n, c) for n, (c, _) in sorted(commands.items()) if n in tracked]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
    lint.point(f"{len(jobs)} files compile with clang without a warning",
               [c for found in pool.map(complaints, jobs) for c in found])
lint.done()
