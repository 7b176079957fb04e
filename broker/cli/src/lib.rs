//! The millrace command line and the Kafka tool names.
