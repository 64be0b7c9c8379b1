//! The integration tests, one target.

mod cluster_listener;
mod cluster_membership;
mod cluster_net;
mod cluster_sender;
mod serve;
