#!/usr/bin/python3
"""Goal: a full disk loses nothing that was acknowledged and heals by itself when room is made.

Method: a small file system of its own (tmpfs, which needs root; else skipped) filled up by another
file while events come in; acks must stop, queries of the library must still answer, and after the
other file is removed everything that waited is stored exactly once, without a restart.
"""
import contextlib
import os
import random
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro

T0 = 1700000000
FRAMES = 400
PER_FRAME = 100


@contextlib.contextmanager
def small_disk(path, megabytes):
    os.mkdir(path)
    r = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path],
                       check=False, stderr=subprocess.PIPE, text=True)
    if r.returncode:
        raise astro.Skip("cannot mount a tmpfs here: " + r.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=False)


def fill(path):
    """Takes every byte that is left."""
    with open(path, "wb", buffering=0) as f:
        with contextlib.suppress(OSError):
            while True:
                f.write(bytes(1 << 16))
        with contextlib.suppress(OSError):
            while True:
                f.write(bytes(512))


def t_full_disk_stops_acks_and_heals(lab):
    conf = lab.write("a.conf", "[store]\njournal_file_bytes = 8M\nseal_rows = 10000\n"
                               "disk_soft = 0\ndisk_hard = 0\n")
    with small_disk(lab.path("disk"), 96):
        c = lab.collector(["--config", conf], data="disk/data")
        rng = random.Random(11)
        with c.connect() as s:
            frames = b"".join(
                astro.packed("t", [[T0, {"n": n * PER_FRAME + i, "t": rng.randbytes(900)}]
                                   for i in range(PER_FRAME)], {"chunk": f"d{n}"})
                for n in range(FRAMES))
            s.send(frames[:len(frames) // 8])
            astro.equal(s.ack(), "d0")
            fill(lab.path("disk", "other"))
            sender = threading.Thread(target=s.send, args=(frames[len(frames) // 8:],), daemon=True)
            sender.start()
            c.wait_log("nothing is acknowledged until it works again", 60)
            astro.equal(c.get("/readyz").status, 503)
            astro.equal(c.get("/healthz").status, 200)
            got = 1
            with contextlib.suppress(astro.Failure):
                while True:
                    astro.equal(s.ack(1), f"d{got}")
                    got += 1
            rows = lab.rows("disk/data")
            astro.check(len(rows) >= got * PER_FRAME, f"{len(rows)} rows for {got} acks")
            os.remove(lab.path("disk", "other"))
            c.wait_log("works again", 30)
            astro.equal([s.ack(30) for _ in range(got, FRAMES)],
                        [f"d{n}" for n in range(got, FRAMES)])
            sender.join()
        astro.note(f"{got} of {FRAMES} frames acked on the full disk, the rest after it had room")
        astro.equal(c.get("/readyz").status, 200)
        check_all(lab)
        astro.equal(c.stop(), 0)
        check_all(lab)


def check_all(lab):
    numbers = [r["metadata"]["n"] for r in lab.rows("disk/data")]
    astro.equal(sorted(numbers), list(range(FRAMES * PER_FRAME)))


astro.main(globals())
