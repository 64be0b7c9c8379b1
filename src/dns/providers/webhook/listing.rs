//! A listing of endpoints, read one by one, which keeps those at managed names alone.
//!
//! A zone is listed as a whole, so an answer may be long. It is split into its elements without being
//! read as a whole, so that the memory it takes is bounded by its length, for any content.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::endpoint::{EndpointHead, EndpointTargets, WebhookEndpoint, family};
use super::ownership;
use crate::dns::Listing;
use crate::dns::name::canonical;
use crate::engine::plan::SetKey;
use crate::text::excerpt;

/// Maximum length of one endpoint. One with a thousand addresses is a fiftieth of it.
const LONGEST_ENDPOINT: usize = 1024 * 1024;

/// The reason why an answer is not a listing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    /// It is no list at all.
    #[error("the answer is not a list of endpoints: {0}")]
    NoList(&'static str),
    /// An element of the list is not an endpoint.
    #[error("element {number} of the answer is not an endpoint: {why}")]
    Element {
        /// The number of the element, from 1.
        number: usize,
        /// A description of the element.
        why: String,
    },
}

/// The reason why a record set at a managed name cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnfitEndpoint {
    #[error("{0} is a CNAME of {1}: no address can be published beside it (RFC 1034)")]
    Cname(String, String),
    #[error(
        "{name} belongs to an external-dns (owner {owner}; {txt} says so), which would undo every \
         change: take the name out of its sources and delete that TXT record, or leave the name to it"
    )]
    Owned { name: String, owner: String, txt: String },
    #[error(
        "the webhook lists \"{listed}\" without its zone, so the records of {name} cannot be told \
         apart from others: mend its domain filter"
    )]
    Relative { name: String, listed: String },
    #[error("{0} is not among the names that the webhook looks after ({1})")]
    Filtered(String, String),
    #[error("{0} is one of several sets with a routing policy (`{1}`), which cannot be managed")]
    Identifier(SetKey, String),
    #[error("{0} is listed in several endpoints with different settings")]
    Split(SetKey),
    #[error("{0} holds `{1}`, which is no address of its type")]
    Target(SetKey, String),
    #[error("{0} has the TTL {1}, which is none from 0 to 2147483647 seconds")]
    Ttl(SetKey, String),
}

impl UnfitEndpoint {
    /// Returns the set; the owner name if the reason concerns both sets of it.
    fn place(&self) -> Result<&SetKey, &str> {
        match self {
            Self::Identifier(set, _)
            | Self::Split(set)
            | Self::Target(set, _)
            | Self::Ttl(set, _) => Ok(set),
            Self::Cname(name, _)
            | Self::Owned { name, .. }
            | Self::Relative { name, .. }
            | Self::Filtered(name, _) => Err(name),
        }
    }
}

/// The names that are looked for in a listing.
#[derive(Debug, Clone)]
pub(super) struct ManagedNames {
    zone: String,
    /// The canonical form of each name, with the name in the configuration.
    names: BTreeMap<String, String>,
}

impl ManagedNames {
    pub(super) fn new(zone: &str, names: &[String]) -> Self {
        let names = names.iter().map(|name| (canonical(name), name.clone())).collect();
        Self { zone: canonical(zone), names }
    }

    /// Returns the names in the configuration, each with its canonical form.
    pub(super) fn each(&self) -> impl Iterator<Item = (&String, &String)> {
        self.names.iter()
    }

    /// Returns the managed name that `listed` is, if its zone is left out.
    fn relative(&self, listed: &str) -> Option<&String> {
        let whole = match listed {
            "" | "@" => self.zone.clone(),
            relative => format!("{relative}.{}", self.zone),
        };
        self.names.get(&whole)
    }
}

/// The endpoints at managed names.
#[derive(Debug, Default)]
pub(super) struct ListedEndpoints {
    /// The endpoint of each set.
    pub(super) sets: BTreeMap<SetKey, WebhookEndpoint>,
    /// The sets and names that cannot be edited.
    pub(super) unfit: Vec<UnfitEndpoint>,
}

impl ListedEndpoints {
    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// Fails if it is not a list of endpoints, or if one of them cannot be told from a managed one.
    pub(super) fn read(body: &[u8], names: &ManagedNames) -> Result<Self, Malformed> {
        let mut scan =
            ListingScan { names, listed: Self::default(), others: HashSet::new(), marks: vec![] };
        for_each_element(body, |element| scan.take(element))?;
        Ok(scan.end())
    }

    /// Returns the listing of the records.
    pub(super) fn listing(&self) -> Listing {
        let mut listing = Listing::default();
        for (set, endpoint) in &self.sets {
            match endpoint.records(set.family) {
                Ok(records) => {
                    listing.sets.insert(set.clone(), records);
                }
                Err(target) => {
                    let unfit = UnfitEndpoint::Target(set.clone(), target);
                    listing.leave_out(set.clone(), unfit);
                }
            }
        }
        for unfit in &self.unfit {
            match unfit.place() {
                Ok(set) => listing.leave_out(set.clone(), unfit),
                Err(name) => listing.leave_out_name(name, unfit),
            }
        }
        listing
    }

    fn add(&mut self, set: SetKey, endpoint: WebhookEndpoint) {
        if !endpoint.identifier().is_empty() {
            let identifier = excerpt(endpoint.identifier());
            self.unfit.push(UnfitEndpoint::Identifier(set, identifier));
            return;
        }
        if let Err(ttl) = endpoint.ttl() {
            self.unfit.push(UnfitEndpoint::Ttl(set, ttl));
            return;
        }
        let Some(before) = self.sets.get_mut(&set) else {
            self.sets.insert(set, endpoint);
            return;
        };
        if !before.is_like(&endpoint) {
            self.unfit.push(UnfitEndpoint::Split(set));
        } else if let Err(target) = before.absorb(endpoint) {
            self.unfit.push(UnfitEndpoint::Target(set, target));
        }
    }
}

