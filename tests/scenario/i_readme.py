#!/usr/bin/python3
"""Goal: what README.md shows for shipping events works as it stands there, for each sender that is here.

Method: the code blocks of its section "Ship events" are taken out of the text and run, with the ports of
the test's daemons in the place of the standard ones; then the event is looked at.
"""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import senders

# Each block, by the words before it: who runs it.
KNOWN = ("unchanged", "C", "Python", "Node", "Go", "Docker", "Fluent Bit", "syslog", "/etc/rsyslog.d", "HTTP")


def blocks():
    """[(the paragraph before it, its code)] of the section."""
    with open(os.path.join(astro.ROOT, "README.md"), encoding="utf-8") as f:
        section = f.read().split("\n## Ship events\n")[1].split("\n## ")[0]
    parts = re.split(r"^```(.*)\n", section, flags=re.M)
    # Text, then by turns a fence that opens, code, a fence that closes, text. Two blocks may share a text.
    out, text = [], ""
    for before, code in zip(parts[0::4], parts[2::4]):
        text = before.strip().rpartition("\n\n")[2] or text
        out.append((text, code))
    return out


def snippet(word):
    """The first block whose text begins with that word."""
    found = [code for text, code in blocks() if text.startswith(word)]
    if not found:
        raise astro.Skip(f"README shows nothing of {word}")
    return found[0]


def collector(lab):
    return lab.collector(["--syslog-unix", lab.path("log.sock")])


def here(code, c, q=None):
    """The code with the ports of these daemons."""
    code = re.sub(r"\b24224\b", str(port(c, "forward")), code)
    if "syslog" in c.ready:
        code = re.sub(r"\b5514\b", str(port(c, "syslog")), code)
    code = re.sub(r"\b24280\b", str(port(c, "http")), code)
    return re.sub(r"\b9000\b", str(port(q, "http")), code) if q else code


def port(daemon, door):
    return astro.split_address(daemon.address(door))[1]


def run(lab, argv, **more):
    env = {**os.environ, "PATH": os.path.join(astro.BUILD, "tools") + ":" + os.environ["PATH"], **more}
    r = subprocess.run(argv, cwd=lab.dir, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       timeout=300, check=False)
    astro.equal(r.returncode, 0, r.stdout)
    return r.stdout


def stored(lab, c, count=1):
    c.wait_metric("astro_store_committed_id", count)
    astro.equal(c.stop(), 0)
    rows = lab.rows()
    astro.equal(len(rows), count)
    return rows


def t_every_snippet_has_its_test(lab):
    del lab
    astro.check(len(blocks()) >= 7, "the section was not found")
    for text, _ in blocks():
        lines = text.strip().splitlines()
        astro.check(any(lines[0].startswith(w) or w in lines[-1] for w in KNOWN), f"nobody runs what follows: {text}")


def t_astrosend(lab):
    c = collector(lab)
    lab.write("events.ndjson", '{"event_type":"CREATE","n":1}\n{"event_type":"CREATE","n":2}\n')
    code = next(code for text, code in blocks() if "unchanged" in text)
    run(lab, ["sh", "-e", "-c", code], ASTRO_TO="tcp://" + c.address("forward"))
    rows = stored(lab, c, 3)
    astro.equal((rows[0]["event_type"], rows[0]["user_id"], rows[0]["entity_id"], rows[0]["metadata"]),
                ("AUTH", "anna", "SES-1", {"method": "password"}))


def t_c(lab):
    """The lines, in a function that calls them."""
    library = os.path.join(astro.BUILD, "proto", "client")
    if not shutil.which("cc") or not os.path.exists(os.path.join(library, "libastrolabe.so")):
        raise astro.Skip("no C compiler, or libastrolabe.so is not built")
    if b"__asan_" in open(os.path.join(library, "libastrolabe.so"), "rb").read() or astro.TIME_SCALE > 1:
        raise astro.Skip("a program without the sanitizer cannot use a library with it")
    c = collector(lab)
    lines = here(snippet("C "), c)
    include, code = lines.split("\n", 1)
    source = lab.write("program.c", f"{include}\nint main(void)\n{{\n{code}\treturn 0;\n}}\n")
    run(lab, ["cc", "-Wall", "-Wextra", "-Werror", "-o", "program", source, "-I", library, "-L", library,
              "-lastrolabe", f"-Wl,-rpath,{library}"])
    # The address is the library's default.
    code = code.replace("ASTRO_CLIENT_CONF_INIT;", f'ASTRO_CLIENT_CONF_INIT;\nconf.to = "tcp://{c.address("forward")}";')
    source = lab.write("program.c", f"{include}\nint main(void)\n{{\n{code}\treturn 0;\n}}\n")
    run(lab, ["cc", "-o", "program", source, "-I", library, "-L", library, "-lastrolabe", f"-Wl,-rpath,{library}"])
    run(lab, ["./program"])
    row = stored(lab, c)[0]
    astro.equal((row["event_type"], row["user_id"], row["service"], row["metadata"]),
                ("PAYMENT", "anna", "shop", {"amount": 48.9}))


