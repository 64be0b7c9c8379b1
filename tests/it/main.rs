//! The integration tests, one target.

mod agent;
mod check;
mod cluster_listener;
mod cluster_membership;
mod cluster_net;
mod cluster_sender;
mod config;
mod contract;
mod doors;
mod fake_cloudflare;
mod lab;
mod moto;
mod notices_agent;
mod notify;
mod proxy;
mod route53;
mod route53_agent;
mod serve;
mod state_file;
mod status_board;
mod status_metrics;
mod status_page;
mod status_scene;
mod status_service;
mod status_systemd;
mod tcp_agent;
