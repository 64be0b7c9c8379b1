//! Zones: `[zone.NAME]` with the keys of a provider.

use crate::config::document::{Document, Table};
use crate::config::field::{Field, FieldReader};
use crate::config::keys::{GroupKind, Key, Section, TableForm, TableGroup};
use crate::config::problem::{Report, Spot};
use crate::config::section::SectionContext;
use crate::dns::confirm::section::ConfirmKeys;
use crate::dns::providers::ProviderKind;
use crate::dns::providers::section::{BuiltProvider, DOMAIN, ProviderSection};

/// The name of the group, and of the key of a service.
pub(super) const GROUP: &str = "zone";

/// The section under which the keys of a zone without a known provider are kept.
const HOME: Section = Section::new(GROUP);

/// A zone in the file, each of its values validated alone.
pub(super) struct ParsedZone {
    /// The name in the header.
    pub(super) name: String,
    /// The place of the header.
    pub(super) spot: Spot,
    provider: Field<&'static str>,
    /// The words for a zone without a provider.
    missing: Option<String>,
    section: Option<Box<dyn ProviderSection>>,
    confirm: ConfirmKeys,
    document: Document,
}

/// Returns the tables of zones, with the keys of these providers.
pub(super) fn group(providers: &[ProviderKind]) -> TableGroup {
    const KEYS: &[Key] = &[
        Key::new("provider"),
        Key::new(DOMAIN),
        ConfirmKeys::KEYS[0],
        ConfirmKeys::KEYS[1],
        ConfirmKeys::KEYS[2],
    ];
    let mut kinds = Vec::new();
    for provider in providers {
        let (kind, home, keys) = (provider.kind, provider.section, provider.table_keys);
        kinds.push(GroupKind { kind, home, keys });
    }
    TableGroup {
        name: GROUP,
        form: TableForm::Named,
        home: HOME,
        keys: KEYS,
        selector: "provider",
        value_keys: None,
        kinds,
    }
}

impl ParsedZone {
    /// Takes the values out of a table.
    pub(super) fn parse(table: Table, providers: &[ProviderKind], report: &mut Report) -> Self {
        let Table { name, spot, home, document, .. } = table;
        let kinds: Vec<&'static str> = providers.iter().map(|provider| provider.kind).collect();
        let mut values = FieldReader { document, report };
        let provider = values.one(home, "provider", |value| {
            let word = crate::config::value::as_text(value);
            let known = kinds.iter().find(|kind| Some(**kind) == word);
            known.copied().ok_or_else(|| format!("a DNS provider: {}", kinds.join(", ")))
        });
        let confirm = ConfirmKeys::parse(home, &mut values);
        let known = providers.iter().find(|provider| provider.section == home);
        let section = known.map(|known| (known.parse_table)(&mut values));
        let absent = provider.is_absent();
        let missing = absent.then(|| format!("missing; a DNS provider: {}", kinds.join(", ")));
        Self {
            name: name.unwrap_or_default(),
            spot,
            provider,
            missing,
            section,
            confirm,
            document: values.document,
        }
    }

    /// Builds the settings; `None` if the provider is not known, which was reported.
    pub(super) fn build(&self, context: &mut SectionContext<'_>) -> Option<BuiltProvider> {
        if let Some(what) = &self.missing {
            let spot = self.document.missing(HOME, "provider");
            context.report.refuse(&spot, what.clone());
        }
        let section = self.section.as_ref().filter(|_| self.provider.value().is_some())?;
        let mut inner = context.of_table(&self.document);
        let confirm = self.confirm.build(&mut inner);
        Some(BuiltProvider { confirm, ..section.finish(&mut inner) })
    }
}
