"""Serves webhooks of external-dns on a free port of loopback until standard input is closed.

Prints its port once it accepts connections. `/NAME/...` is the webhook of the zone NAME, which begins
empty; `/control/NAME` shows and replaces its content (`zone.py` says what can be set). `/locked/...`
admits nobody.

Each request and each answer is validated by openapi-core against `description.yaml`. A request that is not
as described is a bad request, and is remembered: the control shows it.
"""

import json
import pathlib
import sys
import threading

from openapi_core import Config, OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest, WerkzeugOpenAPIResponse
from openapi_core.exceptions import OpenAPIError
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from zone import Refusal, Zone

MEDIA_TYPE = "application/external.dns.webhook+json;version=1"

DESCRIPTION = OpenAPI.from_file_path(
    str(pathlib.Path(__file__).with_name("description.yaml")),
    config=Config(
        server_base_url="http://webhook",
        extra_media_type_deserializers={
            "application/external.dns.webhook+json": lambda body, **_: json.loads(body),
        },
    ),
)

lock = threading.Lock()
zones = {}


class Described(WerkzeugOpenAPIRequest):
    """A request as it would be if the webhook had the server for itself."""

    def __init__(self, request, path):
        super().__init__(request)
        self.inner_path = path

    @property
    def host_url(self):
        return "http://webhook"

    @property
    def path(self):
        return self.inner_path


class Answered(WerkzeugOpenAPIResponse):
    """An answer with the version in its media type."""

    @property
    def content_type(self):
        return self.response.headers.get("Content-Type") or ""


def answer(content, zone):
    media = zone.trait("media") or MEDIA_TYPE
    return Response(json.dumps(content), 200, {"Vary": "Content-Type"}, content_type=media)


def respond(request, path, zone):
    body = json.loads(request.get_data() or b"null")
    try:
        if path == "/":
            return answer(zone.filter, zone)
        if path == "/records" and request.method == "GET":
            return answer(zone.records(), zone)
        if path == "/records":
            zone.apply(body)
            return Response(status=204)
        if "adjusts-nothing" in zone.traits:
            return Response("404 page not found\n", 404)
        return answer(zone.adjust(body), zone)
    except Refusal as refusal:
        return Response(refusal.text, refusal.status)


def webhook(request, path, zone):
    described = Described(request, path)
    try:
        DESCRIPTION.validate_request(described)
    except OpenAPIError as error:
        return violation(zone, f"request {request.method} {path}: {error!r} {error.__cause__!r}")
    if request.method == "GET" and request.headers.get("Accept") != MEDIA_TYPE:
        return violation(zone, f"{request.method} {path} accepts {request.headers.get('Accept')}")
    response = respond(request, path, zone)
    # What the server is told to do wrong is no fault of the server.
    if response.status_code in (200, 204, 500) and not {"media", "null", "adjusts-null"} & set(zone.traits):
        try:
            DESCRIPTION.validate_response(described, Answered(response))
        except OpenAPIError as error:
            return violation(zone, f"answer to {request.method} {path}: {error!r} {error.__cause__!r}")
    return response


def violation(zone, why):
    zone.violations.append(why)
    return Response(why, 400)


def control(request, zone):
    if request.method == "PUT":
        for name, value in json.loads(request.get_data()).items():
            setattr(zone, name, value)
    shown = {"endpoints": zone.endpoints, "violations": zone.violations}
    return Response(json.dumps(shown), content_type="application/json")


@Request.application
def serve(request):
    _, first, *rest = request.path.split("/")
    if first == "locked":
        return Response("you are not the webhook's external-dns", 401)
    name = rest.pop(0) if first == "control" and rest else first
    with lock:
        # `zN.example.com` is the Nth zone of that name.
        zone = zones.setdefault(name, Zone(name.split(".", 1)[-1]))
        if first == "control":
            return control(request, zone)
        return webhook(request, "/" + "/".join(rest), zone)


def main():
    server = make_server("127.0.0.1", 0, serve, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    # Whoever started us may have died without a word; then this ends, and with it the server.
    sys.stdin.read()


main()
