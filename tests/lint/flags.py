#!/usr/bin/python3
"""Goal: a program's manual has exactly the flags of its --help, with the same letters and values."""
import os
import re
import subprocess

import lint

ROW = re.compile(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?(?:  |$)")
STANDARD = {"help": ("h", False), "version": ("", False)}


def exe_of(page):
    """The program beside the page, as built."""
    return os.path.join(lint.BUILD, os.path.splitext(page)[0])


def help_lines(exe, *command):
    r = subprocess.run([exe, *command, "--help"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                       encoding="utf-8", timeout=60, check=True)
    return r.stdout.splitlines()


def commands(lines):
    """Those that --help lists below a line that begins with "Commands"."""
    begin = next((i for i, line in enumerate(lines) if line.startswith("Commands")), len(lines))
    for line in lines[begin + 1:]:
        m = re.match(r"  ([a-z]+) ", line)
        if not m:
            return
        yield m.group(1)


def help_flags(exe):
    """{name: (letter, takes a value)}, those of all commands together"""
    lines = help_lines(exe)
    for command in list(commands(lines)):
        lines = lines + help_lines(exe, command)
    rows = (ROW.match(line) for line in lines)
    return {m.group(2): (m.group(1) or "", m.group(3) is not None) for m in rows if m}


def page_flags(page):
    """The same, of the page's list items: .It Fl D , Fl Fl data Ar DIR; several may share one."""
    out = {}
    for line in re.findall(r"^\.It (Fl .*)$", lint.read(page), re.M):
        letter = ""
        for part in line.split(" , "):
            m = re.match(r"Fl Fl ([\w-]+)( Ar)?", part)
            if m:
                out[m.group(1)] = (letter, m.group(2) is not None)
            else:
                letter = part.split()[1]
    return out


def differences(page):
    said, is_so = page_flags(page), help_flags(exe_of(page))
    for name in sorted(is_so.keys() - said.keys() - STANDARD.keys()):
        yield f"{page}: lacks --{name}"
    for name in sorted(said.keys() - is_so.keys()):
        yield f"{page}: has --{name}, which --help has not"
    for name in sorted(said.keys() & is_so.keys()):
        if said[name] != is_so[name]:
            yield f"{page}: --{name} is (letter, takes a value) {is_so[name]}, not {said[name]}"
    for name, form in STANDARD.items():
        if is_so.get(name) != form:
            yield f"{exe_of(page)}: --help has no --{name}"


for found in lint.files(".1", ".8"):
    if os.access(exe_of(found), os.X_OK):
        lint.point(f"{found} has the flags of --help", differences(found))
    else:
        print(f"# {exe_of(found)} is not built")
lint.done()
