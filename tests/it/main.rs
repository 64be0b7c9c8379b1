//! The integration tests, one target.

mod serve;
