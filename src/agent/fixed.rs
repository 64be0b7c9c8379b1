//! The settings that a reload cannot change. They keep their old values, and are named in the log.

use secrecy::ExposeSecret;

use crate::cluster::ClusterConfig;
use crate::settings::Config;

/// Returns `new` with the old values of the fixed settings, and logs the ones that differ.
pub(super) fn keep(old: &Config, mut new: Config) -> Config {
    if new.sections.status.listen != old.sections.status.listen
        || new.sections.status.socket != old.sections.status.socket
    {
        log_kept("[Status]");
        new.sections.status = old.sections.status.clone();
    }
    if new.sections.state_file != old.sections.state_file {
        log_kept("state_file");
        new.sections.state_file.clone_from(&old.sections.state_file);
    }
    if new.sections.history != old.sections.history {
        log_kept("history_file or history_size");
        new.sections.history.clone_from(&old.sections.history);
    }
    if new.runs_commands_as_others() && !old.runs_commands_as_others() {
        log_kept("the right to run commands as another user");
    }
    match (&old.sections.cluster, &mut new.sections.cluster) {
        (None, None) => {}
        (Some(old), Some(new)) => {
            for what in identity(old, new) {
                log_kept(what);
            }
            new.local_addr = old.local_addr;
            new.members_port = old.members_port;
            new.crypto_key.clone_from(&old.crypto_key);
            new.require_signed = old.require_signed;
        }
        (before, after) => {
            log_kept("[Members]: the presence of a cluster");
            after.clone_from(before);
        }
    }
    new
}

/// Logs that a setting keeps its old value.
fn log_kept(what: &str) {
    tracing::warn!("{what} cannot be changed by a reload; restart to apply");
}

/// Returns the keys that differ among those that identify this agent to its peers.
fn identity(old: &ClusterConfig, new: &ClusterConfig) -> Vec<&'static str> {
    let [old_key, new_key] =
        [old, new].map(|cluster| cluster.crypto_key.as_ref().map(ExposeSecret::expose_secret));
    [
        (old.local_addr != new.local_addr, "Members.local_addr"),
        (old.members_port != new.members_port, "Members.members_port"),
        (old_key != new_key, "Members.crypto_key"),
        (old.require_signed != new.require_signed, "Members.require_signed"),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}
