//! Free ports on loopback below the ephemeral range: while a broker restarts, a client that keeps connecting must not
//! be given the broker's port as its own end. Apart from those of `tests/python/harness/ports.py`.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{LazyLock, Mutex};

const PORTS: Range<u16> = 12_000..20_000;
static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port that nobody listens on, never given twice by this process.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    let mut given = GIVEN.lock().unwrap();
    let mut candidates = std::iter::repeat_with(|| fastrand::u16(PORTS)).take(PORTS.len());
    candidates
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok() && given.insert(*port))
        .expect("a free port")
}
