//! AWS's credentials as far as they can be judged without asking anybody: the environment and the
//! profile files.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::path::Path;

use aws_config::profile::{self, Profile, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env as AwsEnv, Fs};
use futures_util::FutureExt as _;

use super::document::hidden;
use super::field::not_allowed;
use super::problem::{Report, Spot};
use super::rule::{VISIBLE, fits_a_header};
use super::{Env, disclosure};

/// Variables that AWS signs or asks with.
const SENT: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// Properties of a profile that AWS signs with.
const SIGNED_WITH: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// Variables that say which profile is used, and where it is.
const PLACES: [&str; 5] = [
    "HOME",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// The longest file of AWS's that is read here, in bytes.
const LONGEST_FILE: u64 = 8 * 1024 * 1024;

/// Refuses what the SDK could not sign with, or reads in a way that nobody meant.
pub(super) fn check(env: Env<'_>, report: &mut Report) {
    for variable in SENT {
        let Some(value) = env(variable).filter(|value| !value.trim().is_empty()) else { continue };
        if !fits_a_header(value.trim()) {
            let what = not_allowed(&hidden(&value), VISIBLE);
            report.refuse(&Spot::variable(variable), what);
        }
    }
    if let Some(why) = broken_profile(env) {
        report.refuse(&Spot::variable("AWS profile"), why);
    }
}

/// Why the profile that is used cannot be: its files cannot be read as such, or hold what cannot be
/// signed with. `None` also if it is not used, since the environment holds a key, or not there.
pub(crate) fn broken_profile(env: Env<'_>) -> Option<String> {
    if let Some(why) = endless_file(env) {
        return Some(why);
    }
    let set = |variable: &str| env(variable).is_some_and(|value| !value.trim().is_empty());
    if set("AWS_ACCESS_KEY_ID") && (set("AWS_SECRET_ACCESS_KEY") || set("SECRET_ACCESS_KEY")) {
        return None;
    }
    let places = PLACES.into_iter().filter_map(|name| Some((name.to_owned(), env(name)?)));
    let places: HashMap<String, String> = places.collect();
    let (disk, places, files) = (Fs::real(), AwsEnv::from(places), EnvConfigFiles::default());
    // Its only waiting is for a disk, in place.
    match profile::load(&disk, &places, &files, None).now_or_never()? {
        Ok(profiles) => unfit(&profiles, env),
        Err(error) => {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            let line = format!("{error}{cause}");
            Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}

/// A file of AWS's whose end does not come: a pipe that nobody fills, or a disk that does not answer.
/// The SDK, and whatever else reads such a file in place, would wait for it for ever.
pub(crate) fn endless_file(env: Env<'_>) -> Option<String> {
    let home = env("HOME").filter(|home| !home.is_empty());
    let at_home = |name: &str| Some(format!("{}/.aws/{name}", home.as_ref()?));
    let files = [
        ("AWS_CONFIG_FILE", at_home("config")),
        ("AWS_SHARED_CREDENTIALS_FILE", at_home("credentials")),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", None),
    ];
    files.into_iter().find_map(|(variable, usual)| {
        let path = env(variable).filter(|path| !path.is_empty()).or(usual)?;
        let error = crate::file::read(Path::new(&path), LONGEST_FILE).err()?;
        let late = error.kind() == std::io::ErrorKind::TimedOut;
        late.then(|| format!("{variable}: {}: {error}", disclosure::path(&path)))
    })
}

/// What the selected profile, or one that it builds on, holds and cannot be signed with.
fn unfit(profiles: &ProfileSet, env: Env<'_>) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut name = profiles.selected_profile();
    while seen.insert(name) {
        let profile = profiles.get_profile(name)?;
        if let Some(why) = SIGNED_WITH.iter().find_map(|key| unfit_property(profile, key, env)) {
            return Some(why);
        }
        name = profile.get("source_profile")?;
    }
    None
}

fn unfit_property(profile: &Profile, key: &str, env: Env<'_>) -> Option<String> {
    let value = profile.get(key)?;
    if fits_a_header(value.trim()) {
        return None;
    }
    let file = env("AWS_SHARED_CREDENTIALS_FILE").filter(|path| !path.is_empty());
    let file = file.map_or_else(|| "~/.aws/credentials".to_owned(), |path| disclosure::path(&path));
    let name = disclosure::name(profile.name());
    let what = not_allowed(&hidden(value), VISIBLE);
    Some(format!("{key} of the profile {name} in {file}: {what}"))
}
