#!/usr/bin/python3
"""Goal: whoever writes to Elasticsearch or to Loki can write here: Filebeat, Logstash, Vector, Fluent Bit,
promtail, rsyslog and the Python client of Elasticsearch send what they always send, and find in the answers
what they look for.

Method: requests with the heads and bodies of those clients, in the order in which they send them, on one
connection; rsyslog (omelasticsearch) and python3-elasticsearch themselves where they are installed. What is
stored is read back without the daemon.
"""
import gzip
import http.client
import json
import os
import shutil
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro  # noqa: E402
from astro import check, equal, found  # noqa: E402

PRODUCT = ("x-elastic-product", "Elasticsearch")
TIME = "2026-01-12T10:20:30.123Z"


class Client:
    """One connection that is kept, and heads as the client writes them."""

    def __init__(self, daemon):
        self.sock = socket.create_connection(astro.split_address(daemon.address("http")))
        self.sock.settimeout(astro.DEADLINE * astro.TIME_SCALE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def ask(self, line, head=(), body=b""):
        lines = [line + " HTTP/1.1", "Host: collector:24280", *head]
        if body or not line.startswith(("GET", "HEAD")):
            lines.append(f"Content-Length: {len(body)}")
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        reply = http.client.HTTPResponse(self.sock, method=line.split()[0])
        reply.begin()
        return astro.Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())


def ndjson(*values):
    return "".join(json.dumps(v, separators=(",", ":")) + "\n" for v in values).encode()


def stored(lab, daemon):
    equal(daemon.stop(), 0)
    return sorted(lab.rows(), key=lambda row: int(row["id"]))


def is_es(reply, status=200):
    equal(reply.status, status)
    equal(reply.headers.get(PRODUCT[0]), PRODUCT[1])
    return reply


# ---------------------------------------------------------------- Snappy and protobuf, by hand


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def snappy(data):
    """A valid block: literals, and copies where eight bytes repeat those before."""
    out, at = varint(len(data)), 0
    while at < len(data):
        n = 0
        while n < 64 and at >= 8 and at + n < len(data) and data[at + n] == data[at + n - 8]:
            n += 1
        if n >= 4:
            out += struct.pack("<BH", 2 | (n - 1) << 2, 8)
        else:
            n = min(50, len(data) - at)
            out += bytes([(n - 1) << 2]) + data[at:at + n]
        at += n
    return out


