//! What cannot change while the agent runs: it is named, and keeps its old value.

use secrecy::ExposeSecret;

use crate::config::{ClusterConfig, Config};

/// `new`, with the old value of whatever is fixed.
pub(super) fn keep(old: &Config, mut new: Config) -> Config {
    let fixed = |what: &str| {
        tracing::warn!("{what} cannot change in flight and keeps its old value; restart for that");
    };
    if new.status.listen != old.status.listen || new.status.socket != old.status.socket {
        fixed("[Status]");
        new.status = old.status.clone();
    }
    if new.state_file != old.state_file {
        fixed("state_file");
        new.state_file.clone_from(&old.state_file);
    }
    match (&old.cluster, &mut new.cluster) {
        (None, None) => {}
        (Some(old), Some(new)) => {
            for what in identity(old, new) {
                fixed(what);
            }
            new.local_addr = old.local_addr;
            new.members_port = old.members_port;
            new.crypto_key.clone_from(&old.crypto_key);
            new.require_signed = old.require_signed;
        }
        (before, after) => {
            fixed("[Members]: whether there is a cluster");
            after.clone_from(before);
        }
    }
    new
}

/// The keys by which the peers know this agent that differ.
fn identity(old: &ClusterConfig, new: &ClusterConfig) -> Vec<&'static str> {
    let key = |cluster: &ClusterConfig| {
        cluster.crypto_key.as_ref().map(|key| key.expose_secret().to_owned())
    };
    [
        (old.local_addr != new.local_addr, "Members.local_addr"),
        (old.members_port != new.members_port, "Members.members_port"),
        (key(old) != key(new), "Members.crypto_key"),
        (old.require_signed != new.require_signed, "Members.require_signed"),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}
