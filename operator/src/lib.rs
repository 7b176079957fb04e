//! Runs Millrace clusters, topics and watched groups on Kubernetes; and brings topics and groups to their
//! manifests without it. Talks to brokers through the client alone, and never looks inside of them.

pub mod api;
pub mod broker_cluster;
pub mod check;
pub mod commands;
pub mod conditions;
pub mod consumer_group;
pub mod context;
pub mod controllers;
pub mod directory;
pub mod http;
pub mod kafka;
pub mod leader;
pub mod links;
pub mod local;
pub mod manifests;
pub mod membership;
pub mod metrics;
pub mod names;
pub mod pass;
pub mod problem;
pub mod pulse;
pub mod refusals;
pub mod topic;
pub mod triggers;
pub mod turns;
pub mod unreadable;
pub mod watched;
