//! A zone's address records, listed page by page: all of them or none.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::call::{Envelope, ResultInfo};
use super::record::{self, ListedEntry};
use crate::dns::Listing;
use crate::dns::name::canonical;
use crate::engine::plan::{Family, SetKey};
use crate::text::{excerpt, first_few};

/// The number of records requested on one page. The API's own limit is 5,000; it may return fewer.
pub(super) const PER_PAGE: u64 = 5000;

/// Maximum number of pages. A service that announces more is not trusted.
const MOST_PAGES: u64 = 1000;

/// The reason why the listed records cannot be all records.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incomplete {
    /// The answer lacks its records or its `result_info`.
    #[error("page {page} of the records has no total count")]
    Uncounted { page: u64 },
    /// The answer is another page than the requested one.
    #[error("page {page} of the records was requested, and page {got} was returned")]
    OtherPage { page: u64, got: u64 },
    /// Records were created or deleted between two pages.
    #[error("the number of records changed from {was} to {is} while they were listed")]
    Shifted { was: u64, is: u64 },
    /// A record is on two pages, so another one was skipped.
    #[error("record {id} was listed twice, so another one may be missing")]
    Twice { id: String },
    /// The pages end before the records do.
    #[error("{read} of {total} records were listed")]
    Short { read: u64, total: u64 },
    /// There are more records than announced.
    #[error("{read} records were listed, but there are {total}")]
    Long { read: u64, total: u64 },
}

/// Returns the first three items, and the number of further ones.
pub(super) fn summary(all: &[String]) -> String {
    let all: Vec<_> = all.iter().map(|odd| excerpt(odd)).collect();
    first_few(&all, 3, ", ")
}

/// The managed names, by their canonical form.
#[derive(Debug)]
pub(super) struct Names(HashMap<String, String>);

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| (canonical(name), name.clone())).collect())
    }

    /// Returns the number of names.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Returns each name by itself, by the form in which the API expects it.
    pub(super) fn each(&self) -> BTreeMap<&str, Self> {
        let mut each = BTreeMap::new();
        for (form, name) in &self.0 {
            each.insert(form.as_str(), Self([(form.clone(), name.clone())].into()));
        }
        each
    }

    /// Returns the managed name, as configured, that is equal to `name`.
    fn managed(&self, name: &str) -> Option<&String> {
        self.0.get(&canonical(name))
    }
}

/// The pages of one family listed so far.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    family: Family,
    names: &'a Names,
    listing: &'a mut Listing,
    seen: HashSet<String>,
    /// The number of entries without a readable id, which cannot be told apart.
    without_id: u64,
    odd: &'a mut Oddities,
    total: Option<u64>,
    page: u64,
}

/// Unexpected values in listed records, in places that do not affect the listing.
#[derive(Debug, Default)]
pub(super) struct Oddities {
    /// Entries of other names, or without a name: the unexpected fields, with the id.
    pub(super) foreign: Vec<String>,
    /// Fields of managed records that are kept as they are.
    pub(super) managed: Vec<String>,
}

impl<'a> Pages<'a> {
    /// Creates an empty list of pages; records are added to `listing`.
    pub(super) fn new(
        family: Family,
        names: &'a Names,
        listing: &'a mut Listing,
        odd: &'a mut Oddities,
    ) -> Self {
        let seen = HashSet::new();
        Self { family, names, listing, seen, without_id: 0, odd, total: None, page: 1 }
    }

    /// Returns the number of the page to request.
    pub(super) fn next(&self) -> u64 {
        self.page
    }

    /// Adds the requested page. Returns whether there are more.
    pub(super) fn take(&mut self, answer: Envelope<Vec<ListedEntry>>) -> Result<bool, Incomplete> {
        let page = self.page;
        let (Some(given), Some(info)) = (answer.result, answer.result_info) else {
            return Err(Incomplete::Uncounted { page });
        };
        let total = self.agree(info)?;
        let empty = given.is_empty();
        for record in given {
            self.keep(record)?;
        }
        let read = self.read();
        if read > total {
            return Err(Incomplete::Long { read, total });
        }
        if read < total && (empty || page == MOST_PAGES) {
            return Err(Incomplete::Short { read, total });
        }
        self.page += 1;
        Ok(read < total)
    }

    /// Returns the number of records listed so far.
    fn read(&self) -> u64 {
        self.seen.len() as u64 + self.without_id
    }

    /// Returns the number of remaining pages, if they are as large as those before.
    pub(super) fn left(&self) -> u64 {
        let size = self.read() / (self.page - 1).max(1);
        let rest = self.total.unwrap_or_default().saturating_sub(self.read());
        rest.div_ceil(size.max(1))
    }

    /// Returns the number of records, which has to be the same on every page.
    fn agree(&mut self, info: ResultInfo) -> Result<u64, Incomplete> {
        if info.page != self.page {
            return Err(Incomplete::OtherPage { page: self.page, got: info.page });
        }
        let is = info.total_count;
        let was = *self.total.get_or_insert(is);
        if was == is { Ok(is) } else { Err(Incomplete::Shifted { was, is }) }
    }

