"""A zone behind a webhook, and the ways in which a provider may treat what it is asked for.

An endpoint is kept as it was sent. `traits` name the oddities of a provider, each after a public report:

* `strict`: a change of what is not there as it says is a server error. Else `updateOld` is ignored.
* `late N`: a change is in force from the Nth reading after it on.
* `swallows-deletes`, `swallows-updates`: accepted, and nothing is done.
* `wipes`: an update drops what the zone has of other sets.
* `drops-others`: an update keeps the first target alone.
* `halves`: only the first item of a request is done, then a server error follows.
* `fails NAME`: a request about this name is a server error. `refuses NAME`: a bad request that names it.
* `rewrites`: names are listed in upper case with a final dot, targets in another order.
* `shuffles`: settings are listed in another order each time.
* `cuts-domain`: names are listed without the zone.
* `no-ttl`: a TTL is neither kept nor listed.
* `one-by-one`: an endpoint is listed for each target. `odd-ones`: each with settings of its own.
* `adjusts-ttl N`, `adjusts-setting`, `adjusts-away`, `adjusts-in`, `adjusts-null`, `adjusts-nothing`.
* `null`: an empty list is `null`.
* `media TYPE`: every answer has this media type.
"""

import copy


class Refusal(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


def key(endpoint):
    name = endpoint["dnsName"].lower().rstrip(".")
    return (name, endpoint["recordType"], endpoint.get("setIdentifier", ""))


def same(one, other):
    return key(one) == key(other) and sorted(one["targets"]) == sorted(other["targets"])


class Zone:
    def __init__(self, name):
        self.name = name
        self.endpoints = []
        self.traits = {}
        self.filter = {"filters": [name]}
        self.waiting = []
        self.violations = []
        self.readings = 0

    def trait(self, name):
        return self.traits.get(name)

    def find(self, endpoint):
        return next((at for at, old in enumerate(self.endpoints) if key(old) == key(endpoint)), None)

    def records(self):
        for waiting in self.waiting:
            waiting[0] -= 1
        for _, changes in [w for w in self.waiting if w[0] <= 0]:
            self.carry_out(changes)
        self.waiting = [w for w in self.waiting if w[0] > 0]
        listed = [self.as_listed(endpoint) for endpoint in copy.deepcopy(self.endpoints)]
        return [one for some in listed for one in some] or (None if "null" in self.traits else [])

    def as_listed(self, endpoint):
        if "rewrites" in self.traits:
            endpoint["dnsName"] = endpoint["dnsName"].upper() + "."
            endpoint["targets"] = endpoint["targets"][::-1]
        if "shuffles" in self.traits:
            self.readings += 1
            settings = endpoint.get("providerSpecific", [])
            endpoint["providerSpecific"] = settings[self.readings % 2:] + settings[:self.readings % 2]
        if "cuts-domain" in self.traits:
            endpoint["dnsName"] = endpoint["dnsName"].removesuffix("." + self.name)
        if "no-ttl" in self.traits:
            endpoint.pop("recordTTL", None)
        if "one-by-one" in self.traits or "odd-ones" in self.traits:
            each = [dict(endpoint, targets=[target]) for target in endpoint["targets"]]
            for at, one in enumerate(each) if "odd-ones" in self.traits else []:
                one["providerSpecific"] = [{"name": "id", "value": str(at)}]
            return each
        return [endpoint]

    def adjust(self, endpoints):
        for endpoint in endpoints:
            if "adjusts-ttl" in self.traits:
                endpoint["recordTTL"] = max(int(self.traits["adjusts-ttl"]), endpoint.get("recordTTL", 0))
            if "adjusts-setting" in self.traits:
                endpoint["providerSpecific"] = [{"name": "webhook/flavour", "value": "plain"}]
            if "adjusts-in" in self.traits:
                endpoint["targets"].append("192.0.2.250")
            if "rewrites" in self.traits:
                endpoint["dnsName"] = endpoint["dnsName"].upper()
        if "adjusts-away" in self.traits:
            return [endpoint for endpoint in endpoints if endpoint["dnsName"] != self.traits["adjusts-away"]]
        return None if "adjusts-null" in self.traits else endpoints

    def apply(self, changes):
        touched = [e for part in ("create", "updateNew", "delete") for e in changes.get(part) or []]
        for endpoint in touched:
            if endpoint["dnsName"] == self.trait("fails"):
                raise Refusal(500, "")
            if endpoint["dnsName"] == self.trait("refuses"):
                raise Refusal(400, f"invalid record {endpoint['dnsName']}")
        if "late" in self.traits:
            self.waiting.append([int(self.traits["late"]), changes])
        else:
            self.carry_out(changes)

    def carry_out(self, changes):
        steps = [("create", None, new) for new in changes.get("create") or []]
        steps += [("update", old, new) for old, new in zip(changes.get("updateOld") or [], changes.get("updateNew") or [])]
        steps += [("delete", old, None) for old in changes.get("delete") or []]
        before = copy.deepcopy(self.endpoints)
        for nth, (kind, old, new) in enumerate(steps):
            if nth == 1 and "halves" in self.traits:
                raise Refusal(500, "")
            try:
                self.step(kind, old, new)
            except Refusal:
                self.endpoints = before
                raise

    def step(self, kind, old, new):
        if f"swallows-{kind}s" in self.traits:
            return
        at = self.find(new or old)
        if "strict" in self.traits and old is not None and (at is None or not same(self.endpoints[at], old)):
            raise Refusal(500, "it is not there as it says")
        if kind == "create" and at is not None:
            raise Refusal(500, "it is there already")
        if kind == "delete":
            if at is not None:
                del self.endpoints[at]
            return
        new = copy.deepcopy(new)
        if kind == "update" and "drops-others" in self.traits:
            new["targets"] = new["targets"][:1]
        if kind == "update" and "wipes" in self.traits:
            self.endpoints = []
            at = None
        if at is None:
            self.endpoints.append(new)
        else:
            self.endpoints[at] = new