def swollen(size):
    """So many equal bytes, packed as small as it goes."""
    out = varint(size) + b"\x00x" + struct.pack("<BH", 2 | 63 << 2, 1) * ((size - 1) // 64)
    rest = (size - 1) % 64
    return out + (struct.pack("<BH", 2 | (rest - 1) << 2, 1) if rest else b"")


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def push_request(streams):
    """[(labels, [(ns, line, {metadata})])] as Loki's PushRequest."""
    out = b""
    for labels, entries in streams:
        stream = field(1, labels)
        for ns, line, extra in entries:
            pairs = b"".join(field(3, field(1, k) + field(2, v)) for k, v in extra.items())
            when = field(1, ns // 10**9) + (field(2, ns % 10**9) if ns % 10**9 else b"")
            stream += field(2, field(1, when) + field(2, line) + pairs)
        out += field(1, stream + field(3, 0x1234567890))
    return out


# ---------------------------------------------------------------- Elasticsearch


FILEBEAT = ["User-Agent: Elastic-filebeat/8.11.1 (linux; amd64; 0000; 2023-11-11 09:00:00 +0000 UTC)",
            "Accept: application/json", "X-Elastic-Product-Origin: observability",
            "Accept-Encoding: gzip"]
FILEBEAT_FILTER = ("errors%2Citems.index.status%2Citems.index.error%2Citems.create.status%2C"
                   "items.create.error%2Citems.update.status%2Citems.update.error")


def filebeat_event(n):
    return {"@timestamp": TIME, "message": f"line {n}", "log": {"offset": n, "file": {
        "path": "/var/log/app.log"}, "level": "warn"}, "input": {"type": "filestream"},
        "ecs": {"version": "8.0.0"}, "host": {"name": "web-1", "os": {"type": "linux"}},
        "agent": {"type": "filebeat", "version": "8.11.1"}, "service": {"name": "shop"},
        "user": {"id": "u7", "name": "ada"}, "event": {"action": "login", "kind": "event"},
        "source": {"ip": "192.0.2.7"}}


def t_filebeat(lab):
    c = lab.collector()
    with Client(c) as f:
        info = is_es(f.ask("GET /", FILEBEAT)).json
        check(int(info["version"]["number"].split(".")[0]) >= 8)
        equal(info["version"]["build_flavor"], "default")
        license_ = is_es(f.ask("GET /_license?human=false", FILEBEAT)).json["license"]
        equal((license_["status"], license_["type"]), ("active", "basic"))
        is_es(f.ask("GET /_ilm/policy/filebeat", FILEBEAT), 404)
        put = [*FILEBEAT, "Content-Type: application/json; charset=UTF-8"]
        is_es(f.ask("PUT /_ilm/policy/filebeat", put, b'{"policy":{}}'))
        is_es(f.ask("HEAD /_index_template/filebeat-8.11.1", FILEBEAT), 404)
        template = b'{"template":{"mappings":{"properties":{%s}}}}' % b",".join(
            b'"f%d":{"type":"keyword"}' % i for i in range(20000))
        equal(is_es(f.ask("PUT /_index_template/filebeat-8.11.1", put, template)).json["acknowledged"], True)
        is_es(f.ask("GET /_data_stream/filebeat-8.11.1", FILEBEAT), 404)
        is_es(f.ask("PUT /_data_stream/filebeat-8.11.1", FILEBEAT))
        action = {"create": {"_index": "filebeat-8.11.1"}}
        body = ndjson(*[v for n in range(50) for v in (action, filebeat_event(n))])
        r = is_es(f.ask("POST /_bulk?filter_path=" + FILEBEAT_FILTER,
                        [*put, "Content-Encoding: gzip"], gzip.compress(body)))
        equal(r.json, {"errors": False, "items": [{"create": {"status": 201}}] * 50})
    rows = stored(lab, c)
    equal(len(rows), 50)
    row = rows[49]
    equal({k: row.get(k) for k in ("timestamp", "description", "host", "severity", "service", "user_id",
                                   "event_type", "ip_address")},
          {"timestamp": TIME, "description": "line 49", "host": "web-1", "severity": "warning",
           "service": "shop", "user_id": "u7", "event_type": "login", "ip_address": "192.0.2.7"})
    equal(row["metadata"], {
        "_index": "filebeat-8.11.1", "log": {"offset": 49, "file": {"path": "/var/log/app.log"}},
        "host": {"os": {"type": "linux"}}, "user": {"name": "ada"}, "event": {"kind": "event"},
        "input": {"type": "filestream"}, "ecs": {"version": "8.0.0"},
        "agent": {"type": "filebeat", "version": "8.11.1"}})


def t_logstash(lab):
    c = lab.collector()
    head = ["Connection: Keep-Alive", "Content-Type: application/json",
            "x-elastic-product-origin: logstash-output-elasticsearch",
            "User-Agent: logstash/8.11.1 (OS=Linux-6.1-amd64) logstash-output-elasticsearch/11.22.2",
            "Accept-Encoding: gzip,deflate"]
    with Client(c) as f:
        equal(is_es(f.ask("HEAD /", head)).body, b"")
        equal(is_es(f.ask("GET /", head)).json["tagline"], "You Know, for Search")
        is_es(f.ask("GET /_license", head))
        is_es(f.ask("GET /_xpack", head))
        is_es(f.ask("HEAD /_index_template/ecs-logstash", head), 404)
        is_es(f.ask("PUT /_index_template/ecs-logstash", head, b"{}"))
        body = b"".join([
            ndjson({"create": {"_index": "logs-generic-default"}},
                   {"@timestamp": TIME, "@version": "1", "message": "ok", "host": {"hostname": "h1"},
                    "data_stream": {"type": "logs"}}),
            ndjson({"index": {"_id": None, "_index": "ecs-logstash", "routing": None}}),
            b'{"message": broken\n',
            ndjson({"update": {"_id": "7", "_index": "l"}}, {"doc": {}, "doc_as_upsert": True}),
            ndjson({"delete": {"_id": "8", "_index": "l"}}),
            ndjson({"index": {"_index": "l"}}, ["no object"]),
            ndjson({"index": {"_id": "9", "_index": "l"}}, {"message": "last"})])
        r = is_es(f.ask("POST /_bulk?filter_path=errors,items.*.error,items.*.status", head, body)).json
        equal((r["errors"], [[*i][0] for i in r["items"]]),
              (True, ["create", "index", "update", "delete", "index", "index"]))
        equal([[*i.values()][0]["status"] for i in r["items"]], [201, 400, 400, 400, 400, 201])
        equal(r["items"][1]["index"]["error"]["type"], "mapper_parsing_exception")
        found("expected a value", r["items"][1]["index"]["error"]["reason"])
        equal(r["items"][3]["delete"]["error"]["type"], "illegal_argument_exception")
    rows = stored(lab, c)
    equal([row["description"] for row in rows], ["ok", "last"])
    equal((rows[0]["host"], rows[0]["timestamp"]), ("h1", TIME))
    equal(rows[1]["metadata"], {"_index": "l", "_id": "9"})


def t_vector(lab):
    c = lab.collector()
    head = ["content-type: application/x-ndjson", "user-agent: Vector/0.34.1 (x86_64-unknown-linux-gnu)",
            "accept-encoding: zstd,gzip,deflate,br", "accept: */*"]
    with Client(c) as f:
        equal(is_es(f.ask("GET /_cluster/health", head)).json["status"], "green")
        equal(is_es(f.ask("GET /", head)).json["version"]["number"].split(".")[0], "8")
        event = {"host": "vec", "message": "from vector", "source_type": "file", "timestamp": TIME}
        body = ndjson({"index": {"_index": "vector-2026.01.12"}}, event)
        r = is_es(f.ask("POST /_bulk?timeout=60s", head, body))
        check('"errors":true' not in r.text)
        item = r.json["items"][0]["index"]
        equal((item["status"], item["result"], item["_index"], item["_id"]),
              (201, "created", "vector-2026.01.12", "1"))
        check(r.json["took"] >= 0)
        body = ndjson({"index": {}}, event, {"index": {"_index": "x"}}, 7)
        r = is_es(f.ask("POST /insert/elasticsearch/my%20index/_bulk", head, body))
        found('"errors":true', r.text)
        equal(r.json["items"][0]["index"]["_index"], "my index")
        equal(r.json["items"][1]["index"]["error"]["reason"], "a document is an object")
    rows = stored(lab, c)
    equal([row["host"] for row in rows], ["vec", "vec"])
    equal(rows[0]["metadata"], {"_index": "vector-2026.01.12", "source_type": "file"})


def t_fluent_bit_es(lab):
    c = lab.collector()
    head = ["User-Agent: Fluent-Bit", "Content-Type: application/x-ndjson"]
    with Client(c) as f:
        body = ndjson({"create": {"_index": "fluent-bit", "_type": "_doc"}},
                      {"@timestamp": TIME, "log": "docker line", "stream": "stderr",
                       "kubernetes": {"pod_name": "p"}})
        is_es(f.ask("GET /elasticsearch", head))
        for path in ("/_bulk", "/_bulk/?pipeline=none", "/elasticsearch/_bulk"):
            r = is_es(f.ask("POST " + path, head, body))
            found('"errors":false', r.text)
    rows = stored(lab, c)
    equal([row["description"] for row in rows], ["docker line"] * 3)
    equal(rows[0]["metadata"], {"_index": "fluent-bit", "stream": "stderr",
                                "kubernetes": {"pod_name": "p"}})


def t_bad_bulks_store_nothing(lab):
    c = lab.collector()
    head = ["Content-Type: application/x-ndjson"]
    good = ndjson({"index": {}}, {"message": "m"})
    for body in (b"", b"\n", ndjson({"message": "m"}), good + b"nonsense\n" + good,
                 good + ndjson({"index": {}}), ndjson([1]), ndjson({"frobnicate": {}}, {})):
        with Client(c) as f:
            equal(f.ask("POST /_bulk", head, body).status, 400, body)
    refused = c.metric("astro_collector_http_refused_total")
    with Client(c) as f:
        # As many as one request may have, and one more.
        many = ndjson({"delete": {}}) * astro.limit("LIMIT_ES_ITEMS")
        equal(f.ask("POST /_bulk?filter_path=errors", head, many).json, {"errors": True})
        equal(f.ask("POST /_bulk", head, many + ndjson({"delete": {}})).status, 413)
    # What is said of them for the answer has a bound, too.
    with Client(c) as f:
        count = astro.limit("LIMIT_ES_NOTES_BYTES") // 500
        long = [ndjson({"delete": {"_index": f"{n:08}" + "x" * 492}}) for n in range(count)]
        equal(f.ask("POST /_bulk?filter_path=errors", head, b"".join(long[:count * 9 // 10])).json, {"errors": True})
        equal(f.ask("POST /_bulk", head, b"".join(long)).status, 413)
    equal(c.metric("astro_collector_http_refused_total"), refused + 2)
    with Client(c) as f:
        name = "x" * (astro.limit("LIMIT_ES_NAME_BYTES") + 1)
        long = ndjson({"index": {"_index": name}}, {"message": "m"}) + good
        r = f.ask("POST /_bulk?filter_path=items.*.status", head, long)
        equal(r.json, {"items": [{"index": {"status": 400}}, {"index": {"status": 201}}]})
    equal([row["description"] for row in stored(lab, c)], ["m"])


def t_a_template_too_long(lab):
    """It is read to its end and forgotten; a longer one is refused by what its head says."""
    c, most = lab.collector(), astro.limit("LIMIT_ES_THING_BYTES")
    with Client(c) as f:
        equal(is_es(f.ask("PUT /_template/t", [], b" " * most)).json["acknowledged"], True)
    with Client(c) as f:
        f.sock.sendall(f"PUT /_template/t HTTP/1.1\r\nHost: x\r\nContent-Length: {most + 1}\r\n\r\n".encode())
        reply = http.client.HTTPResponse(f.sock, method="PUT")
        reply.begin()
        equal(reply.status, 413)
    equal(c.metric("astro_collector_http_too_large_total"), 1)
    check(c.peak_mb() < 64 * astro.MEMORY_SCALE, f"{c.peak_mb()} MiB")


def t_python_elasticsearch(lab):
    try:
        import elasticsearch
        from elasticsearch import helpers
    except ImportError:
        raise astro.Skip("python3-elasticsearch is not installed") from None
    c = lab.collector()
    es = elasticsearch.Elasticsearch("http://" + c.address("http"))
    check(es.ping())
    actions = ({"_index": "py", "_op_type": "create" if n % 2 else "index", "_source": {
        "@timestamp": TIME, "message": f"m{n}", "service.name": "py"}} for n in range(5000))
    equal(helpers.bulk(es, actions, chunk_size=500), (5000, []))
    rows = stored(lab, c)
    equal([row["description"] for row in rows], [f"m{n}" for n in range(5000)])
    equal((rows[0]["service"], rows[0]["timestamp"]), ("py", TIME))


def rsyslog_module():
    for folder in ("/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog",
                   "/usr/lib/rsyslog"):
        if os.path.exists(os.path.join(folder, "omelasticsearch.so")):
            return folder
    raise astro.Skip("rsyslog-elasticsearch is not installed")


def t_rsyslog_omelasticsearch(lab):
    rsyslogd = shutil.which("rsyslogd", path="/usr/sbin:/sbin:/usr/bin")
    rsyslog_module()
    if not rsyslogd:
        raise astro.Skip("rsyslogd is not installed")
    c = lab.collector()
    host, port = astro.split_address(c.address("http"))
    lines = lab.path("lines.log")
    with open(lines, "w", encoding="utf-8") as f:
        f.writelines(f"number {n}\n" for n in range(1000))
    conf = lab.write("rsyslog.conf", f"""
global(workDirectory="{lab.path()}")
module(load="imfile" mode="inotify")
module(load="omelasticsearch")
template(name="doc" type="list" option.jsonf="on") {{
    property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
    property(outname="host.name" name="hostname" format="jsonf")
    property(outname="log.level" name="syslogseverity-text" format="jsonf")
    property(outname="service.name" name="programname" format="jsonf")
    property(outname="message" name="msg" format="jsonf")
}}
input(type="imfile" File="{lines}" Tag="shop:" Severity="warning")
action(type="omelasticsearch" server="{host}" serverport="{port}" template="doc" bulkmode="on"
       searchIndex="rsyslog" searchType="" queue.type="linkedlist" queue.dequeuebatchsize="100"
       errorfile="{lab.path('rejected')}")
""")
    p = subprocess.Popen([rsyslogd, "-n", "-f", conf, "-i", lab.path("rsyslog.pid")],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        c.wait_metric('astro_collector_events_total{door="http"}', 1000, timeout=30)
    finally:
        p.terminate()
        p.wait(30)
    check(not os.path.exists(lab.path("rejected")) or os.path.getsize(lab.path("rejected")) == 0)
    rows = stored(lab, c)
    equal(sorted(row["description"] for row in rows), sorted(f"number {n}" for n in range(1000)))
    equal((rows[0]["service"], rows[0]["severity"]), ("shop", "warning"))


# ---------------------------------------------------------------- Loki


NS = 1768213230123456789
NS_TEXT = "2026-01-12T10:20:30.123456789Z"


def t_promtail(lab):
    c = lab.collector()
    head = ["User-Agent: promtail/2.9.2", "Content-Type: application/x-protobuf",
            "Accept-Encoding: gzip"]
    body = push_request([
        ('{filename="/var/log/app.log", job="shop", level="error", note="a \\"b\\" \\u00e9"}',
         [(NS + n, f"line {n}", {}) for n in range(300)]),
        ('{app="pay"}', [(NS, '{"msg":"charged","level":"warn","user_id":"u1"}', {"trace_id": "t1"})])])
    with Client(c) as f:
        for _ in range(2):
            r = f.ask("POST /loki/api/v1/push", head, snappy(body))
            equal((r.status, r.body, r.headers.get("content-length")), (204, b"", None))
        r = f.ask("POST /loki/api/v1/push", head, snappy(body)[:-3])
        equal(r.status, 400)
        found("Snappy", r.text)
        equal(f.ask("POST /loki/api/v1/push", head, snappy(b"\x0a\x7f")).status, 400)
        equal(f.ask("POST /loki/api/v1/push", head, b"\x80\x80\x80\x80\x04\x00").status, 400)
        most = astro.limit("LIMIT_LOKI_BODY_BYTES")
        # Fields that nobody knows are passed over.
        equal(f.ask("POST /loki/api/v1/push", head, swollen(most)).status, 204)
        equal(f.ask("POST /loki/api/v1/push", head, swollen(most + 1)).status, 413)
    with Client(c) as f:
        equal(f.ask("POST /loki/api/v1/push", ["Content-Type: text/html"], b"x").status, 415)
    rows = stored(lab, c)
    equal(len(rows), 602)
    row = next(r for r in rows if r["description"] == "line 7")
    equal((row["timestamp"][:-3], row["service"], row["severity"]), (NS_TEXT[:-3], "shop", "error"))
    equal(row["metadata"], {"filename": "/var/log/app.log", "job": "shop", "note": 'a "b" é'})
    row = next(r for r in rows if r["description"] == "charged")
    equal((row["timestamp"], row["service"], row["severity"], row["user_id"]),
          (NS_TEXT, "pay", "warning", "u1"))
    equal(row["metadata"], {"app": "pay", "trace_id": "t1"})


def t_fluent_bit_loki(lab):
    c = lab.collector()
    head = ["User-Agent: Fluent-Bit", "Content-Type: application/json"]
    line = json.dumps({"log": "hello", "stream": "stdout", "n": 1})
    body = json.dumps({"streams": [{"stream": {"job": "fluent-bit"}, "values": [
        [str(NS), line, {"pod": "p"}], [str(NS + 1), "plain"]]}]}).encode()
    with Client(c) as f:
        equal(f.ask("POST /loki/api/v1/push", head, body).status, 204)
        equal(f.ask("POST /loki/api/v1/push", [*head, "Content-Encoding: gzip"],
                    gzip.compress(body)).status, 204)
        equal(f.ask("POST /loki/api/v1/push", ["Content-Type: application/x-www-form-urlencoded"],
                    body).status, 204)
        for bad in (b"", b"{", b'{"streams":[{"stream":{},"values":[["1"]]}]}', b'{"streams":1}'):
            equal(f.ask("POST /loki/api/v1/push", head, bad).status, 400)
        most = astro.limit("LIMIT_LOKI_BODY_BYTES")
        equal(f.ask("POST /loki/api/v1/push", head, body.ljust(most)).status, 204)
        equal(f.ask("POST /loki/api/v1/push", head, body.ljust(most + 1)).status, 413)
    rows = stored(lab, c)
    equal([row["description"] for row in rows], ["hello", "plain"] * 4)
    equal((rows[0]["timestamp"], rows[0]["service"]), (NS_TEXT, "fluent-bit"))
    equal(rows[0]["metadata"], {"job": "fluent-bit", "pod": "p", "stream": "stdout", "n": 1})


def t_vector_loki(lab):
    c = lab.collector()
    with Client(c) as f:
        head = ["user-agent: Vector/0.34.1 (x86_64-unknown-linux-gnu)", "accept: */*"]
        equal(f.ask("GET /ready", head).status, 200)
        body = push_request([('{forwarder="vector"}', [(NS, '{"message":"m","host":"h"}', {})])])
        r = f.ask("POST /insert/loki/api/v1/push", [*head, "content-type: application/x-protobuf"],
                  snappy(body))
        equal(r.status, 204)
    rows = stored(lab, c)
    equal((rows[0]["description"], rows[0]["host"], rows[0]["metadata"]),
          ("m", "h", {"forwarder": "vector"}))


def t_lines_beyond_a_limit(lab):
    c = lab.collector()
    head = ["Content-Type: application/json"]

    def push(*lines):
        return json.dumps({"streams": [{"stream": {}, "values": [["1", line] for line in lines]}]}).encode()

    with Client(c) as f:
        big = "x" * (1100 << 10)
        equal(f.ask("POST /loki/api/v1/push", head, push(big, "small")).status, 204)
        r = f.ask("POST /loki/api/v1/push", head, push(big))
        equal(r.status, 400)
        found("beyond a limit", r.text)
        labels = {f"l{n}": "v" for n in range(astro.limit("LIMIT_LOKI_LABELS") + 1)}
        body = json.dumps({"streams": [{"stream": labels, "values": [["1", "many"]]}]}).encode()
        equal(f.ask("POST /loki/api/v1/push", head, body).status, 204)
        check(c.peak_mb() < 64 * astro.MEMORY_SCALE, f"{c.peak_mb()} MiB")
    rows = stored(lab, c)
    equal([row["description"] for row in rows], ["small", "many"])
    equal(rows[1]["metadata"], {"_labels": labels})


if __name__ == "__main__":
    astro.main(globals())
