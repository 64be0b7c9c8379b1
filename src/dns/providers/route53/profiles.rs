//! Offline checks of the AWS credentials in the environment and in the profile files.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::path::Path;

use aws_config::profile::{self, Profile, ProfileFileLoadError, ProfileSet};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env as AwsEnv, Fs};
use futures_util::FutureExt as _;

use crate::config::Env;
use crate::config::field::{At, not_allowed};
use crate::config::problem::{Report, Spot};
use crate::config::rule::{VISIBLE, fits_a_header};
use crate::config::section::SectionContext;
use crate::text::disclosure::{self, hidden};

/// Variables with values that AWS signs or sends.
const SENT: [&str; 5] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// The variable that selects the profile.
const BY_VARIABLE: &str = "AWS_PROFILE";

/// Properties of a profile that AWS signs with.
const SIGNED_WITH: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// Variables that select the profile and its location.
const PLACES: [&str; 5] = [
    "HOME",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
];

/// Properties of a profile that each lead to credentials.
const LEADS_TO_CREDENTIALS: [&str; 9] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "credential_process",
    "credential_source",
    "login_session",
    "role_arn",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// Maximum size of an AWS file that is read here, in bytes.
const LONGEST_FILE: u64 = 8 * 1024 * 1024;

/// Refuses values that the SDK cannot sign with, or reads differently from their evident meaning.
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

/// Checks the profile that a zone names, which is used whatever keys the environment holds. Refuses one
/// that cannot be used; without credentials a dry run goes on with a warning.
pub(super) fn check_named(profile: &At<String>, context: &mut SectionContext<'_>) {
    let env = context.env;
    if let Some(why) = broken_profile(&|variable| of_profile(&profile.value, env, variable)) {
        context.report.refuse(&profile.spot, why);
    } else if let Some(why) = missing_named(&profile.value, env) {
        if context.dry_run {
            context.report.warn(&profile.spot, why);
        } else {
            context.report.refuse(&profile.spot, why);
        }
    }
}

/// Returns the reason why a profile that a zone names gives no credentials.
pub(super) fn missing_named(profile: &str, env: Env<'_>) -> Option<String> {
    let why = missing_profile(&|variable| of_profile(profile, env, variable))?;
    Some(why.replacen(BY_VARIABLE, "the key profile", 1))
}

