#!/usr/bin/python3
"""Goal: manuals tell what the tables say: astrolabe.conf(5) against conf.def, all pages well formed."""
import os
import re
import shutil
import subprocess

import lint

PAGE = "proto/astrolabe.conf.5"
ROW = re.compile(r'^CONF\((\w+),\s*"(\w+)",\s*"(\w+)",\s*\w+,\s*"([^"]*)",(.*?)"', re.S | re.M)


def rows():
    """(key, section, name, default, reread) of each row of conf.def, and how many there are."""
    text = lint.read("proto/svc/conf.def")
    text = text[text.index("*/"):]
    found = [(*m.groups()[:4], "true" in m.group(5)) for m in ROW.finditer(text)]
    return found, len(re.findall(r"^CONF\(", text, re.M))


def page_keys():
    """{(section, name): what the entry says} of the page: .Ss [section], then .It Cm name ..."""
    section, key, out = None, None, {}
    for line in lint.read(PAGE).splitlines():
        if line.startswith(".Sh"):
            section = key = None
        m = re.match(r"\.Ss \[(\w+)\]", line)
        if m:
            section, key = m.group(1), None
        m = re.match(r"\.It Cm (\w+)", line)
        if m and section:
            key = (section, m.group(1))
            out[key] = ""
        elif key:
            out[key] += line + "\n"
    return out


def default_in(text):
    """The value after "Default:", without its macro and full stop."""
    m = re.search(r"Default:\s+(?:\.\w+ )?(.+?)\s?\.$", text, re.M)
    return m.group(1) if m else None


def keys_against_page():
    table, page = rows()[0], page_keys()
    for _, section, name, standard, _ in table:
        text = page.get((section, name))
        if text is None:
            yield f"{PAGE}: lacks [{section}] {name}"
        elif default_in(text) != (standard or "empty"):
            yield f"{PAGE}: [{section}] {name} should end in \"Default: {standard or 'empty'}.\""
    known = {(s, n) for _, s, n, *_ in table}
    for section, name in page:
        if (section, name) not in known:
            yield f"{PAGE}: [{section}] {name} is not in conf.def"


def rereads():
    page = page_keys()
    for _, section, name, _, reread in rows()[0]:
        said = "Reread." in page.get((section, name), "")
        # Retention is read anew by each run of astrocompact.
        if section != "retention" and said != reread:
            yield f"{PAGE}: [{section}] {name} {'lacks' if reread else 'should not say'} \"Reread.\""


def names_of_keys():
    table, calls = rows()
    if len(table) != calls:
        yield f"conf.def: {calls} rows, but only {len(table)} could be read here"
    for key, section, name, *_ in table:
        if key != f"{section}_{name}".upper():
            yield f"conf.def: {key} should be {section.upper()}_{name.upper()}"


def malformed(page):
    r = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(lint.ROOT, page)],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    # A page may refer to one that is installed elsewhere.
    return [line.replace(lint.ROOT + "/", "") for line in r.stdout.splitlines() if "referenced manual" not in line]


lint.point("conf.def: enum names follow section and name", names_of_keys())
lint.point("astrolabe.conf(5) says which keys are reread", rereads())
lint.point("astrolabe.conf(5) has every key with its default", keys_against_page())
pages = [n for n in lint.files() if re.search(r"\.[1358]$", n)]
if shutil.which("mandoc"):
    lint.point(f"{len(pages)} pages are well formed mdoc", [c for p in pages for c in malformed(p)])
lint.done()