def t_python(lab):
    if subprocess.run(["/usr/bin/python3", "-c", "import fluent.sender"], check=False, stderr=subprocess.PIPE).returncode:
        raise astro.Skip("python3-fluent-logger is not installed")
    c = collector(lab)
    run(lab, ["/usr/bin/python3", "-c", here(snippet("Python"), c) + "\nlog.close()\n"])
    row = stored(lab, c)[0]
    astro.equal((row["event_type"], row["entity_id"], row["user_id"], row["service"], row["metadata"]),
                ("CREATE", "ORD-1042", "anna", "shop", {"total": 48.9}))


def t_node(lab):
    modules = senders.npm_clients()
    c = collector(lab)
    run(lab, ["node", "-e", here(snippet("Node"), c)], NODE_PATH=modules)
    astro.equal(c.metric("astro_collector_acks_total"), 1)
    row = stored(lab, c)[0]
    astro.equal((row["event_type"], row["entity_id"], row["service"], row["metadata"]),
                ("PAYMENT", "ORD-1042", "shop", {"amount": 48.9}))


def t_go(lab):
    senders.need_go()
    c = collector(lab)
    code = here(snippet("Go"), c)
    source = lab.write("shop.go", code)
    program = lab.path("shop")
    why = senders.go_build(program, source)
    astro.check(why is None, why)
    run(lab, [program])
    astro.equal(c.metric("astro_collector_acks_total"), 1)
    row = stored(lab, c)[0]
    astro.equal((row["event_type"], row["entity_id"], row["service"], row["metadata"]),
                ("PAYMENT", "ORD-1042", "shop", {"amount": 48.9}))


def t_docker(lab):
    if not shutil.which("docker"):
        raise astro.Skip("docker is not installed")
    r = subprocess.run(["docker", "image", "ls", "-q"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       timeout=60, check=False)
    if r.returncode:
        raise astro.Skip(f"docker has no daemon here: {r.stdout.strip().splitlines()[-1]}")
    if not r.stdout.split():
        raise astro.Skip("docker has no image here")
    c = collector(lab)
    code = here(snippet("Docker"), c).replace("IMAGE", f"--network host {r.stdout.split()[0]} echo hello")
    run(lab, ["sh", "-e", "-c", code])
    row = stored(lab, c)[0]
    astro.equal((row["description"], row["service"]), ("hello", "shop"))


def t_fluent_bit(lab):
    program = shutil.which("fluent-bit") or shutil.which("fluent-bit", path="/opt/fluent-bit/bin")
    if not program:
        raise astro.Skip("fluent-bit is not installed, and Debian has no package of it")
    c = collector(lab)
    conf = lab.write("fluent-bit.conf", "[SERVICE]\n    Flush 0.2\n[INPUT]\n    Name dummy\n    Tag shop\n"
                     '    Dummy {"event_type":"PAYMENT"}\n    Samples 3\n' + here(snippet("Fluent Bit"), c))
    daemon = subprocess.Popen([program, "-c", conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        c.wait_metric("astro_store_committed_id", 3)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60)
    for row in stored(lab, c, 3):
        astro.equal((row["event_type"], row["service"]), ("PAYMENT", "shop"))


def need_syslog(c):
    if "syslog" not in c.ready:
        raise astro.Skip("this collector has no syslog")


def t_logger(lab):
    if not shutil.which("logger"):
        raise astro.Skip("logger is not installed (bsdutils)")
    code = snippet("syslog")
    c = collector(lab)
    need_syslog(c)
    run(lab, ["sh", "-e", "-c", here(code, c)])
    row = stored(lab, c)[0]
    astro.equal((row["event_type"], row["service"], row["description"]), ("ORDER", "shop", "order paid"))


def t_rsyslog(lab):
    if not os.access("/usr/sbin/rsyslogd", os.X_OK):
        raise astro.Skip("rsyslogd is not installed (package rsyslog)")
    code = [code for text, code in blocks() if "omfwd" in code]
    if not code:
        raise astro.Skip("README shows nothing of rsyslog")
    c = collector(lab)
    need_syslog(c)
    lab.write("lines.log", "one\ntwo\n")
    conf = lab.write("rsyslog.conf", f'global(workDirectory="{lab.dir}" net.enableDNS="off")\nmodule(load="imfile")\n'
                     f'input(type="imfile" file="{lab.dir}/lines.log" tag="shop:")\n' + here(code[0], c))
    daemon = subprocess.Popen(["/usr/sbin/rsyslogd", "-n", "-f", conf, "-i", lab.path("pid")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        c.wait_metric("astro_store_committed_id", 2)
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60)
    astro.equal([(r["service"], r["description"]) for r in stored(lab, c, 2)], [("shop", "one"), ("shop", "two")])


def t_curl(lab):
    if not shutil.which("curl"):
        raise astro.Skip("curl is not installed")
    code = snippet("HTTP")
    c = collector(lab)
    q = lab.query(env={"ASTRO_QUERY_COLLECTOR": c.address("http")}) if ":9000" in code else None
    run(lab, ["sh", "-e", "-c", here(code, c, q).replace("curl ", "curl -sSf ")])
    row = stored(lab, c)[0]
    astro.equal((row["event_type"], row["user_id"]), ("AUTH", "anna"))


astro.main(globals())
