//! Bytes in and out of topics, from the metrics that brokers show to Prometheus: the Kafka protocol does
//! not tell them. Reads only the lines that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// Where brokers show their metrics.
pub const METRICS_PORT: u16 = 9644;
/// A broker that takes longer is left out.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A line that is longer is none of a broker's.
const LINE_BYTES_MAX: usize = 64 << 10;

const BYTES_IN: &str = "kafka_server_brokertopicmetrics_bytesin_total";
const BYTES_OUT: &str = "kafka_server_brokertopicmetrics_bytesout_total";

/// Bytes of a topic since the brokers started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TopicBytes {
    /// Written by producers.
    pub bytes_in: f64,
    /// Read by consumers.
    pub bytes_out: f64,
}

/// Why a broker's metrics could not be read.
#[derive(Debug, Error)]
pub enum ScrapeError {
    /// The address makes no URL.
    #[error("{0} is no host")]
    Host(String),
    /// Nobody answers.
    #[error("{url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What the attempt met.
        reason: String,
    },
}

/// Reads brokers' metrics. Clones share connections.
#[derive(Debug, Clone)]
pub struct Scraper {
    http: HttpClient<HttpConnector, Empty<Bytes>>,
}

impl Default for Scraper {
    fn default() -> Self {
        Self { http: HttpClient::builder(TokioExecutor::new()).build_http() }
    }
}

impl Scraper {
    /// Bytes of the `wanted` topics, summed over brokers. All brokers or none: a sum that leaves one out would
    /// look like a sudden silence. Pages may be long; what is kept of them is not.
    ///
    /// # Errors
    /// The first broker that could not be read.
    pub async fn topics(
        &self,
        hosts: &[String],
        wanted: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, TopicBytes>, ScrapeError> {
        let mut sums = Sums { wanted, topics: BTreeMap::new() };
        for host in hosts {
            self.read(host, &mut sums).await?;
        }
        Ok(sums.topics)
    }

    async fn read(&self, host: &str, sums: &mut Sums<'_>) -> Result<(), ScrapeError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("http://{host}:{METRICS_PORT}/metrics");
        let address = url.parse().map_err(|_| ScrapeError::Host(host))?;
        let unreachable = |reason: String| ScrapeError::Unreachable { url: url.clone(), reason };
        let read = async {
            let response = self.http.get(address).await.map_err(|error| unreachable(error.to_string()))?;
            let (mut body, mut lines) = (response.into_body(), Lines::default());
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| unreachable(error.to_string()))?;
                let data = frame.data_ref().map_or(&[][..], |data| data);
                lines.take(data, |line| sums.add(line)).map_err(|error| unreachable(error.to_owned()))?;
            }
            sums.add(&String::from_utf8_lossy(&lines.rest));
            Ok(())
        };
        tokio::time::timeout(TIMEOUT, read).await.map_err(|_| unreachable("no answer in time".to_owned()))?
    }
}

/// Lines out of pieces of any length.
#[derive(Debug, Default)]
struct Lines {
    /// What has come of the line that is not whole yet.
    rest: Vec<u8>,
}

impl Lines {
    fn take(&mut self, piece: &[u8], mut each: impl FnMut(&str)) -> Result<(), &'static str> {
        let mut parts = piece.split(|byte| *byte == b'\n');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            self.rest.extend_from_slice(part);
            each(&String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
        self.rest.extend_from_slice(last);
        if self.rest.len() > LINE_BYTES_MAX { Err("a line is too long for metrics") } else { Ok(()) }
    }
}

/// What is kept of pages. The format is Prometheus' text exposition.
#[derive(Debug)]
struct Sums<'a> {
    wanted: &'a BTreeSet<String>,
    topics: BTreeMap<String, TopicBytes>,
}

impl Sums<'_> {
    /// Adds a sample, if the line is one that matters.
    fn add(&mut self, line: &str) {
        let (is_in, rest) = match (line.strip_prefix(BYTES_IN), line.strip_prefix(BYTES_OUT)) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return,
        };
        let Some((labels, value)) = rest.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) else {
            return;
        };
        // A topic's name holds nothing that would be escaped.
        let topic =
            labels.split(',').find_map(|label| label.trim().strip_prefix("topic=\"")?.strip_suffix('"'));
        let value = value.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
        if let (Some(topic), Some(value)) = (topic.filter(|topic| self.wanted.contains(*topic)), value) {
            let bytes = self.topics.entry(topic.to_owned()).or_default();
            *(if is_in { &mut bytes.bytes_in } else { &mut bytes.bytes_out }) += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_several_brokers_are_summed_and_the_rest_of_the_page_is_skipped() {
        let page = "# TYPE kafka_server_brokertopicmetrics_bytesin_total counter\n\
                    kafka_server_brokertopicmetrics_bytesin_total{topic=\"a.b\"} 10\n\
                    kafka_server_brokertopicmetrics_bytesin_total 99\n\
                    kafka_server_brokertopicmetrics_bytesout_total{topic=\"a.b\"} 1.5e3 1700000000\n\
                    kafka_server_brokertopicmetrics_bytesin_total{topic=\"unwatched\"} 7\n\
                    kafka_topic_partitions{topic=\"a.b\"} 3\n";
        let wanted = BTreeSet::from(["a.b".to_owned()]);
        for piece_bytes in [1, 7, 4096] {
            let mut sums = Sums { wanted: &wanted, topics: BTreeMap::new() };
            for _broker in 0..2 {
                let mut lines = Lines::default();
                for piece in page.as_bytes().chunks(piece_bytes) {
                    lines.take(piece, |line| sums.add(line)).unwrap();
                }
            }
            let expected = TopicBytes { bytes_in: 20.0, bytes_out: 3000.0 };
            assert_eq!(sums.topics, BTreeMap::from([("a.b".to_owned(), expected)]), "{piece_bytes}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_waited_for() {
        let mut lines = Lines::default();
        let pieces = (0..1000).map(|_| lines.take(&[b'x'; 1024], |_| ()));
        assert!(pieces.take_while(Result::is_ok).count() <= LINE_BYTES_MAX / 1024);
    }
}
