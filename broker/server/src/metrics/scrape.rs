//! One scrape: the counters of the registry, then what the broker's state says now. Reads, and changes
//! nothing; blocks on the disk where the time of a record has to be looked up.

use prometheus::TextEncoder;

use super::exposition::{Exposition, Labels};
use super::{Metrics, groups, partitions};
use crate::clock::now_ms;
use crate::services::Services;

/// Everything there is to show. Without `services` the broker is still starting.
///
/// # Errors
/// A counter that cannot be written: a mistake in this program.
pub(crate) fn scrape(metrics: &Metrics, services: Option<&Services>) -> prometheus::Result<String> {
    let mut text = TextEncoder::new().encode_to_string(&metrics.registry().gather())?;
    let mut state = Exposition::default();
    build_info(&mut state);
    state.single("millrace_ready", "1 while clients are served.", i32::from(metrics.is_ready()));
    if let Some(services) = services {
        broker(&mut state, services);
        let image = services.metadata.load();
        partitions::expose(&mut state, &image, &services.partitions, &services.config.load());
        let summaries = services.groups.snapshot();
        groups::expose(
            &mut state,
            &summaries,
            &services.partitions,
            &metrics.lag_clock,
            &image.cluster_id,
            now_ms(),
        );
    }
    text.push_str(&state.into_text());
    Ok(text)
}

fn build_info(to: &mut Exposition) {
    to.gauge("millrace_build_info", "1, with the version of this program.");
    let version = Labels::new(&[("version", &env!("CARGO_PKG_VERSION"))]);
    to.sample(&version, 1);
    // kafka_exporter's boards find clusters by it.
    to.gauge("kafka_exporter_build_info", "1, with the version of this program.");
    to.sample(&version, 1);
}

/// What this process holds at the moment.
fn broker(to: &mut Exposition, services: &Services) {
    to.single("millrace_connections", "Connections of clients.", services.connections.open());
    to.single(
        "millrace_request_bytes",
        "Bytes of requests, and of large answers to them, in memory.",
        services.budget.in_use_bytes(),
    );
    to.single("millrace_parked_fetches", "Fetches that wait for records.", services.partitions.parked());
    to.single("millrace_fetch_sessions", "Incremental fetch sessions.", services.fetch_sessions.open());
    to.single(
        "millrace_open_files",
        "Files of logs that are open.",
        services.partitions.logs().pool().open_count(),
    );
}
