//! The commands that are refused before they are ever run: those that others could replace.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};

use super::account::UserAccount;

/// Maximum number of symbolic links on the way to a command. Source: `path_resolution(7)`.
const MOST_LINKS: usize = 40;

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const ROOT: u32 = 0;

/// The user that a command will run as.
#[derive(Debug)]
struct Runner {
    name: String,
    uid: u32,
    groups: Vec<u32>,
}

impl Runner {
    /// Returns the account that is named, or that of this process.
    fn new(user: Option<&UserAccount>, own: Uid) -> Self {
        if let Some(UserAccount { name, uid, gid, groups }) = user {
            let groups = groups.iter().chain([gid]).copied().collect();
            return Self { name: name.clone(), uid: *uid, groups };
        }
        let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]);
        let groups = groups.map(Gid::as_raw).collect();
        Self { name: "this user".to_owned(), uid: own.as_raw(), groups }
    }
}

/// Returns the reason to refuse a command that would run as `user`, or as this process without one.
/// It names the object first, and says the remedy.
pub fn refusal(command: &[String], user: Option<&UserAccount>) -> Option<String> {
    let own = geteuid();
    let Some(program) = command.first().filter(|program| !program.is_empty()) else {
        return Some("is empty; the first item is the path of a program".to_owned());
    };
    if command.iter().any(|argument| argument.contains('\0')) {
        return Some("has a NUL character, which no argument can have".to_owned());
    }
    let path = Path::new(program);
    if !path.is_absolute() {
        return Some(format!("{program} is not an absolute path; begin it with a slash"));
    }
    if user.is_none() && own.is_root() {
        return Some(format!(
            "{program} would run as root; set user to the name of an account with fewer rights"
        ));
    }
    refused_on_the_way(path, &Runner::new(user, own), own.as_raw())
}

/// Returns the reason to refuse a path: somebody else may write to a part of it, or its runner may not
/// run it. Each symbolic link on the way is followed, and the folders above it are looked at too.
fn refused_on_the_way(path: &Path, runner: &Runner, own: u32) -> Option<String> {
    let mut resolved = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = parts(path);
    let mut links = 0;
    if let Some(why) = refused_part(&resolved, true, runner, own) {
        return Some(why);
    }
    while let Some(part) = rest.pop_front() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&part);
        let found = match fs::symlink_metadata(&next) {
            Ok(found) => found,
            Err(error) => return Some(format!("{}: {error}", next.display())),
        };
        if found.is_symlink() {
            links += 1;
            let target = match fs::read_link(&next) {
                Ok(target) if links <= MOST_LINKS => target,
                Ok(_) => return Some(format!("{}: too many symbolic links", path.display())),
                Err(error) => return Some(format!("{}: {error}", next.display())),
            };
            if target.is_absolute() {
                resolved = PathBuf::from("/");
            }
            for part in parts(&target).into_iter().rev() {
                rest.push_front(part);
            }
            continue;
        }
        resolved = next;
        if let Some(why) = refused_part(&resolved, !rest.is_empty(), runner, own) {
            return Some(why);
        }
    }
    None
}

/// Returns the names in a path, without those that lead nowhere.
fn parts(path: &Path) -> VecDeque<OsString> {
    let components = path.components();
    let named = components.filter(|it| matches!(it, Component::Normal(_) | Component::ParentDir));
    named.map(|component| component.as_os_str().to_owned()).collect()
}

