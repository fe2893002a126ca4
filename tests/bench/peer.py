#!/usr/bin/python3
"""The queries of query.py asked of PostgreSQL and of astroqueryd in turn, in one run: a yardstick for them.

    tests/bench/peer.py --build build [--data DIR] [--keep DIR]

A machine that is slow today is slow for both. PostgreSQL holds the same 2,000,000 events of the generator,
set up as it was when the targets were set: 4 GB of shared buffers where there is memory for it, C locale,
indexes on what is asked for, VACUUM ANALYZE; psql says how long it waited for the whole answer, over a Unix
socket. Its figure of that day is known, so each target becomes one for the machine as it is: what the
questions that read the whole table (Q4, Q6 to Q9) take now, by what they took then.

--data   this store, which holds those events; else one is filled, as by query.py
--keep   the work directory, with the store and PostgreSQL's files, stays for the next time

Needs Debian's postgresql. Nothing here asserts a time; an answer with other rows is a line `wrong:`.
"""
import argparse
import contextlib
import os
import pathlib
import pwd
import statistics
import subprocess
import sys

import e2e_tools as tools
import query
from e2e_tools import Daemon, say
from raw_client import RawClient, request

EVENTS = 2_000_000
USER = "postgres"
SHARED_BUFFERS = 4 << 30
COLUMNS = "timestamp,event_type,entity_type,entity_id,user_id,description,metadata,ip_address,user_agent"
TABLE = """
create table activity_logs(id bigserial primary key, timestamp timestamptz not null, event_type text not null,
 entity_type text, entity_id text, user_id text, description text, metadata jsonb, ip_address text, user_agent text);
"""
INDEXES = ["(timestamp)", "(event_type)", "(entity_type, entity_id)", "(user_id)", "using gin (metadata)"]
QUIET = os.environ | {"PGOPTIONS": "-c client_min_messages=warning"}
ROWS = "SELECT row_to_json(t) FROM (SELECT * FROM activity_logs WHERE {} ORDER BY timestamp DESC {}) t"

# What is asked, and the milliseconds that it took on the machine and day of the targets.
ASKED = {
    "Q1": (ROWS.format("timestamp >= '2026-01-13T12:00:00Z' AND timestamp < '2026-01-13T13:00:00Z'", "LIMIT 1000"), 3.39),
    "Q2": ("SELECT count(*) FROM activity_logs WHERE event_type = 'ERROR'", 1.82),
    "Q3": (ROWS.format("entity_type = 'order' AND entity_id = 'ord-1003404'", ""), 0.21),
    "Q4": (ROWS.format("description LIKE '%ephyrin%'", ""), 331.35),
    "Q5": (ROWS.format("description LIKE '%completed%'", "LIMIT 100"), 0.46),
    "Q6": ("SELECT date_trunc('hour', timestamp), event_type, count(*) FROM activity_logs GROUP BY 1, 2", 743.59),
    "Q7": ("SELECT user_id, count(*) FROM activity_logs WHERE event_type = 'AUTH' GROUP BY 1 ORDER BY 2 DESC LIMIT 10",
           254.76),
    "Q8": ("SELECT row_to_json(t) FROM activity_logs t WHERE event_type = 'PAYMENT'", 656.61),
    "Q9": ("SELECT event_type, entity_type, count(*) FROM activity_logs GROUP BY 1, 2", 356.21),
    "Q10": (ROWS.format("metadata @> '{\"error_code\": \"E4102\"}'", "LIMIT 1000"), 16.71),
}
# They read the whole table: no index and no plan has a say.
WHOLE = ("Q4", "Q6", "Q7", "Q8", "Q9")


