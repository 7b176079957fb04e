//! DescribeConfigs, AlterConfigs and IncrementalAlterConfigs: settings of topics and brokers, which
//! the metadata keeps, and levels of this process's loggers, which nothing keeps.

mod alter;
mod describe;
mod loggers;

pub(crate) use alter::{alter, alter_incrementally};
pub(crate) use describe::describe;