/// Returns the reason to refuse a folder on the way, or the program itself.
fn refused_part(path: &Path, folder: bool, runner: &Runner, own: u32) -> Option<String> {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => return Some(format!("{shown}: {error}")),
    };
    if folder != found.is_dir() {
        return Some(format!("{shown} is {}", if folder { "no folder" } else { "a folder" }));
    }
    if !folder && !found.is_file() {
        return Some(format!("{shown} is no program"));
    }
    if ![ROOT, own, runner.uid].contains(&found.uid()) {
        return Some(format!(
            "{shown} belongs to the user with the number {}, who could replace the command; give it to \
             root",
            found.uid()
        ));
    }
    let group_writes = found.mode() & GROUP_WRITES != 0 && found.gid() != ROOT;
    if group_writes || found.mode() & OTHERS_WRITE != 0 {
        let (what, remedy) = if group_writes { ("its group", "g-w") } else { ("everybody", "o-w") };
        return Some(format!(
            "{shown} may be written by {what}, who could replace the command; chmod {remedy} {shown}, or \
             put the command elsewhere"
        ));
    }
    let Runner { name, uid, groups } = runner;
    let executable = match *uid {
        ROOT => folder || found.mode() & 0o111 != 0,
        uid if uid == found.uid() => found.mode() & 0o100 != 0,
        _ if groups.contains(&found.gid()) => found.mode() & 0o010 != 0,
        _ => found.mode() & 0o001 != 0,
    };
    let what = if folder { "may not be entered" } else { "is not executable" };
    (!executable).then(|| format!("{shown} {what} by {name}; give it the right to (chmod)"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A folder that only this user may write, as far as its own path goes.
    struct PrivateFolder {
        folder: tempfile::TempDir,
    }

    impl PrivateFolder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let place = Self { folder };
            place.file("ok", 0o755);
            place.file("plain", 0o644);
            place.file("open", 0o757);
            place.file("group", 0o775);
            for (name, mode) in
                [("loose", 0o777), ("sticky", 0o1777), ("tight", 0o755), ("shut", 0o700)]
            {
                fs::create_dir(place.path(name)).unwrap();
                place.file(&format!("{name}/ok"), 0o755);
                set_mode(&place.path(name), mode);
            }
            symlink("ok", place.path("link")).unwrap();
            symlink("loose/../ok", place.path("by-loose")).unwrap();
            symlink(place.path("loose/ok"), place.path("to-loose")).unwrap();
            symlink("loose", place.path("folder-link")).unwrap();
            symlink("circle", place.path("circle")).unwrap();
            set_mode(place.folder.path(), 0o755);
            place
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn file(&self, name: &str, mode: u32) {
            fs::write(self.path(name), "#!/bin/sh\n").unwrap();
            set_mode(&self.path(name), mode);
        }

        /// The answer about a path in here, without its first folders: where a temporary folder is
        /// made is for everybody to write.
        fn refusal(&self, name: &str, runner: &Runner) -> Option<String> {
            let own = geteuid().as_raw();
            let mut path = self.folder.path().to_owned();
            let mut parts: VecDeque<_> = Path::new(name).components().collect();
            while let Some(part) = parts.pop_front() {
                path.push(part);
                let whole = path.clone();
                if fs::symlink_metadata(&whole).is_ok_and(|it| it.is_symlink()) {
                    return refused_on_the_way(&whole, runner, own);
                }
                if let Some(why) = refused_part(&whole, !parts.is_empty(), runner, own) {
                    return Some(why);
                }
            }
            None
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn runner(uid: u32) -> Runner {
        Runner { name: "nagios".to_owned(), uid, groups: vec![60_000] }
    }

    fn refused(command: &[&str], user: Option<&UserAccount>) -> Option<String> {
        let command: Vec<_> = command.iter().map(ToString::to_string).collect();
        refusal(&command, user)
    }

    #[test]
    fn what_is_refused_says_the_object_and_the_remedy() {
        let user =
            UserAccount { name: "nobody".to_owned(), uid: 65534, gid: 65534, groups: vec![65534] };
        let rows: [(&[&str], Option<&str>); 8] = [
            (&["/bin/true"], None),
            (&["/bin/../bin/true", "{address}"], None),
            (&[], Some("is empty")),
            (&[""], Some("is empty")),
            (&["true"], Some("true is not an absolute path")),
            (&["./true"], Some("./true is not an absolute path")),
            (&["/bin/true", "a\0b"], Some("NUL")),
            (&["/no/such/program"], Some("/no: No such file")),
        ];
        for (command, want) in rows {
            let refused = refused(command, Some(&user));
            match want {
                None => assert_eq!(refused, None, "{command:?}"),
                Some(want) => {
                    let refused = refused.expect("it is refused");
                    assert!(refused.contains(want), "{command:?}: {refused}");
                }
            }
        }
    }

    #[test]
    fn root_runs_nothing_without_a_user() {
        let refused = refused(&["/bin/true"], None);
        if geteuid().is_root() {
            assert!(refused.is_some_and(|it| it.contains("would run as root; set user")));
        } else {
            assert_eq!(refused, None);
        }
    }

    #[test]
    fn what_others_may_write_or_the_user_may_not_run_is_refused() {
        let place = PrivateFolder::new();
        let rows = [
            ("ok", None),
            ("tight/ok", None),
            ("plain", Some("plain is not executable by nagios")),
            ("open", Some("open may be written by everybody")),
            ("loose/ok", Some("loose may be written by everybody")),
            ("sticky/ok", Some("sticky may be written by everybody")),
            ("shut/ok", Some("shut may not be entered by nagios")),
            ("tight", Some("tight is a folder")),
            ("ok/ok", Some("ok is no folder")),
            ("absent", Some("absent: No such file")),
        ];
        for (name, want) in rows {
            let refused = place.refusal(name, &runner(60_000));
            match want {
                None => assert_eq!(refused, None, "{name}"),
                Some(want) => {
                    let refused = refused.unwrap_or_else(|| panic!("{name} is refused"));
                    assert!(refused.contains(want), "{name}: {refused}");
                }
            }
        }
    }

    #[test]
    fn links_are_followed_through_every_folder() {
        let place = PrivateFolder::new();
        for name in ["to-loose", "folder-link", "by-loose", "link", "circle"] {
            // The folder for temporary files is the first that everybody may write.
            assert!(place.refusal(name, &runner(60_000)).is_some(), "{name}");
        }
    }

    #[test]
    fn a_group_that_may_write_is_refused_unless_it_is_roots() {
        let place = PrivateFolder::new();
        let gid = fs::metadata(place.path("group")).unwrap().gid();
        let refused = place.refusal("group", &runner(60_000));
        assert_eq!(refused.is_some(), gid != ROOT, "{refused:?}");
    }
}
