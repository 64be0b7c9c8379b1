//! The integration tests, one target.

mod agent;
mod check;
mod cluster_agents;
mod cluster_listener;
mod cluster_membership;
mod cluster_net;
mod cluster_sender;
mod config;
mod contract;
mod fake_cloudflare;
mod lab;
mod moto;
mod notify;
mod proxy;
mod route53;
mod serve;
mod state_file;
mod status_board;
mod status_metrics;
mod status_page;
mod status_scene;
mod status_service;
mod status_systemd;
