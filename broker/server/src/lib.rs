//! Kafka-compatible broker.
