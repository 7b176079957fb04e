//! `--print-metrics`: a table of figures (`ToolsUtils.printMetrics`). Java's clients fill it with their JMX
//! metrics; here it has what a tool has counted itself, under the same names.

use crate::io::Io;
use crate::kafka::format::{fixed, left};

/// Prints names, each with its value, in the order of the names.
pub(crate) fn print_metrics(metrics: &[(String, f64)], io: &mut Io) {
    let mut metrics: Vec<&(String, f64)> = metrics.iter().collect();
    metrics.sort_by(|one, other| one.0.cmp(&other.0));
    let width = metrics.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    io.line(format!("\n{}   Value", left("Metric Name", width)));
    for (name, value) in metrics {
        io.line(format!("{} : {}", left(name, width), fixed(*value, 3)));
    }
}
