//! House rules that a machine can check cheaply, and the size of what is shipped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use millrace_tests::places;

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const STRUCTURE_FIELDS_MAX: usize = 12;
const BINARY_BYTES_MAX: u64 = 20 * 1000 * 1000;

/// Every Rust source of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories: Vec<_> =
        ["broker", "crds", "operator", "tests"].iter().map(|name| places::repository().join(name)).collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 100, "found {} files only", found.len());
    found
}

/// Fails with the files for which `complaint` has something to say.
fn check_sources(complaint: impl Fn(&Path, &str) -> Option<String>) {
    let root = places::repository();
    let mut complaints = Vec::new();
    for path in sources() {
        // A file may vanish while somebody works.
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if let Some(complaint) = complaint(&path, &text) {
            complaints.push(format!("{}: {complaint}", path.strip_prefix(&root).unwrap().display()));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn files_hold_one_thing() {
    check_sources(|_, text| {
        let lines = text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{lines} lines; at most {FILE_LINES_MAX}: find the seam"))
    });
}

#[test]
fn files_say_what_they_are() {
    check_sources(|_, text| {
        (!text.starts_with("//!"))
            .then(|| "does not begin with `//!`: what it does, what it must never know".into())
    });
}

/// Blocks that begin with a line for which `begins`, as name and inner lines. Relies on rustfmt: a block ends with a
/// brace as far from the margin as it began.
fn blocks(text: &str, begins: impl Fn(&str) -> bool) -> Vec<(&str, Vec<&str>)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        if !begins(
            code.trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub(super) "),
        ) {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        let inside = lines[at + 1..].iter().take_while(|line| **line != end).copied();
        found.push((
            code.trim_end_matches(" {"),
            if code.ends_with('}') { Vec::new() } else { inside.collect() },
        ));
    }
    found
}

#[test]
fn functions_do_one_thing() {
    let is_function = |code: &str| {
        let qualifiers = ["const ", "async ", "unsafe ", "extern \"C\" "];
        let bare = qualifiers.iter().fold(code, |code, qualifier| code.trim_start_matches(qualifier));
        bare.starts_with("fn ") && !code.ends_with(';')
    };
    check_sources(|path, text| {
        // A test may be a long table.
        if path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs") {
            return None;
        }
        let functions = blocks(text, is_function);
        let (name, lines) = functions.into_iter().find(|(_, lines)| lines.len() + 2 > FUNCTION_LINES_MAX)?;
        Some(format!("`{name}` has {} lines; at most {FUNCTION_LINES_MAX}", lines.len() + 2))
    });
}

#[test]
fn structures_hold_one_thing() {
    check_sources(|path, text| {
        // Messages and resources have the fields that others gave them.
        if path.components().any(|part| part.as_os_str() == "messages" || part.as_os_str() == "crds") {
            return None;
        }
        let is_field = |line: &&str| {
            let code = line.trim_start();
            line.len() - code.len() <= 8
                && code.ends_with(',')
                && code.contains(": ")
                && !code.starts_with("//")
        };
        let structures = blocks(text, |code| code.starts_with("struct ") && code.ends_with('{'));
        let fields = |lines: &[&str]| lines.iter().filter(|line| is_field(line)).count();
        let (name, lines) = structures.into_iter().find(|(_, lines)| fields(lines) > STRUCTURE_FIELDS_MAX)?;
        Some(format!("`{name}` has {} fields; at most {STRUCTURE_FIELDS_MAX}", fields(&lines)))
    });
}

#[test]
fn nothing_is_left_to_do() {
    check_sources(|path, text| {
        let markers = ["todo!(", "unimplemented!(", "FIXME", "XXX"];
        let marker = markers.iter().find(|marker| text.contains(**marker))?;
        (!path.ends_with("tests/house.rs")).then(|| format!("has {marker}"))
    });
}

/// Only the release binary is shipped; the one of a debug build is large.
#[test]
fn the_release_binary_is_small_and_stripped() {
    let binary = places::millrace();
    if std::env::var_os("MILLRACE_BIN").is_none() {
        places::left_out("binary-size", "MILLRACE_BIN does not name the release binary, as `make test` does");
        return;
    }
    let bytes = std::fs::read(&binary).unwrap();
    assert!((bytes.len() as u64) < BINARY_BYTES_MAX, "{} has {} bytes", binary.display(), bytes.len());
    let names: Vec<_> = section_names(&bytes);
    assert!(names.iter().any(|name| name == ".text"), "not an ELF file: {names:?}");
    assert!(
        !names.iter().any(|name| name == ".symtab" || name.starts_with(".debug")),
        "not stripped: {names:?}"
    );
}

/// Section names of a 64-bit little-endian ELF file.
fn section_names(bytes: &[u8]) -> Vec<String> {
    assert_eq!(&bytes[..6], b"\x7fELF\x02\x01");
    let number = |at: usize, width: usize| {
        let digits = bytes[at..at + width].iter().rev();
        digits.fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (table, entry_bytes, count, names_at) =
        (number(0x28, 8), number(0x3a, 2), number(0x3c, 2), number(0x3e, 2));
    let names = number(table + names_at * entry_bytes + 0x18, 8);
    (0..count)
        .map(|section| {
            let start = names + number(table + section * entry_bytes, 4);
            let end = start + bytes[start..].iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8_lossy(&bytes[start..end]).into_owned()
        })
        .collect()
}
