//! Selection of proxies from the environment, the same for every client.
//!
//! | variable | for |
//! |---|---|
//! | `HTTPS_PROXY`, `https_proxy` | `https://` |
//! | `HTTP_PROXY`, `http_proxy` | `http://` |
//! | `ALL_PROXY`, `all_proxy` | every scheme without its own variable |
//! | `NO_PROXY`, `no_proxy` | hosts that are contacted directly: names with all their subdomains, addresses, networks, `*` |
//!
//! This machine itself is always contacted directly. So are the addresses at which a cloud provides
//! credentials: a proxy is another machine, with other credentials.

use std::fmt;
use std::sync::LazyLock;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// Hosts never contacted through a proxy: loopback, and the sources of AWS credentials (EC2, ECS,
/// EKS).
const DIRECT: &str = "localhost,127.0.0.0/8,::1,169.254.169.254,169.254.170.2,169.254.170.23,\
                      fd00:ec2::254,fd00:ec2::23";

/// The proxies named in the environment. It has no derived `Debug`, since their URLs may hold
/// passwords.
pub(crate) struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    /// `NO_PROXY`, and the hosts that are always contacted directly.
    exempt: String,
    /// Matcher for the hosts in `exempt`.
    matcher: Matcher,
}

/// The setting of one variable.
struct Setting {
    variable: &'static str,
    proxy: Result<Proxy, String>,
}

/// A usable proxy.
struct Proxy {
    /// The URL of the proxy, which may contain a password.
    url: String,
    /// The proxy as `scheme://host:port`.
    shown: String,
}

/// The proxy of one request, displayed for an operator without its password.
#[derive(Clone, Copy)]
pub(crate) struct Via<'a>(&'a Setting);

impl Proxies {
    /// Returns the proxies of this process's own environment, which does not change while it runs.
    pub(crate) fn of_process() -> &'static Self {
        static OURS: LazyLock<Proxies> =
            LazyLock::new(|| Proxies::read(&|variable| std::env::var(variable).ok()));
        &OURS
    }

    /// Reads the proxies of an environment. An unusable one is reported only by [`Via::trouble`]
    /// when a request would use it.
    pub(crate) fn read(env: &dyn Fn(&str) -> Option<String>) -> Self {
        let exempt = match first_set(env, &["NO_PROXY", "no_proxy"]) {
            Some((_, hosts)) => format!("{DIRECT},{hosts}"),
            None => format!("{DIRECT},"),
        };
        Self {
            http: Setting::read(env, &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]),
            https: Setting::read(env, &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            // The matcher only decides whether a proxy is used at all, so its address does not
            // matter.
            matcher: Matcher::builder().all("http://proxy.invalid").no(exempt.clone()).build(),
            exempt,
        }
    }

    /// Returns the proxy for a request to `uri`; `None` if it goes directly.
    pub(crate) fn via(&self, uri: &Uri) -> Option<Via<'_>> {
        self.matcher.intercept(uri)?;
        let setting = if uri.scheme_str()? == "https" { &self.https } else { &self.http };
        setting.as_ref().map(Via)
    }

    /// Returns the proxy for `http://`, with its password.
    pub(crate) fn http_url(&self) -> Option<&str> {
        self.http.as_ref().and_then(Setting::url)
    }

    /// Returns the proxy for `https://`, with its password.
    pub(crate) fn https_url(&self) -> Option<&str> {
        self.https.as_ref().and_then(Setting::url)
    }

    /// Returns the hosts that are contacted directly, in the form of `NO_PROXY`.
    pub(crate) fn exempt(&self) -> &str {
        &self.exempt
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Proxies").finish_non_exhaustive()
    }
}

/// Returns the first of `variables` that is set, with its value.
fn first_set(
    env: &dyn Fn(&str) -> Option<String>,
    variables: &[&'static str],
) -> Option<(&'static str, String)> {
    for &variable in variables {
        let value = env(variable).unwrap_or_default();
        let value = value.trim();
        if !value.is_empty() {
            return Some((variable, value.to_owned()));
        }
    }
    None
}

impl Setting {
    /// Reads the first of `variables` that is set.
    fn read(env: &dyn Fn(&str) -> Option<String>, variables: &[&'static str]) -> Option<Self> {
        let (variable, url) = first_set(env, variables)?;
        Some(Self { variable, proxy: usable(url) })
    }

    fn url(&self) -> Option<&str> {
        self.proxy.as_ref().ok().map(|proxy| proxy.url.as_str())
    }
}

impl Via<'_> {
    /// Returns the variable that names the proxy.
    pub(crate) fn variable(self) -> &'static str {
        self.0.variable
    }

    /// Returns the reason why the proxy is unusable, if there is one: a description of the allowed
    /// values, without the value itself.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.0.proxy.as_ref().err().map(String::as_str)
    }
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.proxy {
            Ok(proxy) => write!(out, "the proxy {} ({})", proxy.shown, self.0.variable),
            Err(_) => write!(out, "the proxy of {}", self.0.variable),
        }
    }
}

