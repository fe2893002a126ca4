#!/usr/bin/python3
"""Goal: limits.h says what is so, and each limit is reached by a test. Method: each of its names is used by the product,
outside that file, and stands in a test."""
import re

import lint

HEADER = "proto/base/limits.h"


def code(path):
    return re.sub(r"/\*.*?\*/", "", lint.read(path), flags=re.S)


text = code(HEADER)
names = re.findall(r"^\t(LIMIT_[A-Z0-9_]+) =", text, re.M)
product = "\n".join(code(path) for path in lint.sources(tests=False) if path != HEADER)
used = set(re.findall(r"\bLIMIT_[A-Z0-9_]+\b", product))
# One that others are made of is used as they are.
made_of = {n for line in re.findall(r"^\tLIMIT_[A-Z0-9_]+ =.*(?:\n\t\t.*)*", text, re.M)
           for n in re.findall(r"\bLIMIT_[A-Z0-9_]+\b", line.split("=", 1)[1])}

# Those that no test need name: times and rates, of which tests shrink what a peer can reach; how much is done at once;
# and one that nothing can reach, by a proof in limits.h.
UNNAMED = {"LIMIT_" + n for n in """
    ACCEPTS_PER_TURN ACCEPT_REST_MS ACK_UNREAD_MS CLIENT_ANSWER_MS CLIENT_RETRY_MS_MAX CLIENT_RETRY_MS_MIN CLIENT_WAIT_S
    COMMIT_MARGIN COMMIT_RETRY_MS DGRAM_BATCH DGRAM_TURNS DRAIN_READ_MS DRAIN_WRITE_MS FIGURES_MS FRAME_RATE HANDSHAKE_MS
    HTTP_BODY_MS HTTP_BODY_RATE HTTP_HALF_CLOSED_MS HTTP_SHED_MS HTTP_WRITE_BYTES HTTP_WRITE_MS HTTP_WRITE_RATE LINGER_MS
    LIVE_PAST_MS LIVE_PING_MS LIVE_TURN_MS POST_ANSWER_MS POST_ROOM_MS READS_PER_TURN READ_BYTES RELAY_ANSWER_MS
    RELAY_CONNECT_MS SENDER_RETRY_MS_MAX SENDER_RETRY_MS_MIN SILENT_MS UPSTREAM_SPARE_MS
    SENDER_FRAME_BYTES""".split()}
tests = [n for n in lint.sources(".c", ".h", ".py", tests=True) if n.startswith("tests/") and n != "tests/lint/limits.py"]
named = {n for path in tests for n in re.findall(r"\bLIMIT_[A-Z0-9_]+\b", lint.read(path))}

lint.point(f"{len(names)} limits, each with a use", [f"{HEADER}: nobody uses {n}" for n in names
                                                     if n not in used | made_of])
lint.point("no limit has two values", [f"{HEADER}: {n} stands there twice" for n in sorted(set(names))
                                       if names.count(n) > 1])
lint.point("each is named by a test that reaches it", [
    f"{HEADER}: no test names {n}" for n in names if n not in named | UNNAMED] + [
    f"tests/lint/limits.py: {n} is {'named by a test' if n in named else 'no limit'}, take it off the list"
    for n in sorted(UNNAMED) if n in named or n not in names])
lint.done()
