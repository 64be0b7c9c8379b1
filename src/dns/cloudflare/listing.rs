//! A zone's address records, read page by page: all of them or none.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use super::call::{Envelope, ResultInfo};
use super::name::canonical;
use crate::dns::{Attributes, Extra, Listing, Record};
use crate::engine::plan::{Family, SetKey};

/// Records asked for on one page. The API's own limit is 5,000; fewer per answer are fine.
pub(super) const PER_PAGE: u64 = 5000;

/// No zone has more pages than this; a service that says so is not believed.
const MOST_PAGES: u64 = 1000;

/// Why what was read cannot be the whole of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incomplete {
    /// The answer lacks its records or its `result_info`.
    #[error("page {page} of the records does not say how many there are")]
    Uncounted { page: u64 },
    /// Another page than the one that was asked for.
    #[error("page {page} of the records was asked for, and page {got} was given")]
    OtherPage { page: u64, got: u64 },
    /// Records were created or deleted between two pages.
    #[error("the number of records changed from {was} to {is} while they were read")]
    Shifted { was: u64, is: u64 },
    /// A record on two pages: some other one was skipped.
    #[error("record {id} was given twice, so another one may be missing")]
    Twice { id: String },
    /// The pages end before the records do.
    #[error("{read} of {total} records were given")]
    Short { read: u64, total: u64 },
    /// More records than were announced.
    #[error("{read} records were given where there are {total}")]
    Long { read: u64, total: u64 },
    /// A record at a managed name that cannot be understood.
    #[error("record {id} of {name} is not a readable {family} record")]
    Unreadable { id: String, name: String, family: Family },
}

/// A record as the API gives it. All is optional, so that a stranger's oddity is not our failure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    content: Option<String>,
    ttl: Option<u32>,
    proxied: Option<bool>,
    comment: Option<String>,
    tags: Option<Vec<String>>,
}

/// The managed names, by their canonical form.
#[derive(Debug)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| (canonical(name), name.clone())).collect())
    }

    /// The managed name, as it is configured, that `name` stands for.
    fn managed(&self, name: &str) -> Option<&String> {
        self.0.get(&canonical(name))
    }
}

/// The pages of one family that were read so far.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    family: Family,
    names: &'a Names,
    listing: &'a mut Listing,
    seen: HashSet<String>,
    total: Option<u64>,
    page: u64,
}

impl<'a> Pages<'a> {
    /// Nothing read yet; what will be read goes into `listing`.
    pub(super) fn new(family: Family, names: &'a Names, listing: &'a mut Listing) -> Self {
        Self { family, names, listing, seen: HashSet::new(), total: None, page: 1 }
    }

    /// The page to ask for.
    pub(super) fn next(&self) -> u64 {
        self.page
    }

    /// Takes in the page that was asked for; tells whether there are more.
    pub(super) fn take(&mut self, answer: Envelope<Vec<Given>>) -> Result<bool, Incomplete> {
        let page = self.page;
        let (Some(given), Some(info)) = (answer.result, answer.result_info) else {
            return Err(Incomplete::Uncounted { page });
        };
        let total = self.agree(info)?;
        let empty = given.is_empty();
        for record in given {
            self.keep(record)?;
        }
        let read = self.seen.len() as u64;
        if read > total {
            return Err(Incomplete::Long { read, total });
        }
        if read < total && (empty || page == MOST_PAGES) {
            return Err(Incomplete::Short { read, total });
        }
        self.page += 1;
        Ok(read < total)
    }

    /// The number of records, which every page must tell alike.
    fn agree(&mut self, info: ResultInfo) -> Result<u64, Incomplete> {
        if info.page != self.page {
            return Err(Incomplete::OtherPage { page: self.page, got: info.page });
        }
        let is = info.total_count;
        let was = *self.total.get_or_insert(is);
        if was == is { Ok(is) } else { Err(Incomplete::Shifted { was, is }) }
    }

    fn keep(&mut self, given: Given) -> Result<(), Incomplete> {
        let id = given.id.clone().unwrap_or_default();
        if !self.seen.insert(id.clone()) {
            return Err(Incomplete::Twice { id });
        }
        let name = given.name.as_deref().and_then(|name| self.names.managed(name));
        let (Some(name), true) = (name, given.kind == Some(self.family.to_string())) else {
            return Ok(()); // Another name, or a service that does not filter by type.
        };
        let set = SetKey { name: name.clone(), family: self.family };
        let unreadable = Incomplete::Unreadable { id, name: name.clone(), family: self.family };
        let record = record(given, self.family).ok_or(unreadable)?;
        self.listing.sets.entry(set).or_default().push(record);
        Ok(())
    }
}

