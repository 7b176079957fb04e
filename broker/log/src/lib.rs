//! The durable log of one partition.
