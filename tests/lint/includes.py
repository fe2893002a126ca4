#!/usr/bin/python3
"""Goal: folder order is dependency order (STYLE section 1). Method: every #include of the product."""
import os
import re

import lint

# Who may include whom. tests may include all.
ALLOWED = {
    "proto/base": ("proto/base",),
    "proto/wire": ("proto/base", "proto/wire"),
    "proto/expr": ("proto/base", "proto/wire", "proto/expr"),
    "proto/syslog": ("proto/base", "proto/wire", "proto/syslog"),
    "proto/net": ("proto/base", "proto/net"),
    "proto/http": ("proto/base", "proto/net", "proto/http"),
    "proto/svc": ("proto/base", "proto/svc"),
    "proto/rule": ("proto/base", "proto/wire", "proto/expr", "proto/svc", "proto/rule"),
    "proto/client": ("proto/base", "proto/wire", "proto/client"),
    "storage": ("proto", "storage"),
    "collector": ("proto", "storage", "collector"),
    "query": ("proto", "storage", "query"),
    "tools": ("proto", "storage", "tools"),
}
# `astroquery -D DIR` runs the very engine of the daemon, its aggregations and exports too.
EXCEPTIONS = {("tools", f"query/{face}.h") for face in ("engine", "agg", "agg_answer", "context", "export", "fields")}

# Libraries, and the only folders that may know them.
LIBRARIES = {
    r"uv\.h": ("proto/net", "proto/http", "proto/svc", "collector", "query", "tools"),
    r"msgpack.*": ("proto/wire", "tools"),
    r"llhttp\.h": ("proto/http",),
    r"lz4.*": ("storage",),
    r"zlib\.h|zstd.*": ("proto/wire",),
    r"openssl/.*": ("proto/wire",),
    r"xxhash\.h": ("storage", "proto/wire", "proto/rule", "collector", "query", "tools"),
    r"ini\.h": ("proto/svc",),
    r"pcre2\.h": ("proto/expr",),
}
# base knows no file system.
NOT_IN_BASE = {"dirent.h", "fcntl.h", "ftw.h", "sys/mman.h", "sys/stat.h", "sys/file.h", "unistd.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


# The library's public header stands above its folder.
EXCEPTIONS.add(("proto/client", "proto/client.h"))


def folder_of(name):
    parts = name.split("/")
    return "/".join(parts[:2]) if parts[0] == "proto" else parts[0]


def direction(me, name, target):
    if (me, target) in EXCEPTIONS:
        return
    if not target.startswith(tuple(a + "/" for a in ALLOWED[me])):
        yield f"{name}: includes {target}, which {me} may not (STYLE section 1)"
    if target.endswith("_int.h") and folder_of(target) != me:
        yield f"{name}: includes {target}, which is for {folder_of(target)} alone"


def quoted(me, name, target):
    if ".." in target or not (os.path.exists(os.path.join(lint.ROOT, target))
                              or os.path.basename(target) in GENERATED):
        yield f'{name}: include "{target}" by its full path from the root'
    elif me in ALLOWED:
        yield from direction(me, name, target)


def angled(me, name, target):
    for library, folders in LIBRARIES.items():
        if re.fullmatch(library, target) and me not in folders:
            yield f"{name}: knows <{target}>, which is for {', '.join(folders)}"
    if me == "proto/base" and target in NOT_IN_BASE:
        yield f"{name}: knows <{target}>, but base knows no file system"


GENERATED = {"assets.h"}


def complaints(name):
    me = folder_of(name)
    for mark, target in INCLUDE.findall(lint.read(name)):
        if mark == '"':
            yield from quoted(me, name, target)
        elif me in ALLOWED:
            yield from angled(me, name, target)


def own_header_first(name):
    header = name[:-2] + ".h"
    found = INCLUDE.findall(lint.read(name))
    firsts = (('"', header), ('"', name[:-2] + "_int.h"))
    if os.path.exists(os.path.join(lint.ROOT, header)) and found and found[0] not in firsts:
        yield f'{name}: include its own "{header}" first, which proves that it stands alone'


names = lint.sources(".c", ".h", ".def", tests=True)
by_folder = {}
for n in names:
    by_folder.setdefault(folder_of(n), []).append(n)
for folder, members in sorted(by_folder.items()):
    lint.point(f"{folder} includes only what it may", [c for n in members for c in complaints(n)])
lint.point("a .c file includes its own header first",
           [c for n in lint.sources(".c") for c in own_header_first(n)])
lint.done()
