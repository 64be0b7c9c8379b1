//! The integration tests, one target.

mod contract;
