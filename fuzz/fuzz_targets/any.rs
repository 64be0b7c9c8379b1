//! The fuzzer: the entry named by `GOAVAIL_FUZZ` reads the bytes that libFuzzer makes.
#![no_main]

use std::sync::LazyLock;

use goavail::testing::fuzz::ENTRIES;
use libfuzzer_sys::fuzz_target;

/// The function of the entry.
static READ: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("GOAVAIL_FUZZ").unwrap_or_default();
    let entry = ENTRIES.iter().find(|entry| entry.0 == name);
    let names = ENTRIES.map(|entry| entry.0);
    entry.unwrap_or_else(|| panic!("GOAVAIL_FUZZ is one of {names:?}")).1
});

fuzz_target!(|bytes: &[u8]| READ(bytes));
