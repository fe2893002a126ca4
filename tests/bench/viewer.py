#!/usr/bin/python3
"""viewer.py --data DIR [--rounds N] [--rows N] - how soon the web viewer shows events, and what it holds.

astroqueryd on loopback serves a store (of two million events, if the figures are to be compared with the
goals); Chromium opens the page of events anew and anew, clicks values of the sidebar, and scrolls through many
rows. Told are the least and the median of the rounds, in milliseconds by the clock of the page, to the first
frame with rows; and the JavaScript heap and the nodes on the way down, after a collection of garbage.
"""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
sys.path.insert(0, os.path.join(HERE, "..", "browser"))
import astro
import viewer

GOALS = {"first": 500, "filter": 100}


def packed_bytes(address):
    """What the page and all it names weigh, packed."""
    page = astro.http_request(address, "/", headers={"Accept-Encoding": "identity"}).text
    names = ["/"] + [part.split('"')[0] for part in page.split('="')[1:] if part.startswith("/web/")]
    return sum(len(astro.http_request(address, name, headers={"Accept-Encoding": "gzip"}).body) for name in names)


def tell(got):
    if got["name"] == "scroll":
        print(f"row {got['row']:>9,.0f}: heap {got['heap_mib']} MiB, {got['nodes']:,.0f} nodes", flush=True)
    else:
        print(f"{got['name']:8} least {got['least']} ms, median {got['median']} ms (goal {GOALS[got['name']]} ms)", flush=True)


def main():
    if not astro.option("data", ""):
        print("skipped: no store to look at; name one with --data")
        return 77
    viewer.need_tools()
    lab = astro.Lab()
    try:
        query = lab.start("astroqueryd", ["--data", os.path.abspath(astro.option("data", "")), "--http", "127.0.0.1:0"])
        env = {**os.environ, "ASTRO_MODULES": viewer.MODULES, "ASTRO_URL": f"http://{query.address('http')}/",
               "ROUNDS": str(astro.option("rounds", 15)), "ROWS": str(astro.option("rows", 100_000))}
        with subprocess.Popen(["node", os.path.join(HERE, "viewer.mjs")], stdout=subprocess.PIPE, env=env, text=True) as node:
            for line in node.stdout:
                tell(json.loads(line))
        print(f"assets   {packed_bytes(query.address('http')):,} bytes packed (goal 80,000)")
    finally:
        lab.close()
    return 0


sys.exit(main())
