"""What the end-to-end benches measure with: events, daemons and their costs, bytes on disk, the yardstick."""
import atexit
import contextlib
import ctypes
import ctypes.util
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))

import astro  # noqa: E402

# How long a collector may take to seal what waits for it.
SEAL_S = 900
TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


def say(name, value, unit=""):
    print(f"{name:<46} {value:>14} {unit}", flush=True)


def has_generator(gen):
    """False: said, with what to do."""
    if os.path.exists(gen):
        return True
    print(f"skipped: no event generator at {gen}; name one with --gen")
    return False


@contextlib.contextmanager
def work_dir(keep, prefix):
    """Where a bench works: in the directory `keep`, which stays, or in one that goes with the context."""
    work = pathlib.Path(keep or tempfile.mkdtemp(prefix=prefix)).resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        yield work
    finally:
        if not keep:
            shutil.rmtree(work, ignore_errors=True)


def generator(gen, work):
    """The program of that source; made once."""
    program = work / "gen_events"
    if not program.exists():
        subprocess.run(["cc", "-O2", "-o", program, gen, "-lm"], check=True)
    return program


def generate(gen, work, events):
    """The file of so many events that the generator writes; made once."""
    program = generator(gen, work)
    path = work / f"events-{events}.msgpack"
    if not path.exists():
        with open(path, "wb") as out:
            subprocess.run([program, "-n", str(events), "-s", "1", "-f", "msgpack"], stdout=out, check=True)
    return path


def await_sealed(collector):
    """Until what is left is less than one seal waits for."""
    http, least = collector.ready["http"], astro.limit("LIMIT_SEAL_ROWS")
    try:
        astro.wait_for(lambda: astro.metrics(http)["astro_store_unsealed_events"] < least, "all is sealed", SEAL_S)
    except astro.Failure as e:
        sys.exit(f"{e}, see {collector.log_path}")


def drop_caches():
    """Everything that the kernel holds of files; False where that is not allowed."""
    try:
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
        return True
    except OSError:
        return False


