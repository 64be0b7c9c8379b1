"""Runs moto's Route 53 on a free port of loopback until standard input is closed.

Prints its port, a user's key and secret, and a role's key, secret and session token, once it accepts connections. What moto takes more lightly than Route 53 does is put
right here, by what the Route 53 API reference says, because it is what goavail rests on:

* A DELETE must match the set as it is now. moto compares it with everything that was ever written,
  so that a stale one goes through, and then deletes every set of that name, or of that identifier
  in the whole zone.
* A CREATE is refused only if that set is there now. moto refuses one that was ever written before
  if any later name exists, so that nothing could be restored.
* Whatever `rules.py` says is refused; moto refuses next to nothing.
* A batch is all or nothing.
* Sets are listed in order of their labels from the right, each with a dot after it, then by type and
  identifier; StartRecordIdentifier counts; what is not a letter, digit, `-`, `_` or `.` is escaped.
* ListHostedZonesByName begins at the name and goes on with the names after it.
* A change is PENDING at first, and every change has its own id.
* Every request is checked to be signed by one of the keys that are printed. moto looks only if it is told
  to, and then takes no request for rightly signed that has no body, or a `*` in its query.

With `--plain`, moto is left as it is.
"""

import copy
import re
import sys
import threading
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.iam.access_control import IAMRequest
from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.route53 import exceptions, models, responses
from moto.sts.models import sts_backends
from werkzeug.serving import make_server

import rules

# How often GetChange says PENDING before it says INSYNC.
PENDING_POLLS = 2
# As many as Route 53 lists at a time.
PAGE = 300

# Health checks that are there from the start; more can be created, and each deleted, by the API.
HEALTH_CHECKS = ["hc-1", "hc-2", "0f3d7d1c-5c1e"]

lock = threading.Lock()
polls = {}


def order(name):
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


def place(record_set):
    return (order(record_set.name), record_set.type, record_set.set_identifier or "")


def unescaped(name):
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), name)


def escaped(name):
    return re.sub(r"[^a-z0-9._-]", lambda found: f"\\{ord(found[0]):03o}", name)


def wanted(change):
    """As moto's, with the kinds of routing that moto forgets, and without a TTL if there is none."""
    fields = copy.deepcopy(change["ResourceRecordSet"])
    fields["Name"] = unescaped(fields["Name"]).lower().rstrip(".") + "."
    fields["ResourceRecords"] = [r["Value"] for r in fields.get("ResourceRecords") or []]
    new = models.RecordSet(fields)
    new.ttl = fields.get("TTL")
    new.cidr_routing_config = fields.get("CidrRoutingConfig")
    new.geo_proximity_location = fields.get("GeoProximityLocation")
    return new


def apply(sets, action, new):
    there = next((old for old in sets if place(old) == place(new)), None)
    if action == "DELETE":
        if there is None:
            return f"Tried to delete resource record set {rules.said(new)} but it was not found"
        if not rules.same(there, new):
            return (
                f"Tried to delete resource record set {rules.said(new)} "
                "but the values provided do not match the current values"
            )
        sets.remove(there)
        return None
    if there is not None and action == "CREATE":
        return f"Tried to create resource record set {rules.said(new)} but it already exists"
    if there is not None:
        sets.remove(there)
    rules.check_among(new, sets)
    sets.append(new)
    return None


def change_resource_record_sets(self, zoneid, change_list):
    changes = [(change["Action"], wanted(change)) for change in change_list]
    for action, new in changes:
        rules.check_set(action, new)
    rules.check_order(changes, place)
    with lock:
        zone = self.get_hosted_zone(zoneid)
        sets, refused = list(zone.rrsets), []
        for action, new in changes:
            rules.check_name(new, zone)
            # API: NoSuchHealthCheck. A set that has lost its health check can still be deleted.
            if action != "DELETE" and new.health_check_id and new.health_check_id not in self.health_checks:
                raise exceptions.NoSuchHealthCheck(new.health_check_id)
            refused.append(apply(sets, action, new))
        if any(refused):
            raise rules.InvalidChangeBatch([why for why in refused if why])
        for _, new in changes:
            if new in sets:
                rules.check_alias(new, zone, sets)
        rules.check_left(zone, sets)
        zone.rrsets = sets


