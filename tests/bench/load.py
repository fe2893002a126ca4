#!/usr/bin/python3
"""What 64 clients with dear queries cost ingest, and what they may hold.

    tests/bench/load.py --build build [--events 2000000] [--data DIR] [--rounds 3] [--clients 64] [--warm-s 15]

Fills a store (or copies --data), lets a collector and a query daemon serve it, and ships one file of events
again and again: a quiet round, then one under load, in turns, so that what else the machine does hits both;
each begins when what the one before left is sealed.
Under load every client asks one dear query after another: texts that no index knows, a hostile regular
expression, groups by a field of many values, aggregations that fill their memory, deep offsets, exports.
The clients run in a process of the lowest priority: it is the daemon that is measured. They ask for --warm-s
before the events come, since each waits for seconds, and memory is highest when dear answers meet: with few
answers its figure says little.

Told are rate and CPU of the collector for each kind of round and their ratio, the answers of all rounds by
status (`none yet`: still asked for when the round ended), the daemon's CPU, and its highest PSS. Nothing here asserts a time.
"""
import argparse
import collections
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import threading
import time

import e2e_tools as tools
from e2e_tools import Daemon, say
from raw_client import Closed, RawClient, request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = 500_000

DEAR = {
    "substring": "/api/logs?search=qq%20zz&limit=1",
    "two letters": "/api/logs?search=a%20&limit=1000",
    "offset": "/api/logs?search=e&offset=100000&limit=100",
    "regex": "/api/logs?q=description%3D~%22(a%2B)%2B%24%22&limit=10",
    "hostile": "/api/logs?q=description%3D~%22%5E(%5Cw%2B%5Cs%3F)*%24%22&limit=10",
    "metadata": "/api/logs?q=metadata.amount%3E990000&limit=1000",
    "groups": "/api/query?by=entity_id&agg=count&top=10",
    "distinct": "/api/query?by=event_type&agg=distinct(entity_id),p95(metadata.amount)",
    "big groups": "/api/query?by=description,user_id,entity_id&agg=count,min(description),max(metadata.order_id)&limit=100000",
    "big functions": "/api/query?by=user_id&agg=count,distinct(entity_id),p95(metadata.amount),min(description)&limit=100000",
    "export": "/api/logs/export?format=ndjson&event_type=PAYMENT",
}


def clients_main(addr, count):
    """The process of the clients: asks until its input ends, then prints each answer: name, status, seconds."""
    os.nice(19)
    answers, asked, stop = [], {}, threading.Event()

    def ask(seed):
        rnd, client = random.Random(seed), RawClient(addr)
        while not stop.is_set():
            name, path = rnd.choice(list(DEAR.items()))
            start = time.perf_counter()
            asked[seed] = name, start
            try:
                status = client.exchange(request(path))[9:12].decode()
            except (Closed, OSError):
                status, client = "closed", RawClient(addr)
            answers.append(f"{name}\t{status}\t{time.perf_counter() - start}")

    threads = [threading.Thread(target=ask, args=(i,), daemon=True) for i in range(count)]
    for t in threads:
        t.start()
    sys.stdin.read()
    stop.set()
    end = time.perf_counter()
    answers += [f"{name}\tnone yet\t{end - start}" for name, start in list(asked.values())]
    print("\n".join(answers), flush=True)
    os._exit(0)


class Clients:
    def __init__(self, addr, count):
        self.proc = subprocess.Popen([sys.executable, __file__, "--as-clients", addr, str(count)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        """What was answered: name, status, seconds."""
        return [line.split("\t") for line in self.proc.communicate()[0].splitlines()]


def say_answers(answers):
    took = collections.defaultdict(list)
    for name, status, seconds in answers:
        took[name, status].append(float(seconds))
    late = sum(status == "none yet" for _, status, _ in answers)
    say("answers under load", f"{len(answers) - late:,}", f"of {len(DEAR)} questions, and {late} asked for when a round ended")
    for (name, status), all_s in sorted(took.items()):
        print(f"  {name:<14} {status}: {len(all_s):,} answers, median {statistics.median(all_s) * 1e3:,.0f} ms")


class Rounds:
    """Rates and CPU of one kind of round."""

    def __init__(self, name):
        self.name, self.rates, self.cpu_us = name, [], []

    def ship(self, build, collector, path):
        before = collector.cpu_s()
        start = time.perf_counter()
        subprocess.run([build / "tools/astrosend", "--to", "tcp://" + collector.ready["forward"],
                        "--msgpack", path], check=True, capture_output=True)
        self.rates.append(SHIPPED / (time.perf_counter() - start))
        cpu = collector.cpu_s() - before
        self.cpu_us.append(cpu / SHIPPED * 1e6)

    def say(self):
        say(f"{self.name}: durable ingest", f"{statistics.median(self.rates):,.0f}",
            f"events/s  ({', '.join(f'{r:,.0f}' for r in self.rates)})")
        say(f"{self.name}: collector's CPU", f"{statistics.median(self.cpu_us):.2f}", "us/event")


def bench(args, build, work):
    data = work / "data"
    say("commit", tools.commit(ROOT))
    say("load average before", f"{os.getloadavg()[0]:.2f}")
    if args.data:
        shutil.copytree(args.data, data)
    collector = Daemon([build / "collector/astrocollectd", "--data", data, "--forward", "127.0.0.1:0",
                        "--syslog", "", "--http", "127.0.0.1:0"], work / "collector.log", None)
    if not args.data:
        Rounds("fill").ship(build, collector, tools.generate(args.gen, work, args.events))
    query = Daemon([build / "query/astroqueryd", "--data", data, "--http", "127.0.0.1:0"], work / "query.log", 0.01)
    path = tools.generate(args.gen, work, SHIPPED)
    quiet, loaded, answers, shares = Rounds("quiet"), Rounds(f"{args.clients} clients"), [], []
    quiet.ship(build, collector, path)
    quiet.rates.clear()
    quiet.cpu_us.clear()
    for _ in range(args.rounds):
        tools.await_sealed(collector)
        quiet.ship(build, collector, path)
        tools.await_sealed(collector)
        clients = Clients(query.ready["http"], args.clients)
        time.sleep(args.warm_s)
        before = query.cpu_s()
        start = time.perf_counter()
        loaded.ship(build, collector, path)
        shares.append((query.cpu_s() - before) / (time.perf_counter() - start))
        answers += clients.end()
    quiet.say()
    loaded.say()
    ratios = [a / b for a, b in zip(loaded.rates, quiet.rates)]
    say("ingest under load / quiet", f"{statistics.median(ratios):.3f}",
        f"({', '.join(f'{r:.2f}' for r in ratios)})  target >= 0.9")
    say("query daemon's CPU beside ingest", f"{statistics.median(shares):.2f}", "cores")
    query.say_memory("query daemon")
    say_answers(answers)
    query.stop()
    collector.stop()


def main():
    if sys.argv[1:2] == ["--as-clients"]:
        clients_main(sys.argv[2], int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(ROOT / "build")))
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--data", help="begin with a copy of this store")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-s", type=float, default=15.0, help="from the first client to the first event")
    parser.add_argument("--gen", default=str(ROOT / "../shared/bench/gen_events.c"))
    args = parser.parse_args()
    if not tools.has_generator(args.gen):
        return 77
    with tools.work_dir(None, "astro-load-") as work:
        bench(args, pathlib.Path(args.build).resolve(), work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
