#!/usr/bin/python3
"""Goal: /api/openapi.json is a well-formed OpenAPI 3.1 document, and says what the daemon does: each route and
method, each parameter of each route, and none that is not there.

Method: the document is checked by itself; its paths are held against those the daemon names and allows; every
parameter is sent to every route that answers questions, with its own example: where it is documented it is
taken, elsewhere it is refused.
"""
import json
import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import astro
import shop
import web

# The pages of the viewer are for people.
PAGES = {"/", "/live", "/stats", "/notifications", "/thoughts", "/status", "/web/{file}"}
METHODS = {"get", "put", "post", "delete"}
# What a parameter needs beside it.
BESIDE = {"wait": "after=0", "fill": "bucket=1h", "tz": "bucket=1h"}
# Tails do not end by themselves.
TAILS = {"/api/logs/tail", "/ws/logs"}


def document(s):
    return s.ask("GET", "/api/openapi.json").json()


def resolve(doc, node):
    while "$ref" in node:
        at = doc
        for part in node["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        node = at
    return node


def operations(doc):
    for path, item in doc["paths"].items():
        for method, op in item.items():
            yield path, method, op


def parameters(doc, op, where="query"):
    found = [resolve(doc, p) for p in op.get("parameters", [])]
    return {p["name"]: p for p in found if p["in"] == where}


def refs(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for v in node.values():
            yield from refs(v)
    elif isinstance(node, list):
        for v in node:
            yield from refs(v)


def t_the_document_is_served(lab):
    q = lab.query()
    with web.Raw(q) as s:
        a = s.ask("GET", "/api/openapi.json")
        astro.equal((a.status, a.fields["content-type"]), (200, "application/json"))
        with open(os.path.join(astro.ROOT, "query", "openapi.json"), "rb") as f:
            astro.equal(a.body, f.read())
        astro.equal(s.ask("GET", "/api/openapi.json", If_None_Match=a.fields["etag"]).status, 304)
        packed = s.ask("GET", "/api/openapi.json", Accept_Encoding="gzip")
        astro.equal((packed.fields["content-encoding"], packed.plain()), ("gzip", a.body))


def t_it_is_well_formed(lab):
    with web.Raw(lab.query()) as s:
        doc = document(s)
    astro.check(re.fullmatch(r"3\.1\.\d+", doc["openapi"]))
    for name in ("title", "version"):
        astro.check(doc["info"][name])
    for ref in refs(doc):
        astro.check(resolve(doc, {"$ref": ref}), ref)
    used = set(refs(doc))
    for kind, items in doc["components"].items():
        for name in items:
            astro.check(f"#/components/{kind}/{name}" in used, f"nobody uses {kind}/{name}")
    ids = [op["operationId"] for _, _, op in operations(doc)]
    astro.equal(sorted(ids), sorted(set(ids)))
    for path, method, op in operations(doc):
        astro.check(path.startswith("/") and method in METHODS, path)
        astro.check(op["summary"] and op["responses"], path)
        for status, response in op["responses"].items():
            astro.check(re.fullmatch(r"[1-5]\d\d|default", status), status)
            astro.check(resolve(doc, response)["description"], path)
        astro.equal(sorted(parameters(doc, op, "path")), sorted(re.findall(r"\{(\w+)\}", path)), path)
        listed = [resolve(doc, p) for p in op.get("parameters", [])]
        astro.equal(len({(p["in"], p["name"]) for p in listed}), len(listed), path)
        for p in listed:
            astro.check(p["in"] in ("query", "path") and p["description"] and p["schema"] and "example" in p, p)
            astro.check(p["in"] != "path" or p["required"] is True, p)
        for body in resolve(doc, op.get("requestBody", {})).get("content", {}).values():
            astro.check(body["schema"], path)


def t_routes_and_methods(lab):
    with web.Raw(lab.query()) as s:
        doc = document(s)
        there = set(s.ask("GET", "/none").json()["hint"].removeprefix("there are ").split(", ")) - PAGES
        astro.equal(sorted(doc["paths"]), sorted(there))
        for path, item in doc["paths"].items():
            allow = s.ask("OPTIONS", re.sub(r"\{\w+\}", "7", path)).fields["allow"].split(", ")
            want = {m.upper() for m in item} | {"OPTIONS"} | ({"HEAD"} if "get" in item else set())
            astro.equal(sorted(allow), sorted(want), path)


def example(p):
    value = p["example"][0] if isinstance(p["example"], list) else p["example"]
    return urllib.parse.quote(str(value), safe="")


def t_parameters(lab):
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(40))
    with web.Raw(q) as s:
        doc = document(s)
        cursor = s.ask("GET", "/api/logs?limit=1").json()["next"]
        every = {p["name"]: p for p in doc["components"]["parameters"].values() if p["in"] == "query"}
        for path, method, op in operations(doc):
            if method != "get" or path.startswith(("/healthz", "/readyz", "/metrics", "/api/openapi")) or path in TAILS:
                continue
            mine = parameters(doc, op)
            at = path.replace("{id}", "1").replace("{name}", "event_type")
            for name, other in every.items():
                p = mine.get(name, other)
                text = f"{name}={cursor if name == 'cursor' else example(p)}"
                if name in mine and name in BESIDE:
                    text += "&" + BESIDE[name]
                status = s.ask("GET", f"{at}?{text}").status
                astro.equal(status, 200 if name in mine else 400, f"{at}?{text}")


def t_parameters_of_tails(lab):
    """Those that are refused are refused before a tail begins; of the others nobody waits for the end."""
    c, q = lab.collector(), lab.query()
    shop.ship(c, shop.records(4))
    with web.Raw(q) as s:
        doc = document(s)
    every = {p["name"]: p for p in doc["components"]["parameters"].values() if p["in"] == "query"}
    mine = parameters(doc, doc["paths"]["/api/logs/tail"]["get"])
    for name, other in every.items():
        p = mine.get(name, other)
        with web.Raw(q) as s:
            s.send(s.request("GET", f"/api/logs/tail?{name}={example(p)}"))
            astro.equal(s.status(), 200 if name in mine else 400, name)


astro.main(globals())