def change_answer(self):
    zone = self._get_param("HostedZoneId")
    changes = self._get_param("ChangeBatch.Changes")
    rules.check_request(changes)
    self.backend.change_resource_record_sets(zone, changes)
    with lock:
        change = f"C{len(polls):013}"
        polls[change] = PENDING_POLLS
    return change_info(change, "PENDING")


def change_info(change, status):
    return ActionResult({"ChangeInfo": {"Id": f"/change/{change}", "Status": status, "SubmittedAt": utcnow()}})


def get_change(self):
    change = self._get_param("Id").split("/")[-1]
    with lock:
        left = polls.get(change, 0)
        polls[change] = left - 1
    return change_info(change, "PENDING" if left > 0 else "INSYNC")


def list_resource_record_sets(self):
    zone = self.backend.get_hosted_zone(self._get_param("HostedZoneId"))
    name = self._get_param("StartRecordName")
    start = ("", "", "")
    kind, identifier = self._get_param("StartRecordType"), self._get_param("StartRecordIdentifier")
    rules.check_start(name, kind, identifier)
    if name:
        start = (order(unescaped(name)), kind or "", identifier or "")
    most = min(self._get_int_param("MaxItems", PAGE), PAGE)
    with lock:
        later = [copy.copy(s) for s in sorted(zone.rrsets, key=place) if place(s) >= start]
    for record_set in later:
        record_set.name = escaped(record_set.name)
    result = {"ResourceRecordSets": later[:most], "IsTruncated": len(later) > most, "MaxItems": most}
    if len(later) > most:
        following = later[most]
        result["NextRecordName"] = following.name
        result["NextRecordType"] = following.type
        result["NextRecordIdentifier"] = following.set_identifier
    return ActionResult(result)


def list_hosted_zones_by_name(self):
    name, first = self._get_param("DNSName"), self._get_param("HostedZoneId") or ""
    start = (order(name), first) if name else ("", "")
    with lock:
        zones = sorted(self.backend.zones.values(), key=lambda z: (order(z.name), z.resource_id))
    later = [z for z in zones if (order(z.name), z.resource_id) >= start]
    most = min(self._get_int_param("MaxItems", 100), 100)
    result = {"DNSName": name, "HostedZones": later[:most], "IsTruncated": len(later) > most, "MaxItems": most}
    if len(later) > most:
        result["NextDNSName"] = later[most].name
        result["NextHostedZoneId"] = later[most].resource_id
    return ActionResult(result)


def authenticate(self, resource="*"):
    url = urlsplit(self.uri)
    IAMRequest(
        account_id=self.current_account,
        method=self.method,
        path=url.path + "?" + urlencode(parse_qsl(url.query), quote_via=quote),
        data=b"",
        body=self.raw_body,
        headers=self.headers,
        action="",
    ).check_signature()


def credentials():
    """A user's key and secret, and a role's key, secret and session token."""
    users = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    users.create_user(region_name="us-east-1", user_name="agent")
    user = users.create_access_key("agent")
    role = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(
        region_name="us-east-1",
        role_session_name="agent",
        role_arn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/agent",
        policy=None,
        duration=3600,
        external_id=None,
    )
    return [user.access_key_id, user.secret_access_key, role.access_key_id, role.secret_access_key, role.session_token]


def health_checks():
    backend = models.route53_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for name in HEALTH_CHECKS:
        backend.health_checks[name] = models.HealthCheck(name, name, {"type": "TCP", "ip_address": "192.0.2.1"})


def put_right():
    def replace(owner, name, by):
        assert callable(getattr(owner, name, None)), f"this moto has no {owner.__name__}.{name}"
        setattr(owner, name, by)

    replace(models.Route53Backend, "change_resource_record_sets", change_resource_record_sets)
    replace(responses.Route53, "change_resource_record_sets", change_answer)
    replace(responses.Route53, "get_change", get_change)
    replace(responses.Route53, "list_resource_record_sets", list_resource_record_sets)
    replace(responses.Route53, "list_hosted_zones_by_name", list_hosted_zones_by_name)
    replace(responses.Route53, "_authenticate_and_authorize_normal_action", authenticate)


def main():
    if "--plain" not in sys.argv:
        put_right()
        health_checks()
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    keys = credentials()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, *keys, flush=True)
    # Whoever started us may have died without a word; then this ends, and with it the server.
    sys.stdin.read()


main()
