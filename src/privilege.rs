//! Which of the process's privileges it keeps.

use std::io;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs,
};

/// What an agent may need as long as it lives: raw sockets and the large receive buffer that a
/// reload may open anew, a port below 1024, and, as root, configuration, secrets and a state file
/// that belong to somebody else.
const KEPT: CapabilitySet = CapabilitySet::NET_RAW
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER);

/// Takes up the right to open raw sockets, where it is permitted but not in effect (as from a
/// binary with `cap_net_raw=p`, which can be started also where that right is not to be had), and
/// gives up all that an agent never needs, for itself and for whatever it might start.
///
/// Capabilities belong to a thread and are inherited by the threads it starts: call this first in
/// `main`, before there are others.
///
/// # Errors
///
/// If the kernel refuses. What was held before is still held then, and the agent can go on.
pub fn settle() -> io::Result<()> {
    let held = capabilities(None)?;
    let permitted = held.permitted & KEPT;
    let effective = (held.effective & KEPT) | (permitted & CapabilitySet::NET_RAW);
    set_capabilities(
        None,
        CapabilitySets { permitted, effective, inheritable: CapabilitySet::empty() },
    )?;
    set_no_new_privs(true)?;
    Ok(())
}

/// Has no image of this process's memory, which holds secrets, written when it crashes, and lets
/// nobody but root look into it. What it reads of itself under `/proc` belongs to root from then on.
///
/// # Errors
///
/// If the kernel refuses.
pub fn forbid_dumps() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each test has a thread of its own, so this one can give up what others keep.
    #[test]
    fn what_an_agent_never_needs_is_given_up_and_raw_sockets_are_taken_up() {
        let before = capabilities(None).unwrap();
        let lowered = CapabilitySets { effective: CapabilitySet::empty(), ..before };
        set_capabilities(None, lowered).unwrap();
        settle().unwrap();
        let after = capabilities(None).unwrap();
        assert_eq!(after.permitted, before.permitted & KEPT);
        assert_eq!(after.effective, before.permitted & CapabilitySet::NET_RAW);
        assert_eq!(after.inheritable, CapabilitySet::empty());
        settle().expect("settling twice is harmless");
    }
}
