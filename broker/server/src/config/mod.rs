//! Configuration: property file, `KAFKA_*` environment and command line, parsed once into a
//! [`ServerConfig`], and kept up to date while the broker runs by [`LiveConfig`]. What keys there are
//! stands in `millrace_metadata::config`.

mod environment;
mod explain;
mod inputs;
mod listeners;
mod live;
mod place;
mod properties;
mod server;
mod values;

pub(crate) use explain::{explain, list};
pub(crate) use inputs::Inputs;
pub(crate) use listeners::Listener;
pub(crate) use live::LiveConfig;
pub(crate) use place::Notice;
pub(crate) use server::{GroupsConfig, LimitsConfig, ServerConfig, SocketConfig};
