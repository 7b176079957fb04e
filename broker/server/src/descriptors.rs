//! How many files and sockets this process may have open. Each connection and each file in use takes
//! one, and what a shell allows by default is little.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, warn};

use millrace_http::CONNECTIONS_MAX;

/// For listeners, the metadata log, directories, what libraries open.
const RESERVE: usize = 64;
const LOG_FILES_MIN: usize = 32;
const CLIENTS_MIN: usize = 16;
/// Where the system names no limit, this is enough for anything.
const UNLIMITED: u64 = 1 << 20;

/// Below this a busy broker runs out.
const ENOUGH: usize = 4096;

/// Raises the limit to the highest that the system allows without asking anybody. Returns what it is.
pub(crate) fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        debug!("the limit of open files stays as it is: {error}");
    }
    let allowed =
        usize::try_from(getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED)).unwrap_or(usize::MAX);
    if allowed < ENOUGH {
        warn!(
            "the system allows {allowed} open files, connections included; `ulimit -n` or LimitNOFILE raise that"
        );
    }
    allowed
}

/// Who may have how many descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Files that logs hold open.
    pub(crate) log_files: usize,
    /// Connections of clients.
    pub(crate) connections: usize,
}

/// Shares out `allowed` descriptors, so that clients cannot take those that logs and pages need.
pub(crate) fn share(allowed: usize, log_files: Option<usize>) -> Shares {
    let log_files = log_files.unwrap_or((allowed / 4).max(LOG_FILES_MIN));
    let taken = log_files.saturating_add(CONNECTIONS_MAX).saturating_add(RESERVE);
    Shares { log_files, connections: allowed.saturating_sub(taken).max(CLIENTS_MIN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_something_for_logs_and_pages() {
        assert_eq!(share(20_000, None), Shares { log_files: 5_000, connections: 14_872 });
        assert_eq!(share(1_024, Some(500)), Shares { log_files: 500, connections: 396 });
        let Shares { log_files, connections } = share(300, None);
        assert!(log_files + connections + CONNECTIONS_MAX + RESERVE <= 300);
    }
}
