//! One zone and its records.

use serde_json::{Map, Value, json};

use super::rules::{self, Limits, No};

/// One record of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) content: String,
    pub(crate) ttl: u32,
    pub(crate) proxied: bool,
    pub(crate) comment: Option<String>,
    pub(crate) tags: Vec<String>,
    /// Settings such as `ipv4_only`.
    pub(crate) settings: Map<String, Value>,
    /// New fields of the API, as they are returned and accepted; those of [`Zone::grown`].
    pub(crate) more: Map<String, Value>,
}

impl Record {
    /// Returns the record in the API's format.
    pub(super) fn json(&self) -> Value {
        let mut shown = json!({
            "id": self.id,
            "name": self.name,
            "type": self.kind,
            "content": self.content,
            "proxiable": rules::may_be_proxied(&self.kind, &self.content),
            "proxied": self.proxied,
            "ttl": self.ttl,
            "settings": self.settings,
            "meta": {},
            "comment": self.comment,
            "tags": self.tags,
            "created_on": "2026-01-01T05:20:00.12345Z",
            "modified_on": "2026-01-01T05:20:00.12345Z",
        });
        if self.comment.is_some() {
            shown["comment_modified_on"] = json!("2026-01-01T05:20:00.12345Z");
        }
        for (field, value) in &self.more {
            shown[field] = value.clone();
        }
        shown
    }

    fn is(&self, kind: &str, name: &str, content: &str) -> bool {
        self.kind == kind && self.name == name && self.content == content
    }
}

/// One zone with its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The status: `active`, `pending`, `moved` and others.
    pub(crate) status: String,
    pub(crate) records: Vec<Record>,
    /// Maximum number of records of the account in this zone.
    pub(crate) quota: usize,
    /// The limits of the zone's plan.
    pub(crate) limits: Limits,
    /// New fields of the API that it accepts beside those known to goavail.
    pub(crate) grown: Vec<&'static str>,
    /// The records in listings, while the listing is outdated.
    shown: Option<Vec<Record>>,
    next: u64,
}

impl Zone {
    /// Creates an empty, active zone. The number distinguishes zones, even those of one name.
    pub(crate) fn new(number: u64, name: &str) -> Self {
        let id = identifier(1 << 40 | number);
        let (name, status) = (name.to_owned(), "active".to_owned());
        Self {
            id,
            name,
            status,
            records: Vec::new(),
            quota: 100_000,
            limits: Limits::default(),
            grown: vec!["private_routing"],
            shown: None,
            next: number << 20,
        }
    }

    /// Adds a record by other means, with a TTL of 120 s; no rule applies, so duplicates are
    /// possible. Returns it for further changes.
    pub(crate) fn seed(&mut self, kind: &str, name: &str, content: &str) -> &mut Record {
        self.next += 1;
        self.records.push(Record {
            id: identifier(self.next),
            kind: kind.to_owned(),
            name: name.to_owned(),
            content: content.to_owned(),
            ttl: 120,
            proxied: false,
            comment: None,
            tags: Vec::new(),
            settings: Map::new(),
            more: Map::new(),
        });
        self.records.last_mut().unwrap()
    }

    /// Returns the record of this type, name and content, for changes in place: its id stays.
    pub(crate) fn record(&mut self, kind: &str, name: &str, content: &str) -> &mut Record {
        let found = self.records.iter_mut().find(|record| record.is(kind, name, content));
        found.expect("the zone holds no such record")
    }

    /// Makes listings show the zone as it is now, despite later writes: an outdated listing.
    pub(crate) fn freeze_listing(&mut self) {
        self.shown = Some(self.records.clone());
    }

    /// Makes listings show the zone as it is again.
    pub(crate) fn thaw_listing(&mut self) {
        self.shown = None;
    }

    /// Returns the records for a listing.
    pub(super) fn listed(&self) -> &[Record] {
        self.shown.as_ref().unwrap_or(&self.records)
    }

    /// Returns the contents of all records of one type at one name, sorted.
    pub(crate) fn contents(&self, kind: &str, name: &str) -> Vec<String> {
        let mine = self.records.iter().filter(|record| record.kind == kind && record.name == name);
        let mut contents: Vec<_> = mine.map(|record| record.content.clone()).collect();
        contents.sort();
        contents
    }

