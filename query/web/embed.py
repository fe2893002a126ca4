#!/usr/bin/python3
"""embed.py OUT FILE... - the pages as a C table (query/web/assets.h): each file plain and gzipped.

The same files give the same bytes: nothing of the day or the machine is in them.
"""
import gzip
import hashlib
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
         ".json": "application/json"}


def array(name, data):
    lines = (", ".join(map(str, data[i:i + 32])) for i in range(0, len(data), 32))
    return "static const unsigned char %s[] = {\n\t%s\n};\n" % (name, ",\n\t".join(lines))


def main(out, files):
    parts, rows = ['#include "query/web/assets.h"\n'], []
    for i, path in enumerate(sorted(files, key=os.path.basename)):
        with open(path, "rb") as f:
            plain = f.read()
        packed = gzip.compress(plain, 9, mtime=0)
        etag = hashlib.sha256(plain).hexdigest()[:16]
        parts += [array(f"plain_{i}", plain), array(f"packed_{i}", packed)]
        rows.append('\t{ "%s", "%s", "%s", plain_%d, sizeof plain_%d, packed_%d, sizeof packed_%d },\n'
                    % (os.path.basename(path), TYPES[os.path.splitext(path)[1]], etag, i, i, i, i))
    parts.append("const struct assets_file assets_files[] = {\n%s};\n" % "".join(rows))
    parts.append("const size_t assets_files_count = sizeof assets_files / sizeof assets_files[0];\n")
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(parts))


main(sys.argv[1], sys.argv[2:])
