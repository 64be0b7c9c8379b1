//! The integration tests, one target.

mod lab;
