//! The account that a command runs as.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Uid, User, getgrouplist};
use rustix::process::{Gid as GroupId, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_groups,
    set_thread_res_gid,
};

use crate::privilege::SWITCHING;

/// The number that stands for no user and no group in system calls.
const NOBODY_AT_ALL: u32 = u32::MAX;

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserAccount {
    /// The name of the user.
    pub name: String,
    /// The number of the user.
    pub uid: u32,
    /// The number of its first group.
    pub gid: u32,
    /// The numbers of all of its groups.
    pub groups: Vec<u32>,
}

impl UserAccount {
    /// Returns the account with this name or number.
    ///
    /// # Errors
    ///
    /// Fails in words if there is no such account, or the system cannot tell.
    pub fn find(user: &str) -> Result<Self, String> {
        let named = User::from_name(user);
        let found = match (named, user.parse()) {
            (Ok(None), Ok(uid)) => User::from_uid(Uid::from_raw(uid)),
            (named, _) => named,
        };
        let found = found.map_err(|error| format!("cannot look up the user {user:?}: {error}"))?;
        let found = found.ok_or_else(|| format!("there is no user {user:?} on this machine"))?;
        let groups = CString::new(found.name.clone())
            .map_err(io::Error::from)
            .and_then(|name| getgrouplist(&name, found.gid).map_err(io::Error::from))
            .map_err(|error| format!("cannot look up the groups of {user:?}: {error}"))?;
        let groups: Vec<u32> = groups.into_iter().map(Gid::as_raw).collect();
        let (uid, gid) = (found.uid.as_raw(), found.gid.as_raw());
        if groups.iter().chain([&uid, &gid]).any(|id| *id == NOBODY_AT_ALL) {
            return Err(format!("the user {user:?} has a number that the kernel does not allow"));
        }
        Ok(Self { name: found.name, uid, gid, groups })
    }

    /// Whether this process runs as another user, and has to change it for the account.
    pub fn is_another(&self) -> bool {
        self.uid != geteuid().as_raw()
    }

    /// Whether this process runs as another user, and has no right to change it.
    pub fn is_out_of_reach(&self) -> bool {
        let may = capabilities(None).is_ok_and(|held| held.permitted.contains(SWITCHING));
        self.is_another() && !may
    }

    /// Gives the calling thread the groups of the account, and with them each command that it starts.
    /// The thread keeps its user, since a thread can be killed by processes of its own user. It
    /// loses the right to change its groups, so that its commands cannot lose them: the standard
    /// library discards the groups of a child that changes its user, unless it has no right to.
    ///
    /// # Errors
    ///
    /// Fails if this process does not have the privileges.
    pub(super) fn take_groups(&self) -> io::Result<()> {
        let held = capabilities(None)?;
        let raised =
            CapabilitySets { effective: held.effective | (held.permitted & SWITCHING), ..held };
        set_capabilities(None, raised)?;
        let groups: Vec<_> = self.groups.iter().copied().map(GroupId::from_raw).collect();
        let first = GroupId::from_raw(self.gid);
        set_thread_groups(&groups)?;
        set_thread_res_gid(first, first, first)?;
        let (effective, permitted) = (raised.effective, raised.permitted);
        let kept = CapabilitySet::SETGID.complement();
        let lowered =
            CapabilitySets { effective: effective & kept, permitted: permitted & kept, ..raised };
        Ok(set_capabilities(None, lowered)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_name_and_by_number() {
        for user in ["root", "0"] {
            let account = UserAccount::find(user).unwrap();
            assert_eq!((account.name.as_str(), account.uid, account.gid), ("root", 0, 0));
            assert!(account.groups.contains(&0), "{account:?}");
        }
    }

    #[test]
    fn an_unknown_account_is_named() {
        for user in ["no-such-user", "4000000000", "", "a\0b"] {
            let error = UserAccount::find(user).unwrap_err();
            assert!(error.contains(&format!("{user:?}")), "{error}");
        }
    }
}
