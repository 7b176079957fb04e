//! Results of a run, as tables and JSON.

use std::time::Duration;

use serde::Serialize;

use super::histogram::Histogram;
use crate::people::screen::Screen;
use crate::people::table::{Cell, Column, Table, Tone};
use crate::people::units;

/// A generator further behind than this measured itself.
const LATE_MS: f64 = 100.0;
/// Ticks of the kernel's accounting in a second (`USER_HZ`, fixed for what `/proc` shows).
const TICKS_PER_SECOND: f64 = 100.0;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Latencies {
    pub(super) count: u64,
    pub(super) mean_ms: f64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

impl Latencies {
    pub(super) fn of(histogram: &Histogram) -> Self {
        let quantile = |share| ms(histogram.quantile(share));
        Self {
            count: histogram.count(),
            mean_ms: ms(histogram.mean()),
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: ms(histogram.max()),
        }
    }
}

/// What was moved, and how fast.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Throughput {
    pub(super) records: u64,
    /// Bytes of keys and values.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) records_per_second: f64,
    pub(super) mib_per_second: f64,
    /// Batches that the records travelled in.
    pub(super) batches: u64,
    pub(super) records_per_batch: f64,
}

impl Throughput {
    pub(super) fn new(records: u64, bytes: u64, batches: u64, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
        Self {
            records,
            bytes,
            seconds,
            records_per_second: per_second(records as f64),
            mib_per_second: per_second(bytes as f64 / f64::from(1 << 20)),
            batches,
            records_per_batch: if batches > 0 { records as f64 / batches as f64 } else { 0.0 },
        }
    }
}

/// How the generator itself did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Generator {
    /// Records in a second that were asked for.
    pub(super) rate: Option<f64>,
    /// How far behind its schedule it was at worst.
    pub(super) late_max_ms: f64,
    /// User and system time of this process since its start.
    pub(super) cpu_seconds: Option<f64>,
}

impl Generator {
    pub(super) fn new(rate: Option<f64>, late_max: Duration) -> Self {
        Self { rate, late_max_ms: ms(late_max), cpu_seconds: cpu_seconds() }
    }

    /// Says so when the figures are those of the generator rather than the broker's.
    pub(super) fn warn_if_late(&self, screen: &mut Screen<'_>) {
        if self.rate.is_some() && self.late_max_ms > LATE_MS {
            screen.warn(format!(
                "the load was up to {} behind its schedule; latencies count from when records were due",
                units::stretch(self.late_max_ms as i64)
            ));
        }
    }
}

/// What was moved, in one row.
pub(super) fn throughput_table(verb: &str, throughput: &Throughput, failed: Option<u64>) -> Table {
    let mut columns = vec![Column::Left(""), Column::Right("RECORDS")];
    if failed.is_some() {
        columns.push(Column::Right("FAILED"));
    }
    columns.extend(["TIME", "RECORDS/S", "MIB/S", "BATCHES", "RECORDS/BATCH"].map(Column::Right));
    let mut table = Table::new(columns);
    let mut cells = vec![Cell::name(verb), units::grouped(throughput.records).into()];
    cells.extend(failed.map(|failed| Cell::ought_to_be_zero(failed, Tone::Bad)));
    cells.extend([
        format!("{:.2} s", throughput.seconds).into(),
        units::grouped(throughput.records_per_second.round() as u64).into(),
        format!("{:.2}", throughput.mib_per_second).into(),
        units::grouped(throughput.batches).into(),
        Cell::from(format!("{:.1}", throughput.records_per_batch)),
    ]);
    table.row(cells);
    table
}

/// Latencies, in a row each.
pub(super) fn latency_table(rows: &[(&str, &Latencies)]) -> Table {
    let mut columns = vec![Column::Left("LATENCY")];
    columns.extend(["MEAN", "P50", "P90", "P99", "P99.9", "MAX"].map(Column::Right));
    let mut table = Table::new(columns);
    for (name, one) in rows {
        let mut cells = vec![Cell::name(name)];
        let values = [one.mean_ms, one.p50_ms, one.p90_ms, one.p99_ms, one.p999_ms, one.max_ms];
        cells.extend(values.map(|value| Cell::from(latency(value))));
        table.row(cells);
    }
    table
}

fn latency(ms: f64) -> String {
    match ms {
        _ if ms < 1.0 => format!("{:.0} us", ms * 1000.0),
        _ if ms < 100.0 => format!("{ms:.2} ms"),
        _ if ms < 10_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1000.0),
    }
}

pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Fields 14 and 15 of `/proc/self/stat`; `None` where there is no such thing.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in field 2 may hold blanks and brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn results_are_tables() {
        let throughput = Throughput::new(1_250_000, 125_000_000, 8000, Duration::from_millis(2500));
        expect![[r#"
                        RECORDS  FAILED    TIME  RECORDS/S  MIB/S  BATCHES  RECORDS/BATCH
            produced  1,250,000       0  2.50 s    500,000  47.68    8,000          156.2
        "#]]
        .assert_eq(&throughput_table("produced", &throughput, Some(0)).render(false));
        let latencies = Latencies {
            count: 9,
            mean_ms: 0.85,
            p50_ms: 0.4321,
            p90_ms: 1.5,
            p99_ms: 25.125,
            p999_ms: 250.0,
            max_ms: 12_345.0,
        };
        expect![[r#"
            LATENCY         MEAN     P50      P90       P99   P99.9     MAX
            acknowledged  850 us  432 us  1.50 ms  25.12 ms  250 ms  12.3 s
        "#]]
        .assert_eq(&latency_table(&[("acknowledged", &latencies)]).render(false));
    }

    #[test]
    fn nothing_moved_is_no_division_by_zero() {
        let nothing = Throughput::new(0, 0, 0, Duration::ZERO);
        assert_eq!((nothing.records_per_second, nothing.records_per_batch), (0.0, 0.0));
        assert_eq!(Latencies::of(&Histogram::new()).max_ms, 0.0);
    }

    #[test]
    fn this_process_has_used_some_time() {
        if cfg!(target_os = "linux") {
            assert!(cpu_seconds().is_some_and(|seconds| seconds >= 0.0));
        }
    }
}
