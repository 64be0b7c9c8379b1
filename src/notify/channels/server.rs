//! The key `server`, and the URLs below it.

use reqwest::Url;

use super::secret::{Secret, warn_if_open};
use crate::config::field::{Field, FieldReader};
use crate::config::keys::Section;
use crate::config::section::SectionContext;
use crate::config::url;
use crate::config::value::{Value, as_text};

/// The name of the key.
pub(super) const SERVER: &str = "server";

/// The key with the base URL of a server.
pub(super) struct ServerKey {
    section: Section,
    server: Field<Url>,
    /// The server if the key is not set.
    default: Option<&'static str>,
}

impl ServerKey {
    /// Takes the URL out of a table. `default` is the server without the key.
    pub(super) fn parse(
        default: Option<&'static str>,
        section: Section,
        values: &mut FieldReader<'_>,
    ) -> Self {
        Self { section, server: values.one(section, SERVER, base_url), default }
    }

    /// Returns the URL of this path below the server. Refuses a table without a server, and a server to
    /// which a secret would go in the open.
    pub(super) fn below(
        &self,
        path: &[&str],
        has_secret: bool,
        table: &mut SectionContext<'_>,
    ) -> Option<Secret> {
        let base = match (self.server.present(), self.default) {
            (Some(at), _) => {
                if has_secret && url::is_open(&at.value) {
                    let what = "plain http is allowed to this machine itself only, because a secret is \
                                sent along";
                    table.report.refuse(&at.spot, what);
                    return None;
                }
                warn_if_open(&at.value, &at.spot, table);
                at.value.clone()
            }
            (None, Some(default)) if self.server.is_absent() => Url::parse(default).ok()?,
            _ => {
                if self.server.is_absent() {
                    let spot = table.missing(self.section, SERVER);
                    table.report.refuse(&spot, format!("missing; {}", allowed()));
                }
                return None;
            }
        };
        below(base, path)
    }
}

/// Returns the URL of a path below a server, as the client will request it.
fn below(mut base: Url, path: &[&str]) -> Option<Secret> {
    base.path_segments_mut().ok()?.pop_if_empty().extend(path);
    url::web(base.as_str()).map(Secret::new)
}

/// Reads the base URL of a server.
fn base_url(value: &Value) -> Result<Url, String> {
    let url = as_text(value).and_then(url::web).filter(|url| url.query().is_none());
    url.ok_or_else(allowed)
}

/// Describes the URLs of servers.
fn allowed() -> String {
    "the URL of a server, such as \"https://notices.example.com\"".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_added_whether_or_not_the_server_ends_with_a_slash() {
        let rows = [
            ("http://127.0.0.1:9093", &["api", "v2"][..], "http://127.0.0.1:9093/api/v2"),
            ("http://a.test/am/", &["api"], "http://a.test/am/api"),
            ("https://ntfy.sh", &[], "https://ntfy.sh/"),
            ("https://a.test", &["bot1:x/y?z#", "send"], "https://a.test/bot1:x%2Fy%3Fz%23/send"),
        ];
        for (base, path, want) in rows {
            let url = below(Url::parse(base).unwrap(), path).unwrap();
            assert_eq!(url.expose(), want);
        }
    }
}
