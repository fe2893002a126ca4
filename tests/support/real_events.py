"""The recorded events of the shared data, or the product's own sample where those are not there."""
import json
import lzma
import os
import subprocess

import astro

FILES = ("access", "audit", "cloudtrail", "windows")


def sources():
    """(name, lines) of each file; the sample gets the refs that real files have."""
    folder = os.path.join(astro.SHARED, "data", "events")
    if not os.path.isdir(folder):
        astro.note("the shared data is not here: using tools/sample.ndjson")
        yield "sample", sample_lines()
        return
    for name in FILES:
        yield name, lzma.open(os.path.join(folder, name + ".ndjson.xz"), "rb")


def sample_lines():
    with open(os.path.join(astro.ROOT, "tools", "sample.ndjson"), encoding="utf-8") as f:
        for n, line in enumerate(f):
            event = json.loads(line)
            event.setdefault("metadata", {})["ref"] = f"s{n:06d}"
            yield json.dumps(event, ensure_ascii=False).encode() + b"\n"


def send(to, lines, *args):
    """Pipes the lines into astrosend and returns its last line."""
    proc = subprocess.Popen([astro.program("astrosend"), "--to", to, "--ndjson", *args, "-"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in lines:
        proc.stdin.write(line)
    proc.stdin.close()
    out = proc.stdout.read().decode()
    astro.equal(proc.wait(), 0, out)
    return out.strip().splitlines()[-1]
