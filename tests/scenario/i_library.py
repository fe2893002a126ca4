#!/usr/bin/python3
"""Goal: libastrolabe delivers to a real collector, by every door, and through its death, each event once;
and what is installed is enough to make a program with it, in C and C++, shared and static.

Method: the example program of the library, as built and as compiled from the installed files.
"""
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

EXAMPLE = os.path.join(astro.BUILD, "proto", "client", "astrolabe-example")
SOURCE = os.path.join(astro.ROOT, "proto", "client", "example.c")
KILLS = 3
COUNT = 60000


def example(lab, to, count, **more):
    if not os.path.exists(EXAMPLE):
        raise astro.Skip("astrolabe-example is not built")
    return subprocess.Popen([EXAMPLE, to, str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            cwd=lab.dir, **more)


def ended(run):
    out, err = run.communicate(timeout=120 * astro.TIME_SCALE)
    astro.equal(run.returncode, 0, err)
    return {name: int(n) for n, name in re.findall(r"(\d+) (\w+)", out)}


def check_rows(rows, count):
    """Every event once, and every field of it."""
    astro.equal(len(rows), count)
    astro.equal(sorted(r["metadata"]["number"] for r in rows), list(range(1, count + 1)))
    for r in rows:
        n = r["metadata"]["number"]
        astro.equal((r["event_type"], r["entity_type"], r["entity_id"], r["user_id"], r["description"], r["service"]),
                    ("PAYMENT", "order", f"ORD-{n:06d}", "anna", "order was paid", "shop"))
        astro.equal(r["metadata"], {"number": n, "amount": n + 0.25, "gift": n % 2 == 0, "items": ["tea", "cup"],
                                    "card": {"brand": "visa", "last4": 4242}})


def door_of(c, door):
    return f"unix:{c.address(door)}" if door == "unix" else f"{'udp' if door == 'udp' else 'tcp'}://{c.address(door)}"


def t_every_door(lab):
    for n, (door, count) in enumerate((("forward", 5000), ("unix", 5000), ("udp", 50))):
        c = lab.collector(data=f"data{n}")
        got = ended(example(lab, door_of(c, door), count))
        astro.equal((got["logged"], got["acked"], got["resent"]), (count, count, 0))
        c.wait_metric("astro_store_committed_id", count)
        astro.equal(c.stop(), 0)
        check_rows(lab.rows(f"data{n}"), count)


def t_the_collector_is_killed_in_the_middle(lab):
    """kill -9 while frames are on their way; the client sends again what has no ack."""
    c = lab.collector()
    run = example(lab, "unix:" + c.address("unix"), COUNT)
    for _ in range(KILLS):
        # Something new of it is stored, so it is connected.
        c.wait_metric("astro_store_committed_id", 1 + int(c.metric("astro_store_committed_id")))
        c.kill()
        c = lab.collector()
    got = ended(run)
    astro.equal((got["logged"], got["acked"]), (COUNT, COUNT))
    astro.check(got["connections"] == KILLS + 1 and got["resent"] > 0, got)
    astro.equal(c.stop(), 0)
    check_rows(lab.rows(), COUNT)


def t_nobody_is_there_at_first(lab):
    c = lab.collector()
    to = door_of(c, "forward")
    astro.equal(c.stop(), 0)
    run = example(lab, to, 100)
    astro.found("cannot connect", run.stderr.readline())
    c = lab.collector(["--forward", to[len("tcp://"):]])
    astro.equal(ended(run)["acked"], 100)
    astro.equal(c.stop(), 0)
    check_rows(lab.rows(), 100)


# ---------------------------------------------------------------- what is installed


def installed(lab):
    """The library's files of the build, where they would be installed, below the lab; the prefix there."""
    r = subprocess.run(["meson", "introspect", "--installed", astro.BUILD], stdout=subprocess.PIPE, check=False)
    if r.returncode:
        raise astro.Skip("meson cannot tell what it would install")
    root = lab.path("root")
    for source, target in json.loads(r.stdout).items():
        if re.search(r"/(libastrolabe\.so\.1\.0\.0|libastrolabe\.a|astrolabe\.pc|astrolabe/client\.h)$", target):
            if not os.path.exists(source):
                raise astro.Skip(f"{os.path.basename(source)} is not built")
            os.makedirs(root + os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, root + target)
    pcs = [os.path.join(d, "astrolabe.pc") for d, _, names in os.walk(root) if "astrolabe.pc" in names]
    astro.equal(len(pcs), 1)
    libdir = os.path.dirname(os.path.dirname(pcs[0]))
    so = os.path.join(libdir, "libastrolabe.so.1.0.0")
    for link in ("libastrolabe.so.1", "libastrolabe.so"):
        os.symlink(so, os.path.join(libdir, link))
    return root, libdir


def symbols(*args):
    out = subprocess.run(["nm", "-g", *args], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split()[-1].split("@")[0] for line in out.splitlines() if len(line.split()) > 1]


def needs_sanitizer(libdir):
    so = os.path.join(libdir, "libastrolabe.so.1.0.0")
    return any(s.startswith(("__asan", "__tsan", "__ubsan")) for s in symbols("-D", so))


def flags(root, libdir, *more):
    env = {**os.environ, "PKG_CONFIG_PATH": os.path.join(libdir, "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": root}
    r = subprocess.run(["pkg-config", *more, "astrolabe"], stdout=subprocess.PIPE, env=env, text=True, check=True)
    return r.stdout.split()


def compiled(lab, compiler, source, *more):
    if not shutil.which(compiler[0]):
        raise astro.Skip(f"{compiler[0]} is not installed")
    out = lab.path("program")
    r = subprocess.run([*compiler, "-Wall", "-Wextra", "-pedantic", "-Werror", "-o", out, source, *more],
                       stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, check=False)
    astro.equal(r.returncode, 0, r.stdout)
    return out


def t_the_library_shows_its_public_functions_only(lab):
    _, libdir = installed(lab)
    with open(os.path.join(astro.ROOT, "proto", "client.h"), encoding="utf-8") as f:
        public = set(re.findall(r"\b(astro_client_\w+)\(", f.read()))
    so = os.path.join(libdir, "libastrolabe.so.1.0.0")
    astro.equal({s for s in symbols("-D", "--defined-only", so) if not s.startswith(("__", "ASTROLABE_"))}, public)
    static = symbols("--defined-only", os.path.join(libdir, "libastrolabe.a"))
    astro.equal({s for s in static if not s.startswith("__")}, public)
    text = subprocess.run(["readelf", "-d", so], stdout=subprocess.PIPE, text=True, check=True).stdout
    astro.found(r"SONAME.*\[libastrolabe\.so\.1\]", text)


def t_a_program_is_made_with_the_installed_files(lab):
    root, libdir = installed(lab)
    if needs_sanitizer(libdir):
        raise astro.Skip("a program without the sanitizer cannot use a library with it")
    c = lab.collector()
    everything = flags(root, libdir, "--cflags", "--libs")
    program = compiled(lab, ["cc", "-std=c99"], SOURCE, *everything)
    static = [f for f in flags(root, libdir, "--cflags")] + [os.path.join(libdir, "libastrolabe.a"), "-pthread"]
    for path, env in ((program, {"LD_LIBRARY_PATH": libdir}), (None, {})):
        path = path or compiled(lab, ["cc", "-std=c11"], SOURCE, *static)
        r = subprocess.run([path, door_of(c, "unix"), "20"], env={**os.environ, **env}, stdout=subprocess.PIPE,
                           text=True, timeout=60, check=True)
        astro.found("20 logged, 20 acked", r.stdout)
    astro.equal(len(subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True,
                                   check=True).stdout.split("libastrolabe")), 1)
    astro.equal(c.stop(), 0)
    astro.equal(len(lab.rows()), 40)


def t_the_header_is_clean_in_cplusplus(lab):
    root, libdir = installed(lab)
    if needs_sanitizer(libdir):
        raise astro.Skip("a program without the sanitizer cannot use a library with it")
    source = lab.write("program.cc", """
#include <astrolabe/client.h>
#include <cstdio>
int main()
{
	astro_client_conf conf = ASTRO_CLIENT_CONF_INIT;
	astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;
	astro_client *client = nullptr;
	astro_client_event *event = astro_client_event_new();
	astro_client_event_str(event, "event_type", "TEST");
	conf.to = "tcp://127.0.0.1:9";
	if (astro_client_open(&conf, &client) < 0 || astro_client_log(client, event) < 0)
		return 1;
	astro_client_get_counts(client, &counts);
	std::printf("%s %d\\n", astro_client_version(), static_cast<int>(counts.queued));
	astro_client_event_free(&event);
	return astro_client_close(&client, 0) == 0;
}
""")
    program = compiled(lab, ["c++", "-std=c++11"], source, *flags(root, libdir, "--cflags", "--libs"))
    r = subprocess.run([program], env={**os.environ, "LD_LIBRARY_PATH": libdir}, stdout=subprocess.PIPE, text=True,
                       timeout=60, check=True)
    astro.equal(r.stdout, "1.0 1\n")


astro.main(globals())
