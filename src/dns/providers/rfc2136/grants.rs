//! The least that a server must grant, in the words of each server.

use super::key::TsigKey;

/// Returns the grants for changes of `names` in `zone`, with the name of each server in front.
pub(super) fn in_words(
    zone: &str,
    names: &[String],
    key: Option<&TsigKey>,
) -> Vec<(&'static str, String)> {
    let Some(TsigKey { name: key, algorithm, .. }) = key else {
        let grant = "updates from this machine's loopback address, without a key";
        return vec![("grant", grant.to_owned())];
    };
    let (mut bind, mut knot) = (Vec::new(), Vec::new());
    for name in names {
        bind.push(format!("grant {key}. name {name}. A AAAA;"));
        knot.push(format!("{name}."));
    }
    let (bind, knot) = (bind.join(" "), knot.join(", "));
    vec![
        ("in BIND", format!("zone {zone}: update-policy {{ {bind} }};")),
        (
            "in Knot",
            format!(
                "acl: key: {key}., action: update, update-type: [A, AAAA], update-owner: name, \
                 update-owner-match: equal, update-owner-name: [{knot}]"
            ),
        ),
        (
            "in PowerDNS",
            format!(
                "dnsupdate=yes, allow-dnsupdate-from= this machine's address; pdnsutil \
                 import-tsig-key {key} {algorithm} SECRET; pdnsutil set-meta {zone} \
                 TSIG-ALLOW-DNSUPDATE {key} (the whole zone: it cannot grant single names)"
            ),
        ),
    ]
}
