"""events - what the viewer is shown in tests: the same events on every run.

A day of a shop, long ago, a fixed number of events apart by a fixed time; what the notification service and
an agent wrote in the last hours, whose times are counted back from the moment of the run; and events made to
break a page.
"""
import datetime

DAY = datetime.datetime(2026, 1, 15, tzinfo=datetime.timezone.utc)
SHOP = 6000          # one each 14.4 s
STEP = datetime.timedelta(seconds=14.4)
HOSTILE_DAY = datetime.datetime(2026, 2, 2, tzinfo=datetime.timezone.utc)

TYPES = ["AUTH", "PAYMENT", "UPDATE", "CREATE", "AUTH", "ERROR", "PAYMENT", "AUTH", "DELETE", "UPDATE"]
USERS = ["anna", "bert", "carla", "dora", "emil", "fay", "gus"]
SERVICES = ["shop", "billing", "web"]


def iso(when):
    return when.astimezone(datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def severity(i):
    if i % 500 == 0:
        return "critical"
    if i % 50 == 0:
        return "error"
    if i % 10 == 0:
        return "warning"
    return "debug" if i % 7 == 0 else "info"


def shop_event(i):
    kind = TYPES[i % len(TYPES)]
    what = {"AUTH": "signed in from the office", "PAYMENT": "paid by card", "UPDATE": "changed the address",
            "CREATE": "placed an order", "ERROR": "got a timeout from the payment gateway",
            "DELETE": "cancelled the order"}[kind]
    return {"timestamp": iso(DAY + i * STEP), "event_type": kind, "severity": severity(i),
            "entity_type": "order" if i % 3 else "session", "entity_id": f"E-{i % 40:03d}",
            "user_id": USERS[i % 7], "description": f"{USERS[i % 7]} {what}, step {i}",
            "service": SERVICES[i % 3], "host": f"web{i % 4}", "ip_address": f"10.0.0.{i % 200}",
            "metadata": {"step": i, "amount": i * 1.25, "ok": i % 2 == 0, "none": None,
                         "http": {"status": 500 if kind == "ERROR" else 200, "path": {"full": "/cart"}},
                         "list": [1, "two", {"three": 3}], "a key": "with a blank"}}


def shop():
    return [shop_event(i) for i in range(SHOP)]


def notify(now, seconds, metadata, description):
    return {"timestamp": iso(now - datetime.timedelta(seconds=seconds)), "event_type": "NOTIFY", "service": "notifier",
            "entity_type": "job", "entity_id": f"job-{seconds}", "description": description, "metadata": metadata}


def notifications(now):
    """Two hours: a heartbeat each minute but for ten minutes of silence, a message each two minutes, of which
    each tenth fails."""
    out = [notify(now, 60 * i, {"kind": "heartbeat", "queue_size": i + 3}, "heartbeat")
           for i in range(120) if not 40 <= i < 50]
    for i in range(60):
        failed = i % 10 == 0
        out.append(notify(now, 120 * i + 1, {"notification_type": ["email", "sms", "push"][i % 3],
                                             "recipient": f"user{i}@example.org", "status": "failed" if failed else "sent"},
                          f"mailbox {i} is full" if failed else f"notification {i} sent"))
    return out


def thoughts(now):
    """A thought each ten minutes of two agents in turn, and two deeds after each."""
    out = []
    for i in range(12):
        at = now - datetime.timedelta(minutes=10 * i + 5)
        out.append({"timestamp": iso(at), "event_type": "THOUGHT", "user_id": f"agent-{i % 2}", "service": "agent",
                    "description": f"Thought {i}: the queue grows, so I look at the gateway.\nThen I decide."})
        for k in (1, 2):
            out.append({"timestamp": iso(at + datetime.timedelta(seconds=10 * k)), "event_type": "DEED",
                        "user_id": f"agent-{i % 2}", "service": "agent", "description": f"deed {k} after thought {i}"})
    return out


SCRIPT = "<script>window.hurt = 1</script><img src=x onerror='window.hurt = 1'><svg onload='window.hurt = 1'>"


def hostile():
    """Each is an event that some viewer somewhere did not survive."""
    keys = {f"key {i:03d}": f"value {i}" for i in range(500)}
    deep = "bottom"
    for _ in range(20):
        deep = {"deeper": deep}
    events = [
        {"description": SCRIPT, "event_type": SCRIPT[:60], "user_id": "<b>bold</b>", "service": "\"><script>window.hurt = 1</script>"},
        {"description": "a\u0000b\u0007c\u001b[31mred\u007f\u0085 end", "event_type": "CONTROL"},
        {"description": "long " + "x" * 1_000_000, "event_type": "LONG"},
        {"description": "right \u202egnp.exe\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "event_type": "BIDI", "user_id": "\u202eanna"},
        {"description": "five hundred keys", "event_type": "KEYS", "metadata": keys},
        {"description": "names of the language", "event_type": "PROTO", "metadata": {
            "__proto__": {"polluted": "yes"}, "constructor": {"prototype": {"polluted": "yes"}}, "toString": "x",
            "hasOwnProperty": 1, "<i>key</i>": SCRIPT, "": "an empty key"}},
        {"description": "javascript:window.hurt=1", "event_type": "LINK", "entity_type": "url",
         "entity_id": "javascript:window.hurt=1", "metadata": {"url": "javascript:window.hurt=1",
                                                                "data": "data:text/html,<script>window.hurt=1</script>"}},
        {"description": "deep", "event_type": "DEEP", "metadata": {"top": deep}},
        {"description": "one word " + "w" * 5000, "event_type": "E" * 1000, "entity_id": "i" * 1000, "host": "h" * 500},
        {"description": "=cmd|' /C calc'!A0", "event_type": "FORMULA"},
        {"description": "", "event_type": "EMPTY", "metadata": {"list": [[], {}, [[[]]], None, "", 0, False]}},
        {"description": "\U0001f468\u200d\U0001f469\u200d\U0001f467 e\u0301\u0301\u0301\u0301 " + "Z\u0351\u036b\u0343" * 50, "event_type": "ZALGO"},
    ]
    return [{"timestamp": iso(HOSTILE_DAY + datetime.timedelta(minutes=i)), **e} for i, e in enumerate(events)]
