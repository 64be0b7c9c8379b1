"""What Route 53 refuses and moto does not, by what is published about Route 53.

Each rule says where it is written: "API" is the Route 53 API reference (`ChangeResourceRecordSets`, `ResourceRecordSet`,
`ListResourceRecordSets`, `AliasTarget`, `GeoLocation`), "guide" the Route 53 developer guide. Where the wording of an
error is known from the reports of those who met it, it is kept.

Not refused, although the API reference says so of weighted and latency sets: several values in one set. The developer
guide and the console let one enter several values in any set but a multivalue one.
"""

import ipaddress
import re

from moto.route53 import exceptions

KINDS = ["weight", "region", "failover", "geo_location", "multi_value_answer", "cidr_routing_config"]
KINDS.append("geo_proximity_location")
# guide, "Maximums on ChangeResourceRecordSets API requests"
MOST_RECORDS = 1000
MOST_CHARACTERS = 32000
# guide, "Quotas on records": sets other than simple ones that have the same name and type
MOST_ALIKE = 100
# API, ResourceRecordSet: TTL is from 0 to 2147483647, Weight from 0 to 255, SetIdentifier has 1 to 128 characters
MOST_TTL = 2**31 - 1
MOST_WEIGHT = 255
MOST_IDENTIFIER = 128
# API, ResourceRecord: Value has at most 4000 characters
MOST_VALUE = 4000


class InvalidChangeBatch(exceptions.Route53ClientError):
    def __init__(self, messages):
        messages = [messages] if isinstance(messages, str) else messages
        super().__init__("InvalidChangeBatch", "[" + ", ".join(messages) + "]")


class InvalidInput(exceptions.Route53ClientError):
    def __init__(self, message):
        super().__init__("InvalidInput", message)


def kinds(record_set):
    # Not by truth: a weight of 0 is one.
    values = [(name, getattr(record_set, name, None)) for name in KINDS]
    return [name for name, value in values if value is not None and value is not False]


def said(record_set):
    name = f"[name='{record_set.name}', type='{record_set.type}'"
    if record_set.set_identifier:
        name += f", set-identifier='{record_set.set_identifier}'"
    return name + "]"


def called(record_set):
    called = f"RRSet with DNS name {record_set.name}, type {record_set.type}"
    return called + (f", SetIdentifier {record_set.set_identifier}" if record_set.set_identifier else "")


def same(one, other):
    """guide, "Deleting records": every value must be as it is now; the order of the addresses is nothing."""
    fields = ["ttl", "health_check_id", "alias_target"] + KINDS
    values = sorted(one.records) == sorted(other.records)
    return values and all(getattr(one, f, None) == getattr(other, f, None) for f in fields)


def check_request(changes):
    """What makes a request too big or empty."""
    if not changes:
        raise InvalidInput("Invalid request: Changes must have a size of at least 1")
    records = characters = 0
    for change in changes:
        # guide: with UPSERT each record and each character counts twice.
        times = 2 if change["Action"] == "UPSERT" else 1
        values = [record["Value"] for record in change["ResourceRecordSet"].get("ResourceRecords") or []]
        records += times * len(values)
        characters += times * sum(map(len, values))
    if records > MOST_RECORDS:
        raise InvalidChangeBatch(f"Number of records limit of {MOST_RECORDS} exceeded.")
    if characters > MOST_CHARACTERS:
        raise InvalidChangeBatch(f"Number of characters limit of {MOST_CHARACTERS} exceeded.")


def check_order(changes, place):
    """API: no set twice in one batch, but for its deletion and its creation anew."""
    done = {}
    for action, record_set in changes:
        before = done.setdefault(place(record_set), [])
        if before and (before, action) != (["DELETE"], "CREATE"):
            what = f"'{record_set.type} {record_set.name}'"
            raise InvalidChangeBatch(
                f"The request contains an invalid set of changes for a resource record set {what}"
            )
        before.append(action)


def check_set(action, record_set):
    """What a set must be by itself, whatever is in the zone."""
    where = f"Change with [Action={action}, Name={record_set.name}, Type={record_set.type}, "
    where += f"SetIdentifier={record_set.set_identifier}]"

    def refuse(why):
        raise InvalidInput(f"Invalid request: {why} in {where}")

    # API, Change: the valid values of Action.
    if action not in ["CREATE", "DELETE", "UPSERT"]:
        refuse("Unknown action")
    plain = [record_set.ttl is not None, bool(record_set.records)]
    # API, AliasTarget and TTL: an alias has neither a TTL nor records; every other set has both.
    if plain != ([False, False] if record_set.alias_target else [True, True]):
        refuse("Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId]")
    if record_set.ttl is not None and not 0 <= record_set.ttl <= MOST_TTL:
        refuse(f"TTL must be from 0 to {MOST_TTL}")
    found = kinds(record_set)
    # API, SetIdentifier: "Resource record sets that have a routing policy other than simple".
    if found and not record_set.set_identifier:
        refuse("Missing field 'SetIdentifier'")
    if len(found) != (1 if record_set.set_identifier else 0):
        refuse("Expected exactly one of [Weight, Region, Failover, GeoLocation, MultiValueAnswer]")
    if len(record_set.set_identifier or "-") > MOST_IDENTIFIER:
        refuse(f"SetIdentifier must have 1 to {MOST_IDENTIFIER} characters")
    if record_set.weight is not None and not 0 <= record_set.weight <= MOST_WEIGHT:
        refuse(f"Weight must be from 0 to {MOST_WEIGHT}")
    if record_set.failover not in [None, "PRIMARY", "SECONDARY"]:
        refuse("Failover must be PRIMARY or SECONDARY")
    check_place(record_set.geo_location, refuse)
    # API, MultiValueAnswer: one record for each resource, and no aliases.
    if record_set.multi_value_answer and record_set.alias_target:
        refuse("Multivalue answer alias records are not supported")
    if record_set.multi_value_answer and len(record_set.records) != 1:
        raise InvalidChangeBatch("Each Multivalue answer record can have only one value.")
    check_values(record_set)


