"""Prints the requests that Apprise would send to each hosted service, a line of JSON each.

Nothing is sent: the function that sends requests is replaced by one that records them.
"""
import json
import sys
from urllib.parse import urlsplit

import apprise
import requests

slack, discord, teams, telegram, topic, ntfy_token, pagerduty = sys.argv[1:]
recorded = []


class Answer:
    status_code = 200
    content = b'{"ok": true}'
    text = "ok"
    headers = {}

    def json(self):
        return {"ok": True}


def record(method):
    def send(url, data=None, json=None, headers=None, params=None, auth=None, **_):
        recorded.append((method, url, data if json is None else json, headers or {}))
        return Answer()

    return send


requests.post = record("POST")
requests.get = record("GET")
requests.request = lambda method, url, **more: record(method.upper())(url, **more)

SERVICES = {
    "slack": f"slack://{slack.replace('/', '/')}/",
    "discord": f"discord://4711/{discord}/?format=markdown",
    "teams": f"workflows://example.invalid/abc/{teams}/",
    "telegram": f"tgram://{telegram}/-1001/",
    "ntfy": f"ntfys://{ntfy_token}@ntfy.sh/{topic}?mode=private&auth=token",
    "pagerduty": f"pagerduty://{pagerduty}@{'a' * 20}/?source=goavail&component=www",
}

for service, url in SERVICES.items():
    recorded.clear()
    notifier = apprise.Apprise.instantiate(url)
    if notifier is None:
        sys.exit(f"{service}: Apprise does not accept its URL")
    notifier.notify(title="a title", body="a body", notify_type=apprise.NotifyType.WARNING)
    for method, asked, data, headers in recorded:
        if isinstance(data, bytes):
            data = data.decode()
        body = json.loads(data) if isinstance(data, str) else data
        parts = urlsplit(asked)
        folded = {name.lower(): value for name, value in headers.items()}
        print(json.dumps({
            "service": service,
            "method": method,
            "host": parts.hostname,
            "path": parts.path,
            "content_type": folded.get("content-type", ""),
            "authorization": folded.get("authorization", ""),
            "body": body,
        }))
