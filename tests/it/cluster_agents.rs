//! Clusters of whole agents.

#![expect(clippy::unwrap_used, reason = "what fails here fails its test")]

mod agreeing;
mod cuts;
mod deaths;
mod go_agents;
mod life;
mod post;
mod provider;
mod reloads;
pub(crate) mod scene;
mod strangers;
