//! One zone and the rules for its records.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Value, json};

/// One record.
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
}

impl Record {
    /// As the API shows it.
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "type": self.kind,
            "content": self.content,
            "proxiable": matches!(self.kind.as_str(), "A" | "AAAA" | "CNAME"),
            "proxied": self.proxied,
            "ttl": self.ttl,
            "settings": {},
            "meta": {},
            "comment": self.comment,
            "tags": self.tags,
            "created_on": "2026-01-01T05:20:00.12345Z",
            "modified_on": "2026-01-01T05:20:00.12345Z",
        })
    }

    fn is(&self, kind: &str, name: &str, content: &str) -> bool {
        self.kind == kind && self.name == name && self.content == content
    }
}

/// Why the API says no: HTTP status, code, message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct No(pub(super) u16, pub(super) i64, pub(super) &'static str);

const GONE: No = No(404, 81_044, "Record does not exist.");
const IDENTICAL: No = No(400, 81_058, "An identical record already exists.");

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `active`, `pending`, `moved` ...
    pub(crate) status: String,
    pub(crate) records: Vec<Record>,
    /// The most records that the account may have here.
    pub(crate) quota: usize,
    next: u64,
}

impl Zone {
    /// An empty, active zone; the number tells zones apart, also those of one name.
    pub(crate) fn new(number: u64, name: &str) -> Self {
        let id = identifier(1 << 40 | number);
        let (name, status) = (name.to_owned(), "active".to_owned());
        Self { id, name, status, records: Vec::new(), quota: 100_000, next: number << 20 }
    }

    /// Puts a record in by other means, with a TTL of 120 s; no rule is asked, so that is how
    /// duplicates get in. Returns it for further changes.
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
        });
        self.records.last_mut().unwrap()
    }

    /// The contents of all records of one type at one name, sorted.
    pub(crate) fn contents(&self, kind: &str, name: &str) -> Vec<String> {
        let mine = self.records.iter().filter(|record| record.kind == kind && record.name == name);
        let mut contents: Vec<_> = mine.map(|record| record.content.clone()).collect();
        contents.sort();
        contents
    }

    /// Creates the record that `body` describes.
    pub(super) fn create(&mut self, body: &Value) -> Result<Record, No> {
        let draft = self.draft(body)?;
        self.admit(&draft)?;
        if self.records.len() >= self.quota {
            return Err(No(400, 81_045, "Record quota exceeded."));
        }
        self.next += 1;
        let record = Record { id: identifier(self.next), ..draft };
        self.records.push(record.clone());
        Ok(record)
    }

    /// Deletes the record.
    pub(super) fn delete(&mut self, id: &str) -> Result<Record, No> {
        let position = self.records.iter().position(|record| record.id == id).ok_or(GONE)?;
        Ok(self.records.remove(position))
    }

    /// Changes those settings of a record that `body` names.
    fn change(&mut self, body: &Value) -> Result<Record, No> {
        let id = body["id"].as_str().unwrap_or_default();
        let position = self.records.iter().position(|record| record.id == id).ok_or(GONE)?;
        let mut merged = self.records[position].json();
        for (key, value) in body.as_object().into_iter().flatten() {
            merged[key] = value.clone();
        }
        let record = Record { id: id.to_owned(), ..self.draft(&merged)? };
        self.records[position] = record.clone();
        Ok(record)
    }

    /// All operations of a batch in their order, or none of them.
    pub(super) fn batch(&mut self, body: &Value, largest: usize) -> Result<Value, No> {
        let part = |key: &str| body[key].as_array().cloned().unwrap_or_default();
        let parts = ["deletes", "patches", "puts", "posts"].map(part);
        let operations: usize = parts.iter().map(Vec::len).sum();
        if operations == 0 || operations > largest {
            return Err(No(400, 9207, "The number of changes in this batch is not allowed."));
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

    /// What `body` describes, if it is a record that may be.
    fn draft(&self, body: &Value) -> Result<Record, No> {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (kind, content) = (text("type"), text("content"));
        let content = match kind.as_str() {
            "A" => content.parse::<Ipv4Addr>().map(|ip| ip.to_string()).ok(),
            "AAAA" => content.parse::<Ipv6Addr>().map(|ip| ip.to_string()).ok(),
            _ => Some(content),
        };
        let content = content.ok_or(No(400, 9005, "Content must be a valid address."))?;
        let proxied = body["proxied"].as_bool().unwrap_or(false);
        let ttl = match body["ttl"].as_u64().unwrap_or(1) {
            _ if proxied => 1,
            ttl @ (1 | 60..=86_400) => u32::try_from(ttl).unwrap(),
            _ => return Err(No(400, 9021, "Invalid TTL. Must be 1 or between 60 and 86400.")),
        };
        let tags = body["tags"].as_array().into_iter().flatten();
        let tags = tags.filter_map(Value::as_str).map(str::to_owned).collect();
        let comment = body["comment"].as_str().map(str::to_owned);
        let name = self.absolute(&text("name"));
        Ok(Record { id: String::new(), kind, name, content, ttl, proxied, comment, tags })
    }

    /// A name outside the zone is taken for one relative to it, as the API does.
    fn absolute(&self, name: &str) -> String {
        let name = name.trim_end_matches('.').to_lowercase();
        let inside = name == self.name || name.ends_with(&format!(".{}", self.name));
        if inside { name } else { format!("{name}.{}", self.name) }
    }

    /// Whether `draft` can stand beside the records that are there.
    fn admit(&self, draft: &Record) -> Result<(), No> {
        if self.records.iter().any(|r| r.is(&draft.kind, &draft.name, &draft.content)) {
            return Err(IDENTICAL);
        }
        let beside =
            |kind: &str| self.records.iter().any(|r| r.name == draft.name && r.kind == kind);
        if draft.kind == "CNAME" && (beside("A") || beside("AAAA") || beside("CNAME")) {
            return Err(No(
                400,
                81_053,
                "An A, AAAA, or CNAME record with that host already exists.",
            ));
        }
        if matches!(draft.kind.as_str(), "A" | "AAAA") && beside("CNAME") {
            return Err(No(400, 81_054, "A CNAME record with that host already exists."));
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

/// 32 hexadecimal digits, as the API's identifiers are; different for different numbers.
fn identifier(number: u64) -> String {
    format!("{:032x}", u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}