/// Returns a variable of an environment in which this profile is selected and no key is set.
pub(super) fn of_profile(profile: &str, env: Env<'_>, variable: &str) -> Option<String> {
    match variable {
        BY_VARIABLE => Some(profile.to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "SECRET_ACCESS_KEY" => None,
        _ => env(variable),
    }
}

/// Returns the reason why the selected profile is unusable: its files cannot be parsed, or hold
/// values that cannot be used for signing. `None` also if the profile does not exist, or is not
/// used because the environment holds a key.
pub(super) fn broken_profile(env: Env<'_>) -> Option<String> {
    if let Some(why) = endless_file(env) {
        return Some(why);
    }
    match profiles(env)? {
        Ok(profiles) => unfit(&profiles, env),
        Err(error) => {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            let line = format!("{error}{cause}");
            Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
        }
    }
}

/// Returns the reason why the requested profile gives no credentials, naming it and its files: it
/// does not exist or holds none. `None` also if no profile was requested by name.
///
/// The SDK silently skips such a profile and tries other sources.
pub(super) fn missing_profile(env: Env<'_>) -> Option<String> {
    let profiles = profiles(env)?.ok()?;
    let by_name = env(BY_VARIABLE).is_some();
    let (mut name, mut named_by) = (profiles.selected_profile(), BY_VARIABLE.to_owned());
    let mut seen = BTreeSet::new();
    while seen.insert(name) {
        let shown = disclosure::name(name);
        let Some(profile) = profiles.get_profile(name) else {
            let [config, credentials] = profile_files(env);
            return (by_name || seen.len() > 1).then(|| {
                format!("the profile {shown}, which {named_by} names, is neither in {config} nor in {credentials}")
            });
        };
        if !LEADS_TO_CREDENTIALS.iter().any(|property| profile.get(property).is_some()) {
            let [config, credentials] = profile_files(env);
            return (by_name || seen.len() > 1).then(|| {
                format!("the profile {shown}, which {named_by} names, holds no credentials in {config} or in {credentials}")
            });
        }
        profile.get("role_arn")?;
        name = profile.get("source_profile")?;
        named_by = format!("source_profile of the profile {shown}");
    }
    None
}

/// Loads the profile files, unless the environment holds a key and they are therefore not used.
fn profiles(env: Env<'_>) -> Option<Result<ProfileSet, ProfileFileLoadError>> {
    let has_secret =
        ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY"].iter().any(|it| is_set(env, it));
    if is_set(env, "AWS_ACCESS_KEY_ID") && has_secret {
        return None;
    }
    let places = PLACES.into_iter().filter_map(|name| Some((name.to_owned(), env(name)?)));
    let places: HashMap<String, String> = places.collect();
    let (disk, places, files) = (Fs::real(), AwsEnv::from(places), EnvConfigFiles::default());
    // It only ever waits for a disk, without yielding.
    profile::load(&disk, &places, &files, None).now_or_never()
}

/// Whether a variable has a value that is not blank.
fn is_set(env: Env<'_>, variable: &str) -> bool {
    env(variable).is_some_and(|value| !value.trim().is_empty())
}

/// Returns the location of an AWS file: the path in the variable, or the usual place in the home
/// directory.
fn file(env: Env<'_>, variable: &str, usual: Option<&str>) -> Option<String> {
    if let Some(path) = env(variable).filter(|path| !path.is_empty()) {
        return Some(path);
    }
    let home = env("HOME").filter(|home| !home.is_empty())?;
    Some(format!("{home}/.aws/{}", usual?))
}

/// Returns the two profile files in a form that may be displayed, and whether each exists.
fn profile_files(env: Env<'_>) -> [String; 2] {
    let files = [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")];
    files.map(|(variable, usual)| {
        let Some(path) = file(env, variable, Some(usual)) else {
            return format!("~/.aws/{usual} (HOME is not set)");
        };
        let home = env("HOME").unwrap_or_default();
        let path = path.strip_prefix("~/").map(|rest| format!("{home}/{rest}")).unwrap_or(path);
        let shown = disclosure::path(&path);
        if Path::new(&path).is_file() { shown } else { format!("{shown} (no such file)") }
    })
}

/// Returns an AWS file that cannot be read to its end: a pipe without a writer, or a disk that does
/// not respond. The SDK, and other code that reads such a file synchronously, would wait for it
/// forever.
pub(super) fn endless_file(env: Env<'_>) -> Option<String> {
    let files = [
        ("AWS_CONFIG_FILE", Some("config")),
        ("AWS_SHARED_CREDENTIALS_FILE", Some("credentials")),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", None),
    ];
    files.into_iter().find_map(|(variable, usual)| {
        let path = file(env, variable, usual)?;
        let error = crate::file::read(Path::new(&path), LONGEST_FILE).err()?;
        let late = error.kind() == std::io::ErrorKind::TimedOut;
        late.then(|| format!("{variable}: {}: {error}", disclosure::path(&path)))
    })
}

/// Returns the value in the selected profile, or in one that it builds on, that cannot be used for
/// signing.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the message about the profile with this environment and these texts of
    /// `~/.aws/config` and `~/.aws/credentials`. The home directory is displayed as `~`.
    fn said(named: Option<&str>, config: &str, credentials: Option<&str>) -> Option<String> {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".aws");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("config"), config).unwrap();
        if let Some(text) = credentials {
            std::fs::write(folder.join("credentials"), text).unwrap();
        }
        let home = home.path().to_str().unwrap().to_owned();
        let missing = missing_profile(&|variable| match variable {
            "HOME" => Some(home.clone()),
            "AWS_PROFILE" => named.map(str::to_owned),
            _ => None,
        });
        Some(missing?.replace(&home, "~"))
    }

    #[test]
    fn a_profile_that_gives_nothing_is_named_with_the_files_that_were_looked_into() {
        let key = "aws_access_key_id = AKIA\naws_secret_access_key = s\n";
        let dns = format!("[dns]\n{key}");
        let role = "role_arn = arn:aws:iam::123456789012:role/agent\n";
        let built_on = format!("[default]\n{role}source_profile = gone\n");
        let rows = [
            ("nobody asks for one", None, "", Some(""), None),
            ("it is there", Some("dns"), "", Some(dns.as_str()), None),
            (
                "it is not there",
                Some("dns"),
                "[default]\n",
                Some("[other]\n"),
                Some(
                    "the profile dns, which AWS_PROFILE names, is neither in ~/.aws/config nor in \
                     ~/.aws/credentials",
                ),
            ),
            (
                "nor is a file",
                Some("dns"),
                "",
                None,
                Some(
                    "the profile dns, which AWS_PROFILE names, is neither in ~/.aws/config nor in \
                     ~/.aws/credentials (no such file)",
                ),
            ),
            (
                "it has a region only",
                Some("dns"),
                "[profile dns]\nregion = eu-west-3\n",
                Some(""),
                Some(
                    "the profile dns, which AWS_PROFILE names, holds no credentials in \
                     ~/.aws/config or in ~/.aws/credentials",
                ),
            ),
            (
                "what it builds on is not there",
                None,
                built_on.as_str(),
                Some(""),
                Some(
                    "the profile gone, which source_profile of the profile default names, is \
                     neither in ~/.aws/config nor in ~/.aws/credentials",
                ),
            ),
            ("the usual one has a region only", None, "[default]\nregion = x\n", None, None),
        ];
        for (name, named, config, credentials, want) in rows {
            assert_eq!(said(named, config, credentials).as_deref(), want, "{name}");
        }
    }
}