def check_place(place, refuse):
    """API, GeoLocation: a continent, or a country, or a country and a part of it."""
    if place is None:
        return
    given = {name for name, value in place.items() if value}
    allowed = [{"ContinentCode"}, {"CountryCode"}, {"CountryCode", "SubdivisionCode"}]
    if given not in allowed:
        refuse("Expected exactly one of [ContinentCode, CountryCode, both CountryCode and SubdivisionCode]")
    if place.get("SubdivisionCode") and place["CountryCode"] not in ["US", "UA"]:
        refuse("There are subdivisions of US and UA only")


def check_values(record_set):
    """API, ResourceRecord; guide, "Supported DNS record types"."""
    seen = set()
    for value in record_set.records:
        if value in seen:
            raise InvalidChangeBatch(f"Duplicate Resource Record: '{value}'")
        seen.add(value)
        if len(value) > MOST_VALUE:
            raise InvalidInput(f"Invalid request: Value has more than {MOST_VALUE} characters")
        try:
            if record_set.type == "A":
                ipaddress.IPv4Address(value)
            if record_set.type == "AAAA":
                ipaddress.IPv6Address(value)
        except ValueError:
            family = {"A": 4, "AAAA": 6}[record_set.type]
            raise InvalidChangeBatch(
                f"Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv{family}Address "
                f"(Value is not a valid IPv{family} address) encountered with '{value}''"
            ) from None
    # RFC 1034, 3.6.2; guide, "CNAME record type".
    if record_set.type == "CNAME" and len(record_set.records) > 1:
        raise InvalidChangeBatch("Multiple values are not allowed for a CNAME record")


def check_name(record_set, zone):
    """guide, "DNS domain name format"; API, ResourceRecordSet Name."""
    name = re.sub(r"\\\d{3}", "x", record_set.name).rstrip(".")
    if len(name) > 255 or any(not 1 <= len(label) <= 63 for label in name.split(".")):
        raise InvalidChangeBatch(f"The resource record set name {record_set.name} is not a valid DNS name")
    if not record_set.name.endswith("." + zone.name) and record_set.name != zone.name:
        raise InvalidChangeBatch(f"RRSet with DNS name {record_set.name} is not permitted in zone {zone.name}")
    # guide, "CNAME record type": not at the apex.
    if record_set.type == "CNAME" and record_set.name == zone.name:
        raise InvalidChangeBatch(f"RRSet of type CNAME with DNS name {record_set.name} is not permitted at apex in zone {zone.name}")


def check_among(record_set, others):
    """What a set must be among those of the same zone."""
    here = [other for other in others if other.name == record_set.name]
    # guide, "CNAME record type": nothing else of that name.
    cnames = [other for other in here if other.type == "CNAME"]
    if record_set.type == "CNAME" and len(cnames) != len(here):
        raise InvalidChangeBatch(
            f"RRSet of type CNAME with DNS name {record_set.name} is not permitted as it conflicts with other "
            "records with the same DNS name in zone"
        )
    if record_set.type != "CNAME" and cnames:
        raise InvalidChangeBatch(
            f"RRSet of type {record_set.type} with DNS name {record_set.name} is not permitted because a "
            "conflicting RRSet of type CNAME with the same DNS name already exists in zone"
        )
    alike = [other for other in here if other.type == record_set.type]
    for other in alike:
        # API, ResourceRecordSet: simple sets stand alone, and the others only among their like.
        if kinds(other) != kinds(record_set) or not kinds(record_set):
            raise InvalidChangeBatch(
                f"{called(record_set)} cannot be created as other RRSets exist with the same name and type."
            )
        # API, TTL: one for all sets of a weighted group.
        if record_set.weight is not None and other.ttl != record_set.ttl and None not in (other.ttl, record_set.ttl):
            raise InvalidChangeBatch(
                f"{called(record_set)} cannot be created as weighted sets must contain the same TTL."
            )
        # API: one latency set for each region, one PRIMARY and one SECONDARY, no two sets of one place.
        for field in ["region", "failover", "geo_location"]:
            value = getattr(record_set, field)
            if value is not None and value == getattr(other, field):
                raise InvalidChangeBatch(
                    f"{called(record_set)} cannot be created as a set with the same {field} exists already."
                )
    if len(alike) >= MOST_ALIKE:
        raise InvalidChangeBatch(f"{called(record_set)}: there are {MOST_ALIKE} sets of that name and type already.")


def check_alias(record_set, zone, sets):
    """API, AliasTarget: in the same zone, a set of the same type is there."""
    target = record_set.alias_target
    if not target or target["HostedZoneId"].split("/")[-1] != zone.resource_id.split("/")[-1]:
        return
    name = target["DNSName"].lower().rstrip(".") + "."
    if not any(other.name == name and other.type == record_set.type for other in sets):
        raise InvalidChangeBatch(
            f"Tried to create an alias that targets {name}, type {record_set.type} in zone {zone.resource_id}, "
            "but that target was not found"
        )


def check_left(zone, sets):
    """guide, "NS and SOA records that Route 53 creates": they stay."""
    for kind in ["NS", "SOA"]:
        if not any(other.name == zone.name and other.type == kind for other in sets):
            raise InvalidChangeBatch(f"A HostedZone must contain at least one {kind} record for the zone itself.")


def check_start(name, kind, identifier):
    """API, ListResourceRecordSets: a type only with a name, an identifier only with both."""
    if kind and not name or identifier and not (name and kind):
        raise InvalidInput("The input is not valid")
