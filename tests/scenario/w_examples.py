#!/usr/bin/python3
"""Goal: each `curl` that README.md and query/API.md show works as it stands there.

Method: the lines that begin with `curl` are taken out of the code blocks and run by a shell, with the ports of
the test's daemons in the place of the standard ones. An answer is JSON that says success, or a file with
lines in it; of a tail the first line is read.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import shop

TEXTS = ("README.md", os.path.join("query", "API.md"))


def commands(text):
    """Every curl of a text's code blocks, in their order; a line that ends in a backslash goes on."""
    with open(os.path.join(astro.ROOT, text), encoding="utf-8") as f:
        blocks = re.findall(r"^```\w*\n(.*?)^```", f.read(), flags=re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"(\$ )?curl\b", line)]


def daemons(lab):
    if not shutil.which("curl"):
        raise astro.Skip("curl is not installed")
    c = lab.collector()
    q = lab.query(env={"ASTRO_QUERY_COLLECTOR": c.address("http")})
    shop.ship(c, shop.records(200))
    return c, q


def here(command, c, q):
    def port(daemon):
        return astro.split_address(daemon.address("http"))[1]

    command = re.sub(r"\b24280\b", str(port(c)), command.removeprefix("$ "))
    command = re.sub(r"\b9000\b", str(port(q)), command)
    return re.sub(r"^curl\b", "curl -sS --fail-with-body", command)


def first_line(lab, command):
    """Of a tail, which does not end."""
    with subprocess.Popen(["sh", "-c", "exec " + command], cwd=lab.dir, stdout=subprocess.PIPE, text=True) as p:
        line = p.stdout.readline()
        p.kill()
    return line


def run(lab, command):
    r = subprocess.run(["sh", "-e", "-c", command], cwd=lab.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=60 * astro.TIME_SCALE, check=False)
    astro.equal(r.returncode, 0, f"{command}: {r.stdout}")
    return r.stdout


def check(lab, command, c, q):
    words = shlex.split(command.removeprefix("$ "))
    if "-N" in words:
        astro.check(first_line(lab, here(command, c, q)).startswith("id: "), command)
        return
    before = set(os.listdir(lab.dir))
    told = run(lab, here(command, c, q))
    made = sorted(set(os.listdir(lab.dir)) - before)
    if "-OJ" in words:
        astro.equal(len(made), 1, command)
        with open(lab.path(made[0]), encoding="utf-8") as f:
            astro.check(f.readline().startswith("id,"), command)
    elif "/metrics" in command:
        astro.check("astro_" in told, command)
    elif told:
        astro.check("errors" in json.loads(told) or json.loads(told).get("status") == "success", f"{command}: {told}")


def t_they_are_found(lab):
    del lab
    for text, least in ((TEXTS[0], 2), (TEXTS[1], 9)):
        astro.check(len(commands(text)) >= least, f"{text}: {commands(text)}")


def t_readme(lab):
    c, q = daemons(lab)
    for command in commands(TEXTS[0]):
        check(lab, command, c, q)


def t_api(lab):
    c, q = daemons(lab)
    for command in commands(TEXTS[1]):
        check(lab, command, c, q)


astro.main(globals())
