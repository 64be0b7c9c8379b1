//! A check that is ready to ask: everything that its probes share.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, Uri};
use tokio::time::Instant;

use super::files::{Built, FileValue};
use super::search::BodySearch;
use super::settings::{BodyPattern, HeaderSource, HttpMethod, HttpSettings, header_value};
use super::tls::{Tls, of_file};
use crate::text::{join_or_none, seconds};

/// Maximum size of a file with the value of a header in bytes.
const LARGEST_HEADER: u64 = 8 * 1024;

/// A request, which has no body.
pub(super) type BodylessRequest = Request<Empty<Bytes>>;

/// A check, ready to ask.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) settings: HttpSettings,
    /// The search for `body_regex`.
    pub(super) search: Option<BodySearch>,
    files: FileValue<Material>,
}

/// The parts of a check that come from files.
#[derive(Debug)]
pub(super) struct Material {
    question: BodylessRequest,
    pub(super) tls: Option<Tls>,
}

impl Material {
    /// Returns the request, ready to be sent.
    pub(super) fn question(&self) -> BodylessRequest {
        self.question.clone()
    }
}

impl Prepared {
    /// Prepares a check.
    ///
    /// # Errors
    ///
    /// The part of the settings that cannot be used. The configuration refuses such settings.
    pub(super) fn new(settings: &HttpSettings) -> Result<Self, String> {
        let pattern = settings.body.matches.as_ref().map(BodyPattern::compile);
        let search = pattern.transpose()?.map(BodySearch::new);
        let settings = settings.clone();
        let paths: Vec<PathBuf> = settings.files().map(|(_, path)| path.to_owned()).collect();
        let files = if paths.is_empty() && settings.tls.is_none() {
            FileValue::none(material(&settings)?)
        } else {
            let own = settings.clone();
            FileValue::new(paths, move || material(&own))
        };
        Ok(Self { settings, search, files })
    }

    /// Returns the parts that come from files, as the files are now or were a moment ago. Waits
    /// only until they have been read for the first time.
    ///
    /// # Errors
    ///
    /// The reason why a file cannot be used, with its name.
    pub(super) async fn material(&self, now: Instant) -> Built<Material> {
        self.files.current(now).await
    }

    /// Returns the fault of a body in which `body_regex` matches nothing.
    ///
    /// # Errors
    ///
    /// Fails in words if this machine cannot search it.
    pub(super) async fn mismatch(&self, text: &str) -> Result<Option<String>, String> {
        let (Some(search), Some(pattern)) = (&self.search, &self.settings.body.matches) else {
            return Ok(None);
        };
        let is_found = search.finds(text).await?;
        Ok((!is_found).then(|| format!("body that does not match {:?}", pattern.as_str())))
    }

    /// Whether the files have not been read yet.
    pub(super) fn is_unread(&self) -> bool {
        self.files.is_unread()
    }

    /// Returns the reason of a probe that was given up before the files were read.
    pub(super) fn unread(&self, timeout: Duration) -> String {
        let files: Vec<_> = self.settings.files().map(|(_, path)| path.display()).collect();
        let files = join_or_none(files, ", ");
        format!("files were not read within {}: {files}", seconds(timeout))
    }
}

/// Builds the parts that come from files.
fn material(settings: &HttpSettings) -> Result<Material, String> {
    let tls = settings.tls.as_ref().map(|tls| Tls::load(&settings.host, tls)).transpose()?;
    let uri: Uri = settings
        .path
        .parse()
        .map_err(|_| format!("{:?} is no path that can be asked for", settings.path))?;
    let mut question = Request::new(Empty::new());
    *question.uri_mut() = uri;
    *question.method_mut() = match settings.method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
    };
    *question.headers_mut() = headers(settings)?;
    Ok(Material { question, tls })
}

fn headers(settings: &HttpSettings) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&settings.authority())
        .map_err(|_| format!("{:?} is no host that can be asked for", settings.host))?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(crate::http::USER_AGENT));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for header in &settings.headers {
        // The first of several with one name replaces the one above.
        let is_first = settings.headers.iter().find(|it| it.name() == header.name());
        let value = match header.source() {
            HeaderSource::Value(value) => value.clone(),
            HeaderSource::File(path) => {
                let text = crate::file::read_text(path, LARGEST_HEADER)
                    .map_err(|error| of_file("header_files", path, &error))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                let line = line.strip_suffix('\r').unwrap_or(line);
                header_value(line).map_err(|error| of_file("header_files", path, &error))?
            }
        };
        if is_first.is_some_and(|first| std::ptr::eq(first, header)) {
            headers.insert(header.name(), value);
        } else {
            headers.append(header.name(), value);
        }
    }
    Ok(headers)
}
