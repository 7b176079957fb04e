//! How many files and sockets this process may have open. Each connection and each file in use takes
//! one, and what a shell allows by default is little.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Where the system names no limit, this is enough for anything.
const UNLIMITED: u64 = 1 << 20;

/// Raises the limit to the highest that the system allows without asking anybody. Returns what it is.
pub(crate) fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        debug!("the limit of open files stays as it is: {error}");
    }
    usize::try_from(getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED)).unwrap_or(usize::MAX)
}
