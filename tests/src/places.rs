//! Where things lie: the repository, the binary under test, Kafka's jars.

use std::env;
use std::path::{Path, PathBuf};

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository").to_owned()
}

/// The binary under test: `MILLRACE_BIN` (a relative one is the repository's), or what was built last.
///
/// # Panics
/// When there is none: a test that cannot run must not pass.
#[must_use]
pub fn millrace() -> PathBuf {
    if let Some(path) = env::var_os("MILLRACE_BIN") {
        return repository().join(path);
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
    let built = ["debug", "release"].map(|profile| target.join(profile).join("millrace"));
    let age = |path: &PathBuf| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let newest = built.into_iter().filter(|path| path.exists()).max_by_key(age);
    newest.expect("no broker to test: run `cargo build` first, or set MILLRACE_BIN")
}

/// Where `tests/setup` puts what it installs.
#[must_use]
pub fn cache() -> PathBuf {
    env::var_os("MILLRACE_TESTS_CACHE")
        .map_or_else(|| repository().join("target").join("tests-cache"), PathBuf::from)
}

/// The directory with Kafka's jars, if `tests/setup` has put them there.
///
/// # Panics
/// When `CI` is set and they are not there: CI leaves nothing out.
#[must_use]
pub fn kafka_libs() -> Option<PathBuf> {
    let directory =
        env::var_os("MILLRACE_KAFKA_LIBS").map_or_else(|| cache().join("kafka-libs"), PathBuf::from);
    let there = directory.join("kafka_2.13-4.1.1.jar").exists();
    assert!(
        there || env::var_os("CI").is_none(),
        "CI is set and Kafka's jars are not in {}",
        directory.display()
    );
    there.then_some(directory)
}

/// Notes that a part of a test cannot run on this machine, and why. `tests/bin/test-all` repeats it at its end.
pub fn left_out(part: &str, reason: &str) {
    let directory = repository().join("target/tests-output/left-out");
    let noted =
        std::fs::create_dir_all(&directory).and_then(|()| std::fs::write(directory.join(part), reason));
    eprintln!("left out: {part}: {reason}{}", if noted.is_ok() { "" } else { " (could not be noted)" });
}
