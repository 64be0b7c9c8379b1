//! The privileges that this process keeps.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

/// Privileges that an agent may need at any time: raw sockets and the large receive buffer, which a
/// reload may open again; ports below 1024; and, as root, access to configuration, secrets and a
/// state file owned by another user.
const KEPT: CapabilitySet = CapabilitySet::NET_RAW
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER);

/// Privileges with which a command is started as another user, and ended. They are never effective but in
/// the thread of such a command.
pub(crate) const SWITCHING: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::KILL);

/// Enables the right to open raw sockets if it is permitted but not effective, and drops all
/// privileges that an agent never needs, for itself and for every process it might start. The
/// former is the case for a binary with `cap_net_raw=p`, which can also be started where that right
/// is unavailable.
///
/// Those of [`SWITCHING`] stay permitted until [`give_up_switching`], since only the configuration
/// tells whether they are needed.
///
/// Capabilities belong to a thread and are inherited by the threads it starts: call this first in
/// `main`, before there are others.
///
/// # Errors
///
/// Fails if the kernel refuses. The privileges are unchanged then, and the agent can continue.
pub(crate) fn reduce() -> io::Result<()> {
    let held = capabilities(None)?;
    let permitted = held.permitted & (KEPT | SWITCHING);
    let effective = (held.effective & KEPT) | (permitted & CapabilitySet::NET_RAW);
    set_capabilities(
        None,
        CapabilitySets { permitted, effective, inheritable: CapabilitySet::empty() },
    )?;
    set_no_new_privs(true)?;
    Ok(())
}

/// Drops the privileges to run commands as other users, for this thread and those that it starts.
///
/// # Errors
///
/// Fails if the kernel refuses. The privileges are unchanged then.
pub(crate) fn give_up_switching() -> io::Result<()> {
    let held = capabilities(None)?;
    let kept = SWITCHING.complement();
    let (effective, permitted) = (held.effective & kept, held.permitted & kept);
    Ok(set_capabilities(None, CapabilitySets { effective, permitted, ..held })?)
}

/// Disables core dumps, because the memory of this process holds secrets, and allows only root to
/// inspect it. From then on, its own files under `/proc` belong to root.
///
/// # Errors
///
/// Fails if the kernel refuses.
pub(crate) fn forbid_dumps() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each test has a thread of its own, so this one can drop privileges that others keep.
    #[test]
    fn what_an_agent_never_needs_is_given_up_and_raw_sockets_are_taken_up() {
        let before = capabilities(None).unwrap();
        let lowered = CapabilitySets { effective: CapabilitySet::empty(), ..before };
        set_capabilities(None, lowered).unwrap();
        reduce().unwrap();
        let after = capabilities(None).unwrap();
        assert_eq!(after.permitted, before.permitted & (KEPT | SWITCHING));
        assert_eq!(after.effective, before.permitted & CapabilitySet::NET_RAW);
        assert_eq!(after.inheritable, CapabilitySet::empty());
        reduce().expect("reducing twice is harmless");
        give_up_switching().unwrap();
        let after = capabilities(None).unwrap();
        assert_eq!(after.permitted, before.permitted & KEPT);
        assert_eq!(after.effective, before.permitted & CapabilitySet::NET_RAW);
    }
}