def commit(root):
    return subprocess.run(["git", "-C", root, "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True).stdout.strip()


class Daemon:
    """A daemon on loopback whose ready line names its addresses; its memory is sampled as it runs."""

    def __init__(self, argv, log, sample_s=0.05):
        self.log_path = log
        begin = time.perf_counter()
        with open(log, "wb") as out:
            self.proc = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        atexit.register(self.proc.kill)
        self.ready = self.await_ready()
        self.start_s = time.perf_counter() - begin
        self.peak_kib = {"all": 0, "own": 0}
        self.cpu_all_s = None
        self.done = threading.Event()
        if sample_s:
            threading.Thread(target=self.sample, args=(sample_s,), daemon=True).start()

    def await_ready(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            for line in self.log_path.read_text(errors="replace").splitlines():
                if "ready " in line:
                    return dict(re.findall(r"(\w+)=(\S+)", line))
            if self.proc.poll() is not None:
                break
            time.sleep(0.002)
        sys.exit(f"not ready:\n{self.log_path.read_text(errors='replace')}")

    def sample(self, period_s):
        """PSS: once as the kernel counts it, once without file mappings, which are page cache."""
        while not self.done.wait(period_s):
            try:
                text = pathlib.Path(f"/proc/{self.proc.pid}/smaps_rollup").read_text()
            except OSError:
                return
            kinds = dict(re.findall(r"^(Pss\w*):\s+(\d+)", text, re.M))
            if kinds:
                own = int(kinds["Pss_Anon"]) + int(kinds["Pss_Shmem"])
                self.peak_kib["all"] = max(self.peak_kib["all"], int(kinds["Pss"]))
                self.peak_kib["own"] = max(self.peak_kib["own"], own)

    def cpu_s(self):
        """Of all its threads, those that have ended too, to the nanosecond."""
        return time.clock_gettime((~self.proc.pid << 3) | 2)  # as clock_getcpuclockid

    def threads_cpu_s(self):
        out = {}
        for task in pathlib.Path(f"/proc/{self.proc.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            run_ns = (task / "schedstat").read_text().split()[0]
            out[name] = out.get(name, 0) + int(run_ns) / 1e9
        return out

    def say_memory(self, label):
        say(f"{label}: memory peak, PSS", f"{self.peak_kib['all'] / 1024:.1f}", "MiB")
        say(f"{label}: memory peak, PSS without files", f"{self.peak_kib['own'] / 1024:.1f}", "MiB")

    def stop(self, signum=signal.SIGTERM):
        """Ends it and waits; CPU of its whole life is in cpu_all_s then."""
        self.done.set()
        self.proc.send_signal(signum)
        _, status, usage = os.wait4(self.proc.pid, 0)
        self.proc.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_all_s = usage.ru_utime + usage.ru_stime
        if signum == signal.SIGTERM and self.proc.returncode != 0:
            log = self.log_path.read_text(errors="replace")[-2000:]
            sys.exit(f"exit status {self.proc.returncode}:\n{log}")


# ---- bytes on disk ----


def disk(data):
    """Bytes below seg/, by the ending of the file."""
    kinds = {}
    for path in (data / "seg").rglob("*"):
        if path.is_file():
            kinds[path.suffix] = kinds.get(path.suffix, 0) + path.stat().st_size
    return kinds


def segments(data):
    return sorted((data / "seg").rglob("*.seg"))


def columns(build, files):
    """{(column, 'page' or 'dictionary'): [bytes, {encoding: bytes}]}, from astrodump --pages."""
    table = {}
    line_re = re.compile(r"^(page|dictionary)\s+at \d+\+(\d+).* column (\S+).* encoding=(\S+) codec=(\S+)")
    for first in range(0, len(files), 64):
        out = subprocess.run([build / "tools/astrodump", "--pages", *files[first:first + 64]],
                             capture_output=True, text=True, check=True).stdout
        for line in out.splitlines():
            m = line_re.match(line)
            if not m:
                continue
            cell = table.setdefault((m[3], m[1]), [0, {}])
            kind = m[4] if m[5] == "none" else f"{m[4]}+{m[5]}"
            cell[0] += int(m[2])
            cell[1][kind] = cell[1].get(kind, 0) + int(m[2])
    return table


def say_columns(label, build, data, events):
    files = segments(data)
    table = columns(build, files)
    told = 0
    for (column, what), (size, kinds) in sorted(table.items(), key=lambda kv: -kv[1][0]):
        if size / events < 0.005:
            continue
        told += size
        share = ", ".join(f"{k} {v / events:.2f}" for k, v in sorted(kinds.items(), key=lambda kv: -kv[1]))
        name = column if what == "page" else f"{column} (dictionary)"
        say(f"{label}: column {name}", f"{size / events:.3f}", f"bytes/event  {share}")
    rest = sum(p.stat().st_size for p in files) - told
    say(f"{label}: footers, headers, the rest", f"{rest / events:.3f}", "bytes/event")


def say_disk(label, data, events):
    kinds = disk(data)
    for suffix in sorted(kinds):
        say(f"{label}: {suffix}", f"{kinds[suffix] / events:.3f}", "bytes/event")
    per_event = sum(kinds.values()) / events
    say(f"{label}: all", f"{per_event:.2f}", f"bytes/event in {len(segments(data))} segments")
    return per_event


# ---- the yardstick: msgpack + zstd -3 in 1 MiB blocks ----


def mp_head(out, n, small, small_max, codes):
    """The head of a string, array or map of n: its short form or the first code that is wide enough."""
    if n < small_max:
        out.append(small | n)
        return
    for code, form, top in codes:
        if n <= top:
            out += struct.pack(form, code, n)
            return


def mp_put(out, v):
    """One value as msgpack in its shortest form; floats as 64 bits."""
    if v is None:
        out.append(0xC0)
    elif v is True or v is False:
        out.append(0xC3 if v else 0xC2)
    elif isinstance(v, str):
        raw = v.encode("utf-8", "surrogatepass")
        mp_head(out, len(raw), 0xA0, 32, ((0xD9, ">BB", 0xFF), (0xDA, ">BH", 0xFFFF), (0xDB, ">BI", 1 << 32)))
        out += raw
    elif isinstance(v, int):
        mp_int(out, v)
    elif isinstance(v, float):
        out += struct.pack(">Bd", 0xCB, v)
    elif isinstance(v, list):
        mp_head(out, len(v), 0x90, 16, ((0xDC, ">BH", 0xFFFF), (0xDD, ">BI", 1 << 32)))
        for x in v:
            mp_put(out, x)
    else:
        mp_head(out, len(v), 0x80, 16, ((0xDE, ">BH", 0xFFFF), (0xDF, ">BI", 1 << 32)))
        for k, x in v.items():
            mp_put(out, k)
            mp_put(out, x)


def mp_int(out, v):
    if 0 <= v < 128 or -32 <= v < 0:
        out.append(v & 0xFF)
        return
    forms = ((0xCC, ">BB", 0, 0xFF), (0xCD, ">BH", 0, 0xFFFF), (0xCE, ">BI", 0, 0xFFFFFFFF), (0xCF, ">BQ", 0, 2**64 - 1))
    if v < 0:
        forms = ((0xD0, ">Bb", -128, 0), (0xD1, ">Bh", -(2**15), 0), (0xD2, ">Bi", -(2**31), 0), (0xD3, ">Bq", -(2**63), 0))
    for code, form, low, high in forms:
        if low <= v <= high:
            out += struct.pack(form, code, v)
            return
    mp_put(out, float(v))


class Zstd:
    """libzstd through ctypes, for the comparison only; None where it is not there."""

    @staticmethod
    def open():
        name = ctypes.util.find_library("zstd") or "libzstd.so.1"
        try:
            return Zstd(ctypes.CDLL(name))
        except OSError:
            return None

    def __init__(self, lib):
        self.lib = lib
        lib.ZSTD_compressBound.restype = ctypes.c_size_t
        lib.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
        lib.ZSTD_compress.restype = ctypes.c_size_t
        lib.ZSTD_compress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]

    def size(self, raw, level=3):
        bound = self.lib.ZSTD_compressBound(len(raw))
        return self.lib.ZSTD_compress(ctypes.create_string_buffer(bound), bound, bytes(raw), len(raw), level)


def yardstick(events):
    """Bytes of an iterable of events as msgpack, and of its 1 MiB blocks after zstd -3; their number."""
    zstd = Zstd.open()
    raw = packed = count = 0
    block = bytearray()
    for ev in events:
        mp_put(block, ev)
        count += 1
        while len(block) >= MIB:
            raw += MIB
            packed += zstd.size(block[:MIB]) if zstd else 0
            del block[:MIB]
    raw += len(block)
    packed += zstd.size(block) if zstd and block else 0
    return raw, packed if zstd else None, count
