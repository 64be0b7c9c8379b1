//! The integration tests, one target.

mod serve;
mod state_file;
mod status_board;
mod status_metrics;
mod status_page;
mod status_scene;
mod status_service;
mod status_systemd;