/// Returns the proxy at `url`, or the reason why it is unusable.
fn usable(url: String) -> Result<Proxy, String> {
    let Ok(uri) = url.parse::<Uri>() else { return Err(not_a_url(&url)) };
    let scheme = uri.scheme_str().unwrap_or("http");
    if scheme.starts_with("socks") {
        return Err(
            "SOCKS proxies cannot be used; name an HTTP proxy, or exempt the host with NO_PROXY"
                .to_owned(),
        );
    }
    let host = uri.host().filter(|host| !host.is_empty());
    let (true, Some(host)) = (matches!(scheme, "http" | "https"), host) else {
        return Err(not_a_url(&url));
    };
    let port = uri.port().map_or_else(String::new, |port| format!(":{port}"));
    // A text without a scheme may be a token typed here by mistake.
    let host = crate::text::disclosure::name(host);
    let shown = format!("{scheme}://{host}{port}");
    let url = if uri.scheme().is_some() { url } else { format!("http://{url}") };
    Ok(Proxy { url, shown })
}

/// Returns the reason to refuse the value of a variable. It does not contain the value.
fn not_a_url(value: &str) -> String {
    format!(
        "a value of {} bytes is not allowed; the URL of a proxy, such as \
         http://proxy.example.com:3128",
        value.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Variables with their values.
    type Variables<'a> = &'a [(&'a str, &'a str)];

    fn read(variables: Variables<'_>) -> Proxies {
        Proxies::read(&|wanted| {
            let found = variables.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn way(variables: Variables<'_>, url: &str) -> String {
        let proxies = read(variables);
        let via = proxies.via(&url.parse().unwrap());
        via.map_or_else(|| "directly".to_owned(), |via| via.to_string())
    }

    /// Returns the words about the proxy of a variable.
    fn proxy_of(variable: &str) -> String {
        format!("the proxy http://p:3128 ({variable})")
    }

    const API: &str = "https://api.example.com/x";

    #[test]
    fn a_request_goes_by_the_variable_of_its_scheme_unless_its_host_is_exempt() {
        let p = "http://p:3128";
        let rows: [(&str, Variables<'_>, &str, String); 12] = [
            ("no variable", &[], API, "directly".into()),
            ("https", &[("HTTPS_PROXY", p)], API, proxy_of("HTTPS_PROXY")),
            ("lower case", &[("https_proxy", p)], API, proxy_of("https_proxy")),
            ("the other scheme's", &[("HTTP_PROXY", p)], API, "directly".into()),
            ("http", &[("HTTP_PROXY", p)], "http://192.0.2.1/", proxy_of("HTTP_PROXY")),
            ("all", &[("ALL_PROXY", p)], API, proxy_of("ALL_PROXY")),
            (
                "its own first",
                &[("ALL_PROXY", "x"), ("HTTPS_PROXY", p)],
                API,
                proxy_of("HTTPS_PROXY"),
            ),
            (
                "empty is unset",
                &[("HTTPS_PROXY", " "), ("all_proxy", p)],
                API,
                proxy_of("all_proxy"),
            ),
            ("without scheme", &[("HTTPS_PROXY", "p:3128")], API, proxy_of("HTTPS_PROXY")),
            (
                "exempt",
                &[("HTTPS_PROXY", p), ("NO_PROXY", "a.test, example.com")],
                API,
                "directly".into(),
            ),
            ("all exempt", &[("HTTPS_PROXY", p), ("no_proxy", "*")], API, "directly".into()),
            (
                "its password",
                &[("HTTPS_PROXY", "http://u:s3cret@p:3128")],
                API,
                proxy_of("HTTPS_PROXY"),
            ),
        ];
        for (name, variables, url, want) in rows {
            assert_eq!(way(variables, url), want, "{name}");
        }
    }

    #[test]
    fn this_machine_and_credential_services_are_contacted_directly() {
        let all = [("ALL_PROXY", "http://p:3128")];
        let hosts = [
            "localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
        ];
        for host in hosts {
            for scheme in ["http", "https"] {
                assert_eq!(way(&all, &format!("{scheme}://{host}:8080/")), "directly", "{host}");
            }
        }
        assert_ne!(way(&all, "http://128.0.0.1/"), "directly");
    }

    #[test]
    fn an_unusable_value_is_refused_with_the_reason_and_not_repeated() {
        let rows = [
            ("socks5h://u:s3cret@p:1080", "SOCKS"),
            ("socks4://p", "SOCKS"),
            ("ftp://s3cret", "a value of 12 bytes is not allowed"),
            ("http://${s3cret}", "a value of 16 bytes is not allowed"),
            ("http//s3cret:3128", "a value of 17 bytes is not allowed"),
            ("s3 cret", "a value of 7 bytes is not allowed"),
        ];
        for (url, want) in rows {
            let proxies = read(&[("HTTPS_PROXY", url)]);
            let uri = API.parse().unwrap();
            let via = proxies.via(&uri).unwrap();
            let why = via.trouble().unwrap_or_default();
            assert!(why.contains(want) && !why.contains("s3"), "{url}: {why}");
            assert_eq!(via.to_string(), "the proxy of HTTPS_PROXY");
            assert_eq!(proxies.https_url(), None, "{url}");
            assert!(!format!("{proxies:?}").contains("s3"));
        }
    }
}
