//! Bytes in and out of topics, from the metrics that brokers show to Prometheus: the Kafka protocol does
//! not tell them. Reads only the lines that it needs.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;

/// Where brokers show their metrics.
pub const METRICS_PORT: u16 = 9644;
/// A broker that takes longer is left out.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A page that is longer is not read: 100,000 partitions fit.
const PAGE_BYTES_MAX: usize = 256 << 20;

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
    /// Bytes by topic, summed over brokers. All brokers or none: a sum that leaves one out would look like
    /// a sudden silence.
    ///
    /// # Errors
    /// The first broker that could not be read.
    pub async fn topics(&self, hosts: &[String]) -> Result<BTreeMap<String, TopicBytes>, ScrapeError> {
        let mut topics = BTreeMap::new();
        for host in hosts {
            let page = self.page(host).await?;
            add(&mut topics, &String::from_utf8_lossy(&page));
        }
        Ok(topics)
    }

    async fn page(&self, host: &str) -> Result<Bytes, ScrapeError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let url = format!("http://{host}:{METRICS_PORT}/metrics");
        let address = url.parse().map_err(|_| ScrapeError::Host(host))?;
        let unreachable = |reason: String| ScrapeError::Unreachable { url: url.clone(), reason };
        let read = async {
            let response = self.http.get(address).await.map_err(|error| unreachable(error.to_string()))?;
            let body = Limited::new(response.into_body(), PAGE_BYTES_MAX).collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| unreachable(error.to_string()))
        };
        tokio::time::timeout(TIMEOUT, read).await.map_err(|_| unreachable("no answer in time".to_owned()))?
    }
}

/// Adds the samples of one page. The format is Prometheus' text exposition.
fn add(topics: &mut BTreeMap<String, TopicBytes>, page: &str) {
    for line in page.lines() {
        let (is_in, rest) = match (line.strip_prefix(BYTES_IN), line.strip_prefix(BYTES_OUT)) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let Some((labels, value)) = rest.strip_prefix('{').and_then(|rest| rest.rsplit_once('}')) else {
            continue;
        };
        // A topic's name holds nothing that would be escaped.
        let topic =
            labels.split(',').find_map(|label| label.trim().strip_prefix("topic=\"")?.strip_suffix('"'));
        let value = value.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
        if let (Some(topic), Some(value)) = (topic, value) {
            let bytes = topics.entry(topic.to_owned()).or_default();
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
                    kafka_topic_partitions{topic=\"a.b\"} 3\n";
        let mut topics = BTreeMap::new();
        add(&mut topics, page);
        add(&mut topics, page);
        let expected = TopicBytes { bytes_in: 20.0, bytes_out: 3000.0 };
        assert_eq!(topics, BTreeMap::from([("a.b".to_owned(), expected)]));
    }
}
