#!/usr/bin/python3
"""Goal: the web viewer does in a real browser what it promises, one point for each promise.

Method: collector and query daemon on loopback hold the events of events.py; Debian's Chromium, driven by
playwright-core, opens the pages; run.mjs is the list of tests, whose output is passed on. A test that needs
something of the daemons (events that come, a daemon that is killed) asks for it by a line of JSON, which is
answered by one.

    viewer.py [WORD...]         only tests with one of these words in their name
    viewer.py --serve [--port N]  the daemons with these events, for looking at by hand
"""
import datetime
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import astro
import events

MODULES = os.path.join(astro.BUILD, "browser-tests")
NODE_MIN = 20


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


def node_major():
    text = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    return int(text.strip().lstrip("v").split(".")[0] or 0)


def need_tools():
    for tool in ("chromium", "node", "npm"):
        if not shutil.which(tool):
            skip_all(f"{tool} is not installed")
    if node_major() < NODE_MIN:
        skip_all(f"node is older than {NODE_MIN}, which playwright-core needs")
    why = npm_ci()
    if why:
        skip_all(f"npm could not install playwright-core and axe-core: {why}")


def same(name):
    with open(os.path.join(HERE, name), "rb") as a, open(os.path.join(MODULES, name), "rb") as b:
        return a.read() == b.read()


def npm_ci():
    """Exactly what the lock says, once per build directory. Why it did not work, or nothing."""
    done = os.path.join(MODULES, "done")
    if os.path.exists(done) and same("package-lock.json"):
        return None
    os.makedirs(MODULES, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(os.path.join(HERE, name), MODULES)
    try:
        r = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1",
                            "--fetch-timeout=30000"], cwd=MODULES, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return "no answer in 180 s"
    if r.returncode:
        return (r.stdout.strip().splitlines() or ["no reason given"])[-1]
    with open(done, "w", encoding="ascii"):
        return None


class Stage:
    """The daemons behind the page, and what tests may ask of them."""

    def __init__(self, lab, port=0):
        self.lab = lab
        self.collector = lab.collector()
        self.count = 0
        now = datetime.datetime.now(datetime.timezone.utc)
        self.send(events.shop())
        self.send(events.notifications(now) + events.thoughts(now))
        self.send(events.hostile())
        self.address = f"127.0.0.1:{port}"
        self.start()

    def start(self):
        relay = self.collector.address("http")
        conf = self.lab.write("query.conf", f"[query]\ncollector = {relay}\n")
        self.query = self.lab.query(args=["--config", conf, "--http", self.address])
        self.address = self.query.address("http")

    def send(self, batch):
        for i in range(0, len(batch), 2000):
            part = batch[i:i + 2000]
            reply = self.collector.get("/api/logs", method="POST", body=json.dumps(part).encode(),
                                       headers={"Content-Type": "application/json"})
            astro.equal((reply.status, reply.json.get("stored")), (201, len(part)), reply.text)
        self.count += len(batch)

    def do(self, order):
        """What a test asked for."""
        if order["do"] == "send":
            self.send(order["events"])
        elif order["do"] == "kill":
            self.query.kill()
        elif order["do"] == "start":
            self.start()
        else:
            raise astro.Failure(f"nobody knows how to {order['do']}")
        return {"count": self.count}


def play(stage, words):
    """Runs the tests; their exit status."""
    env = {**os.environ, "ASTRO_MODULES": MODULES, "ASTRO_URL": f"http://{stage.address}",
           "ASTRO_FAILED": os.path.join(MODULES, "failed")}
    with subprocess.Popen(["node", os.path.join(HERE, "run.mjs"), *words], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True, env=env) as node:
        for line in node.stdout:
            if not line.startswith('{"do":'):
                print(line, end="", flush=True)
                continue
            try:
                answer = stage.do(json.loads(line))
            except astro.Failure as e:
                answer = {"error": str(e)}
            node.stdin.write(json.dumps(answer) + "\n")
            node.stdin.flush()
    return node.returncode


def main():
    lab = astro.Lab()
    try:
        if "--serve" in sys.argv:
            stage = Stage(lab, astro.option("port", 0))
            print(f"http://{stage.address}/ until a line is typed", flush=True)
            sys.stdin.readline()
            return 0
        need_tools()
        stage = Stage(lab)
        code = play(stage, [w for w in sys.argv[1:] if not w.startswith("--")])
        if code:
            astro.note(stage.query.log[-4000:])
        return code
    finally:
        lab.close()


if __name__ == "__main__":
    sys.exit(main())