    /// Creates the record that `body` describes.
    pub(super) fn create(&mut self, body: &Value) -> Result<Record, No> {
        let draft = rules::draft(self, body)?;
        self.admit(&draft)?;
        if self.records.len() >= self.quota {
            return Err(No::plain(400, 81_045, "Record quota exceeded."));
        }
        self.next += 1;
        let record = Record { id: identifier(self.next), ..draft };
        self.records.push(record.clone());
        Ok(record)
    }

    /// Deletes the record.
    pub(super) fn delete(&mut self, id: &str) -> Result<Record, No> {
        let position =
            self.records.iter().position(|record| record.id == id).ok_or_else(No::gone)?;
        Ok(self.records.remove(position))
    }

    /// Changes the settings of a record that `body` contains.
    fn change(&mut self, body: &Value) -> Result<Record, No> {
        let id = body["id"].as_str().unwrap_or_default();
        let position =
            self.records.iter().position(|record| record.id == id).ok_or_else(No::gone)?;
        let mut merged = self.records[position].json();
        for key in rules::READ_ONLY {
            merged.as_object_mut().unwrap().remove(key);
        }
        for (key, value) in body.as_object().into_iter().flatten().filter(|(key, _)| *key != "id") {
            merged[key] = value.clone();
        }
        let record = Record { id: id.to_owned(), ..rules::draft(self, &merged)? };
        self.records[position] = record.clone();
        Ok(record)
    }

    /// Carries out all operations of a batch in their order, or none of them.
    pub(super) fn batch(&mut self, body: &Value, largest: usize) -> Result<Value, No> {
        let part = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        let parts = ["deletes", "patches", "puts", "posts"].map(part);
        let operations: usize = parts.iter().map(Vec::len).sum();
        if operations == 0 || operations > largest {
            let message = "The number of changes in this batch is not allowed.";
            return Err(No::plain(400, 9207, message));
        }
        let mut draft = self.clone();
        let [deletes, patches, puts, posts] = parts;
        let delete = |body: &Value| draft.delete(body["id"].as_str().unwrap_or_default());
        let deletes = all(&deletes, delete)?;
        let patches = all(&patches, |body| draft.change(body))?;
        let puts = all(&puts, |body| draft.change(body))?;
        let posts = all(&posts, |body| draft.create(body))?;
        *self = draft;
        Ok(json!({ "deletes": deletes, "patches": patches, "puts": puts, "posts": posts }))
    }

    /// A name outside the zone is relative to it, as in the API.
    pub(super) fn absolute(&self, name: &str) -> String {
        let name = name.trim_end_matches('.').to_lowercase();
        let inside = name == self.name || name.ends_with(&format!(".{}", self.name));
        if inside { name } else { format!("{name}.{}", self.name) }
    }

    /// Whether `draft` can exist beside the other records.
    fn admit(&self, draft: &Record) -> Result<(), No> {
        if self.records.iter().any(|r| r.is(&draft.kind, &draft.name, &draft.content)) {
            return Err(No::plain(400, 81_058, "An identical record already exists."));
        }
        let beside =
            |kind: &str| self.records.iter().any(|r| r.name == draft.name && r.kind == kind);
        if draft.kind == "CNAME" && (beside("A") || beside("AAAA") || beside("CNAME")) {
            let message = "An A, AAAA, or CNAME record with that host already exists.";
            return Err(No::plain(400, 81_053, message));
        }
        if matches!(draft.kind.as_str(), "A" | "AAAA") && beside("CNAME") {
            let message = "A CNAME record with that host already exists.";
            return Err(No::plain(400, 81_054, message));
        }
        Ok(())
    }
}

fn all(
    bodies: &[Value],
    mut operation: impl FnMut(&Value) -> Result<Record, No>,
) -> Result<Vec<Value>, No> {
    bodies.iter().map(|body| operation(body).map(|record| record.json())).collect()
}

/// Returns 32 hexadecimal digits, as in the API's identifiers; different for different numbers.
fn identifier(number: u64) -> String {
    format!("{:032x}", u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}