class Postgres:
    """A server of our own, on a Unix socket in its directory; it ends with the context."""

    def __init__(self, programs, work):
        self.programs, self.dir = programs, work / "postgresql"
        self.as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
        self.psql_argv = ["psql", "-h", self.dir, "-U", USER, "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1"]

    def run(self, program, *args):
        subprocess.run([*self.as_user, self.programs / program, "-D", self.dir / "data", *args],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")

    def __enter__(self):
        if not (self.dir / "data").exists():
            self.create()
        self.run("pg_ctl", "-l", self.dir / "log", "-w", "start")
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-m", "fast", "stop")

    def create(self):
        self.dir.mkdir(mode=0o755)
        if self.as_user:
            account = pwd.getpwnam(USER)
            os.chown(self.dir, account.pw_uid, account.pw_gid)
        self.run("initdb", "--no-locale", "-E", "UTF8", "-U", USER, "-A", "trust")
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        with open(self.dir / "data/postgresql.conf", "a") as conf:
            conf.write(f"shared_buffers = {min(SHARED_BUFFERS, memory // 4) >> 20}MB\nmax_wal_size = 8GB\nwork_mem = 256MB\n"
                       f"listen_addresses = ''\nunix_socket_directories = '{self.dir}'\n")

    def psql(self, sql, **how):
        return subprocess.run([*self.psql_argv, "-c", sql], check=True, env=QUIET, **how)

    def fill(self, generator):
        if self.psql("select to_regclass('activity_logs_ready')", capture_output=True).stdout.strip():
            return
        say("PostgreSQL is filled", f"{EVENTS:,}", "events, a minute or two")
        self.psql("drop table if exists activity_logs;" + TABLE)
        with subprocess.Popen([generator, "-n", str(EVENTS), "-s", "1", "-f", "pgcopy"], stdout=subprocess.PIPE) as rows:
            self.psql(f"copy activity_logs({COLUMNS}) from stdin", stdin=rows.stdout)
        for index in INDEXES:
            self.psql(f"create index on activity_logs {index}")
        self.psql("vacuum analyze activity_logs")
        self.psql("create table activity_logs_ready()")

    def count(self, sql):
        with subprocess.Popen([*self.psql_argv, "-c", sql], stdout=subprocess.PIPE) as psql:
            return sum(1 for _ in psql.stdout)


class Session:
    """One psql that stays connected and tells how long each statement took."""

    def __init__(self, postgres):
        self.psql = subprocess.Popen(["stdbuf", "-oL", *postgres.psql_argv], text=True, bufsize=1,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.psql.stdin.write("\\timing on\n\\o /dev/null\n")

    def timed_ms(self, sql):
        self.psql.stdin.write(sql + ";\n")
        while not (line := self.psql.stdout.readline()).startswith("Time: "):
            if not line:
                sys.exit(f"psql ended at: {sql}")
        return float(line.split()[1])

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def measure(args, postgres, session, client):
    """{name: (ours, theirs)}, medians in ms."""
    found = {}
    for q in (q for q in query.QUERIES if q.name in ASKED):
        sql, raw = ASKED[q.name][0], request(q.path_of(EVENTS))
        rows, theirs = query.rows_of(q.path, client.get(q.path_of(EVENTS))[1])[0], postgres.count(sql)
        if rows != theirs:
            print(f"wrong: {q.name}: {rows} rows, PostgreSQL has {theirs}")
        ours, other = [], []
        for _ in range(args.rounds + 1):
            ours.append(client.timed_ms(raw))
            other.append(session.timed_ms(sql))
        found[q.name] = statistics.median(ours[1:]), statistics.median(other[1:])
    return found


def tell(found):
    slower = statistics.median(found[name][1] / ASKED[name][1] for name in WHOLE)
    say("this machine, by PostgreSQL then and now", f"{slower:.2f}", "times the time of then")
    print(f"\n{'ms':<6}{'astroqueryd':>14}{'PostgreSQL':>14}{'theirs by ours':>16}{'target':>10}{'target here':>14}")
    for q in (q for q in query.QUERIES if q.name in found):
        ours, theirs = found[q.name]
        print(f"{q.name:<6}{ours:>14.2f}{theirs:>14.2f}{theirs / ours:>16.1f}{q.target_ms:>10}{q.target_ms * slower:>14.2f}")


def bench(args, build, work, programs):
    data = pathlib.Path(args.data).resolve() if args.data else query.fill(args, build, work, EVENTS)["sealed"]
    generator = tools.generator(args.gen, work)
    with Postgres(programs, work) as postgres:
        postgres.fill(generator)
        daemon = Daemon([build / "query/astroqueryd", "--data", data, "--http", "127.0.0.1:0"], work / "query.log", None)
        with contextlib.closing(Session(postgres)) as session:
            found = measure(args, postgres, session, RawClient(daemon.ready["http"]))
        daemon.stop()
    tell(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", default=os.environ.get("ASTRO_BUILD", str(query.ROOT / "build")))
    parser.add_argument("--data", help="a store of the 2,000,000 events")
    parser.add_argument("--keep", help="work in this directory, and leave what is there")
    parser.add_argument("--gen", default=str(query.ROOT / "../shared/bench/gen_events.c"))
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    programs = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        print("skipped: PostgreSQL is not installed; apt-get install postgresql")
        return 77
    if not tools.has_generator(args.gen):
        return 77
    say("load average before", f"{os.getloadavg()[0]:.2f}")
    with tools.work_dir(args.keep, "astro-peer-") as work:
        # PostgreSQL's user goes through it.
        work.chmod(0o755)
        bench(args, pathlib.Path(args.build).resolve(), work, programs[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
