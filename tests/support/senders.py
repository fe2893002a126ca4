"""senders - what tests need of other people's clients: npm packages of exact versions, Debian's Go library.

A client that cannot be had here raises astro.Skip with the reason.
"""
import functools
import json
import os
import shutil
import subprocess

import astro

NPM = os.path.join(astro.ROOT, "tests", "support", "npm")
NPM_DIR = os.path.join(astro.BUILD, "npm-clients")
GOPATH = "/usr/share/gocode"


def npm_clients():
    """Installs the exact versions once per build directory; tried once per run."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise astro.Skip(f"{tool} is not installed")
    modules = os.path.join(NPM_DIR, "node_modules")
    with open(os.path.join(NPM, "package.json"), encoding="utf-8") as f:
        wanted = json.load(f)["devDependencies"]
    if not all(version_of(modules, name) == v for name, v in wanted.items()):
        why = npm_install()
        if why:
            raise astro.Skip(f"npm could not install the clients: {why}")
    return modules


@functools.lru_cache(maxsize=None)
def npm_install():
    """Why it did not work, or nothing."""
    os.makedirs(NPM_DIR, exist_ok=True)
    shutil.copy(os.path.join(NPM, "package.json"), NPM_DIR)
    try:
        r = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund",
                            "--no-package-lock", "--fetch-retries=1", "--fetch-timeout=30000"],
                           cwd=NPM_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, timeout=180, check=False)
    except subprocess.TimeoutExpired:
        return "no answer in 180 s"
    return (r.stdout.strip().splitlines() or ["no reason given"])[-1] if r.returncode else None


def version_of(modules, name):
    try:
        with open(os.path.join(modules, name, "package.json"), encoding="utf-8") as f:
            return json.load(f)["version"]
    except OSError:
        return None


def need_go():
    if not shutil.which("go"):
        raise astro.Skip("go is not installed (golang-go)")
    if not os.path.isdir(os.path.join(GOPATH, "src", "github.com", "fluent", "fluent-logger-golang")):
        raise astro.Skip("golang-github-fluent-fluent-logger-golang-dev is not installed")


def go_program(name, source):
    """The program of that source, built where it is newer."""
    need_go()
    program = os.path.join(astro.BUILD, name)
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        why = go_build(program, source)
        astro.check(why is None, f"go build: {why}")
    return program


@functools.lru_cache(maxsize=None)
def go_build(program, source):
    """Why it could not be built, or nothing."""
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": GOPATH, "GOCACHE": os.path.join(astro.BUILD, "go-cache")}
    r = subprocess.run(["go", "build", "-o", program, source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env=env, text=True, timeout=400, check=False)
    return r.stdout.strip() or "no reason given" if r.returncode else None