fn record(given: Given, family: Family) -> Option<Record> {
    let address = given.content?.trim().parse().ok().filter(|&ip| Family::of(ip) == family)?;
    let id = given.id.filter(|id| !id.is_empty())?;
    let extra = Extra::Cloudflare {
        proxied: given.proxied.unwrap_or(false),
        comment: given.comment.filter(|comment| !comment.is_empty()),
        tags: given.tags.unwrap_or_default(),
    };
    Some(Record { address, id, attributes: Attributes { ttl: given.ttl.unwrap_or(1), extra } })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TWO: [&str; 2] = ["a", "b"];

    fn page(number: u64, total: u64, ids: &[&str]) -> Value {
        let record = |id: &&str| json!({"id": id, "type": "A", "name": "www.example.com", "content": "192.0.2.1"});
        let records: Vec<_> = ids.iter().map(record).collect();
        json!({"success": true, "result": records, "result_info": {"page": number, "total_count": total}})
    }

    /// Reads `pages` until they end or fail; how many records were listed.
    fn read(pages: &[Value]) -> Result<usize, Incomplete> {
        let names = Names::new(&["www.example.com".to_owned()]);
        let mut listing = Listing::default();
        let mut reader = Pages::new(Family::A, &names, &mut listing);
        for page in pages {
            if !reader.take(serde_json::from_value(page.clone()).unwrap())? {
                return Ok(listing.sets.values().map(Vec::len).sum());
            }
        }
        panic!("more pages were asked for than there are");
    }

    #[test]
    fn a_listing_is_whole_or_an_error() {
        let uncounted = json!({"success": true, "result": []});
        let cases = [
            ("an empty zone", vec![page(1, 0, &[])], Ok(0)),
            ("one page", vec![page(1, 2, &TWO)], Ok(2)),
            ("two pages", vec![page(1, 3, &TWO), page(2, 3, &["c"])], Ok(3)),
            ("pages of any size", vec![page(1, 3, &["a"]), page(2, 3, &["b", "c"])], Ok(3)),
            ("no count", vec![uncounted], Err(Incomplete::Uncounted { page: 1 })),
            (
                "a count that shrinks",
                vec![page(1, 3, &TWO), page(2, 2, &[])],
                Err(Incomplete::Shifted { was: 3, is: 2 }),
            ),
            (
                "a count that grows",
                vec![page(1, 3, &TWO), page(2, 4, &["c"])],
                Err(Incomplete::Shifted { was: 3, is: 4 }),
            ),
            (
                "a record that slid to the next page",
                vec![page(1, 3, &TWO), page(2, 3, &["b"])],
                Err(Incomplete::Twice { id: "b".to_owned() }),
            ),
            (
                "pages that end too soon",
                vec![page(1, 3, &TWO), page(2, 3, &[])],
                Err(Incomplete::Short { read: 2, total: 3 }),
            ),
            (
                "more than announced",
                vec![page(1, 1, &TWO)],
                Err(Incomplete::Long { read: 2, total: 1 }),
            ),
            (
                "the first page again",
                vec![page(1, 3, &TWO), page(1, 3, &["c"])],
                Err(Incomplete::OtherPage { page: 2, got: 1 }),
            ),
        ];
        for (name, pages, want) in cases {
            assert_eq!(read(&pages), want, "{name}");
        }
    }

    #[test]
    fn what_is_not_a_managed_address_is_passed_over_and_what_is_must_be_readable() {
        let cases = [
            ("as configured", json!({"content": "192.0.2.1"}), Ok(1)),
            ("upper case and a final dot", json!({"name": "WWW.Example.com."}), Ok(1)),
            ("another name", json!({"name": "w.example.com"}), Ok(0)),
            ("another name, nothing readable", json!({"name": "x", "content": null}), Ok(0)),
            ("another type", json!({"type": "TXT", "content": "192.0.2.1"}), Ok(0)),
            ("no address", json!({"content": "hello"}), Err(())),
            ("an address of the other family", json!({"content": "::1"}), Err(())),
            ("no id", json!({"id": null}), Err(())),
        ];
        for (name, change, want) in cases {
            let mut page = page(1, 1, &["a"]);
            for (key, value) in change.as_object().unwrap() {
                page["result"][0][key] = value.clone();
            }
            assert_eq!(read(&[page]).map_err(|_| ()), want, "{name}");
        }
    }

    #[test]
    fn a_record_keeps_all_that_it_carries() {
        let given = json!({"id": "x", "content": "2001:DB8:0::1", "ttl": 120, "proxied": true, "comment": "c", "tags": ["a:b"]});
        let got = record(serde_json::from_value(given).unwrap(), Family::Aaaa).unwrap();
        let extra = Extra::Cloudflare {
            proxied: true,
            comment: Some("c".to_owned()),
            tags: vec!["a:b".to_owned()],
        };
        assert_eq!(got.attributes, Attributes { ttl: 120, extra });
        assert_eq!(got.address, "2001:db8::1".parse::<std::net::IpAddr>().unwrap());
    }
}
