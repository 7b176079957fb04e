//! Log lines as the tools of a Kafka distribution write them to standard error
//! (`config/tools-log4j2.yaml`: pattern `[%d] %p %m (%c)%n`, level WARN). Never decides what is logged.

use super::datetime::log_time;
use crate::io::Io;

/// `LOG.error(message)` of the logger `logger`.
pub(crate) fn error(io: &mut Io, logger: &str, message: &str) {
    write(io, "ERROR", logger, message);
}

/// `LOG.warn(message)` of the logger `logger`.
pub(crate) fn warn(io: &mut Io, logger: &str, message: &str) {
    write(io, "WARN", logger, message);
}

fn write(io: &mut Io, level: &str, logger: &str, message: &str) {
    io.error_line(format!("[{}] {level} {message} ({logger})", log_time()));
}