    /// Adds one entry. At a managed name it has to be readable, or its set is omitted; entries of
    /// other names may contain anything.
    fn keep(&mut self, given: ListedEntry) -> Result<(), Incomplete> {
        match &given.id {
            Some(id) if !self.seen.insert(id.clone()) => {
                return Err(Incomplete::Twice { id: id.clone() });
            }
            Some(_) => {}
            None => self.without_id += 1,
        }
        let id = given.id.clone().unwrap_or_else(|| "without an id".to_owned());
        let name = given.name.as_deref().and_then(|name| self.names.managed(name)).cloned();
        let Some(name) = name else {
            let odd = given.not_text.iter().map(|field| format!("{field} of {id}"));
            self.odd.foreign.extend(odd);
            return Ok(());
        };
        let family = self.family;
        match &given.kind {
            Some(kind) if *kind == family.to_string() => {}
            Some(_) => return Ok(()), // From a service that does not filter by type.
            None => {
                self.leave_out(name, &id, "type");
                return Ok(());
            }
        }
        match given.into_record(family) {
            Err(field) => self.leave_out(name, &id, field),
            Ok(record) => {
                let odd = record::oddities(&record.attributes).into_iter();
                self.odd.managed.extend(odd.map(|field| format!("{field} of {id} at {name}")));
                self.listing.add(SetKey { name, family }, record);
            }
        }
        Ok(())
    }

    /// Omits a set with an unreadable entry that may be one of its addresses: the number of
    /// addresses in service there would be wrong.
    fn leave_out(&mut self, name: String, id: &str, field: &str) {
        let family = self.family;
        let why =
            format!("record {id} of {name} is not a readable {family} record: see its {field}");
        self.listing.leave_out(SetKey { name, family }, why);
    }
}

/// Reads the body of a page of any content. For the fuzzer.
pub(crate) fn read_any(body: &[u8]) {
    let names = Names::new(&["www.example.com".to_owned()]);
    let (mut listing, mut odd) = (Listing::default(), Oddities::default());
    if let Ok(answer) = serde_json::from_slice(body) {
        let _ = Pages::new(Family::A, &names, &mut listing, &mut odd).take(answer);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TWO: [&str; 2] = ["a", "b"];

    fn page(number: u64, total: u64, ids: &[&str]) -> Value {
        let (name, content) = ("www.example.com", "192.0.2.1");
        let mut records = Vec::new();
        for id in ids {
            records.push(json!({"id": id, "type": "A", "name": name, "content": content}));
        }
        let info = json!({"page": number, "total_count": total});
        json!({"success": true, "result": records, "result_info": info})
    }

    fn set(name: &str) -> SetKey {
        SetKey { name: name.to_owned(), family: Family::A }
    }

    /// Lists `pages` until they end or fail. Returns the number of listed records.
    fn read(pages: &[Value]) -> Result<usize, Incomplete> {
        let names = Names::new(&["www.example.com".to_owned()]);
        let (mut listing, mut odd) = (Listing::default(), Oddities::default());
        let mut reader = Pages::new(Family::A, &names, &mut listing, &mut odd);
        for page in pages {
            if !reader.take(serde_json::from_value(page.clone()).unwrap())? {
                return Ok(listing.sets.values().map(Vec::len).sum());
            }
        }
        panic!("more pages were asked for than there are");
    }

    #[test]
    fn a_listing_is_complete_or_an_error() {
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
    fn a_managed_set_with_an_unreadable_record_is_left_out_and_nothing_else_is() {
        let cases = [
            ("as configured", json!({"content": "192.0.2.1"}), "listed"),
            ("upper case and a final dot", json!({"name": "WWW.Example.com."}), "listed"),
            ("a field that is not needed", json!({"ttl": "auto", "tags": 1}), "listed, odd"),
            ("another name", json!({"name": "w.example.com"}), "passed over"),
            ("another name, all of it odd", json!({"name": "x", "content": 1}), "passed over, odd"),
            ("a name that is no text", json!({"name": ["www.example.com"]}), "passed over, odd"),
            ("a foreign id that is a number", json!({"name": "x", "id": 7}), "passed over, odd"),
            ("no foreign id", json!({"name": "x", "id": null}), "passed over, odd"),
            ("another type", json!({"type": "TXT", "content": "192.0.2.1"}), "passed over"),
            ("no address", json!({"content": "hello"}), "unfit"),
            ("no text", json!({"content": 3_221_225_985_u32}), "unfit"),
            ("an address of the other family", json!({"content": "::1"}), "unfit"),
            ("no id", json!({"id": null}), "unfit"),
            ("a type that is no text", json!({"type": 1}), "unfit"),
        ];
        for (name, change, want) in cases {
            let mut page = page(1, 2, &TWO);
            for (key, value) in change.as_object().unwrap() {
                page["result"][0][key] = value.clone();
            }
            page["result"][1]["name"] = json!("api.example.com");
            let names = Names::new(&["www.example.com".to_owned(), "api.example.com".to_owned()]);
            let (mut listing, mut odd) = (Listing::default(), Oddities::default());
            let mut reader = Pages::new(Family::A, &names, &mut listing, &mut odd);
            assert_eq!(reader.take(serde_json::from_value(page).unwrap()), Ok(false), "{name}");
            let mut got = match listing.sets.get(&set("www.example.com")).map(Vec::len) {
                Some(count) => format!("listed {count}").replace(" 1", ""),
                None if listing.unfit.contains_key(&set("www.example.com")) => "unfit".to_owned(),
                None => "passed over".to_owned(),
            };
            if !odd.foreign.is_empty() || !odd.managed.is_empty() {
                got += ", odd";
            }
            assert_eq!(got, want, "{name}");
            assert!(listing.sets.contains_key(&set("api.example.com")), "{name}: the other name");
        }
    }

    #[test]
    fn foreign_entries_without_an_id_are_counted_and_not_taken_for_one() {
        let mut page = page(1, 2, &TWO);
        for entry in page["result"].as_array_mut().unwrap() {
            entry["id"] = Value::Null;
            entry["name"] = json!("x.example.com");
        }
        assert_eq!(read(&[page]), Ok(0));
    }
}
