//! The integration tests, one target.