/// The state of reading one answer.
struct ListingScan<'a> {
    names: &'a ManagedNames,
    listed: ListedEndpoints,
    /// The other names with records, by which the names of TXT records are told apart.
    others: HashSet<String>,
    /// The TXT records of registries, with their owners.
    marks: Vec<(String, String)>,
}

impl ListingScan<'_> {
    fn take(&mut self, element: &[u8]) -> Result<(), String> {
        let head: EndpointHead<'_> = read_element(element)?;
        let (name, kind) = (canonical(&head.name), head.kind.to_ascii_uppercase());
        if kind == "TXT" {
            return self.take_txt(name, element);
        }
        if let Some(managed) = self.names.names.get(&name) {
            return self.take_managed(managed.clone(), &kind, element);
        }
        let is_address = family(&kind).is_some() || kind == "CNAME";
        if is_address && let Some(managed) = self.names.relative(&name) {
            let listed = excerpt(&head.name);
            self.listed.unfit.push(UnfitEndpoint::Relative { name: managed.clone(), listed });
        }
        self.others.insert(name);
        Ok(())
    }

    fn take_managed(&mut self, name: String, kind: &str, element: &[u8]) -> Result<(), String> {
        if kind == "CNAME" {
            let EndpointTargets { targets } = read_element(element)?;
            let target = targets.unwrap_or_default().first().map(|target| excerpt(target));
            self.listed.unfit.push(UnfitEndpoint::Cname(name, target.unwrap_or_default()));
        } else if let Some(family) = family(kind) {
            self.listed.add(SetKey { name, family }, read_element(element)?);
        }
        Ok(())
    }

    fn take_txt(&mut self, name: String, element: &[u8]) -> Result<(), String> {
        let EndpointTargets { targets } = read_element(element)?;
        let owner = targets.into_iter().flatten().find_map(|text| ownership::owner(&text));
        self.marks.extend(owner.map(|owner| (name, excerpt(&owner))));
        Ok(())
    }

    fn end(mut self) -> ListedEndpoints {
        let mut owned = BTreeSet::new();
        for (txt, owner) in self.marks {
            let managed = self.names.names.keys().map(String::as_str);
            let others = self.others.iter().map(String::as_str);
            let Some(subject) = ownership::subject(&txt, managed, others, &self.names.zone) else {
                continue;
            };
            let name = self.names.names.get(subject).cloned().unwrap_or_default();
            if owned.insert(name.clone()) {
                self.listed.unfit.push(UnfitEndpoint::Owned { name, owner, txt: excerpt(&txt) });
            }
        }
        self.listed
    }
}

/// Reads an element as an object: of an array, too, a type with fields could be made.
pub(super) fn read_element<'a, T: serde::Deserialize<'a>>(element: &'a [u8]) -> Result<T, String> {
    if !element.starts_with(b"{") {
        return Err(excerpt(&String::from_utf8_lossy(&element[..element.len().min(200)])));
    }
    serde_json::from_slice(element).map_err(|error| {
        let text = String::from_utf8_lossy(&element[..element.len().min(200)]);
        excerpt(&format!("{error}: {text}"))
    })
}

/// Calls `take` with each element of a JSON array, and reads their borders alone. `null` is an
/// empty one.
pub(super) fn for_each_element(
    body: &[u8],
    mut take: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Malformed> {
    let body = body.trim_ascii();
    if body == b"null" {
        return Ok(());
    }
    let inner = body.strip_prefix(b"[").and_then(|body| body.strip_suffix(b"]"));
    let inner = inner.ok_or(Malformed::NoList("it does not begin with [ and end with ]"))?;
    if inner.trim_ascii().is_empty() {
        return Ok(());
    }
    let (mut number, mut start, mut borders) = (1, 0, Borders::default());
    for (at, byte) in inner.iter().enumerate() {
        if borders.ends_element(*byte)? {
            take_element(number, &inner[start..at], &mut take)?;
            (number, start) = (number + 1, at + 1);
        }
    }
    if borders.depth != 0 || borders.in_text {
        return Err(Malformed::NoList("it ends in the middle of an element"));
    }
    take_element(number, &inner[start..], &mut take)
}

fn take_element(
    number: usize,
    element: &[u8],
    take: &mut impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), Malformed> {
    let element = element.trim_ascii();
    let taken = if element.len() > LONGEST_ENDPOINT {
        Err(format!("it is longer than {LONGEST_ENDPOINT} bytes"))
    } else {
        take(element)
    };
    taken.map_err(|why| Malformed::Element { number, why })
}

/// The position between the elements of a JSON array.
#[derive(Debug, Default)]
struct Borders {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Borders {
    /// Whether the next byte is a comma between two elements.
    fn ends_element(&mut self, byte: u8) -> Result<bool, Malformed> {
        if self.in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return Ok(false);
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                let less = self.depth.checked_sub(1);
                self.depth = less.ok_or(Malformed::NoList("it has more ends than beginnings"))?;
            }
            _ => {}
        }
        Ok(byte == b',' && self.depth == 0)
    }
}

/// Reads the body of a listing of any content. For the fuzzer.
pub(crate) fn read_any(body: &[u8]) {
    let names = ManagedNames::new("example.com", &["www.example.com".to_owned()]);
    if let Ok(listed) = ListedEndpoints::read(body, &names) {
        let _ = listed.listing();
    }
}
