//! The declarations against the fields of Kafka's own classes: names, order and types. Bytes alone
//! would not show two neighbours of one type that changed places.

use std::collections::HashMap;
use std::path::Path;

use crate::catalogue::messages;

const KAFKA: &str = include_str!("../golden/fields-4.1.1.txt");

/// Fields that exist only in versions that Kafka 4.1 does not call stable.
const UNSTABLE: [(&str, &str); 8] = [
    ("OffsetCommitRequestTopic", "topic_id"),
    ("OffsetCommitResponseTopic", "topic_id"),
    ("OffsetFetchRequestTopics", "topic_id"),
    ("OffsetFetchResponseTopics", "topic_id"),
    ("InitProducerIdRequest", "enable2_pc"),
    ("InitProducerIdRequest", "keep_prepared_txn"),
    ("InitProducerIdResponse", "ongoing_txn_producer_id"),
    ("InitProducerIdResponse", "ongoing_txn_producer_epoch"),
];

/// Name and type of each field of a structure, in order.
type Fields = Vec<(String, String)>;

/// Structures declared in one file, by name, and which of them are messages.
#[derive(Default)]
struct Declarations {
    structures: HashMap<String, Fields>,
    messages: Vec<String>,
}

/// Kafka's structures by message and name.
fn kafka() -> HashMap<(&'static str, &'static str), Fields> {
    let structure = |line: &'static str| {
        let mut words = line.split(' ');
        let (message, name) = (words.next().expect("a message"), words.next().expect("a structure"));
        let field = |word: &str| {
            let (name, kind) = word.split_once(':').expect("a name and a type");
            (snake_case(name), kind.to_owned())
        };
        let is_stable = |(field, _): &(String, String)| !UNSTABLE.contains(&(name, field.as_str()));
        ((message, name), words.map(field).filter(is_stable).collect())
    };
    KAFKA.lines().map(structure).collect()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Declarations are plain enough to be read by lines: `pub struct Name {`, then `pub field: Type,`.
fn declarations(source: &str) -> Declarations {
    let mut declarations = Declarations::default();
    let (mut is_message, mut current) = (false, String::new());
    for line in source.lines() {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            current = rest.split([' ', '{']).next().expect("a name").to_owned();
            declarations.structures.insert(current.clone(), Fields::new());
            if is_message {
                declarations.messages.push(current.clone());
            }
            is_message = false;
        } else if let Some((name, kind)) =
            line.strip_prefix("    pub ").and_then(|rest| rest.split_once(": "))
        {
            let fields = declarations.structures.get_mut(&current).expect("inside a structure");
            fields.push((name.to_owned(), kind.trim_end_matches(',').to_owned()));
        }
        is_message |= line.starts_with("#[message(");
    }
    declarations
}

/// Whether a field of this type can hold what Kafka's holds; names of structures are compared by
/// what is in them.
fn is_same_type(ours: &str, theirs: &str) -> bool {
    let ours = ours.strip_prefix("Option<").map_or(ours, |inner| inner.trim_end_matches('>'));
    match theirs {
        "byte" | "Byte" => ours == "i8",
        "short" | "Short" => ours == "i16" || ours == "ErrorCode",
        "int" | "Integer" => ours == "i32" || ours == "u16",
        "long" | "Long" => ours == "i64" || ours == "u32",
        "double" => ours == "f64",
        "boolean" => ours == "bool",
        "String" | "Uuid" => ours == theirs,
        "byte[]" | "ByteBuffer" => ours == "Bytes",
        "BaseRecords" => ours == "Bytes" || ours == "RecordSet",
        _ => false,
    }
}

/// Compares a structure of `message` with Kafka's, and those inside it.
fn compare(ours: &Declarations, message: &str, (our_name, their_name): (&str, &str)) {
    let kafka = kafka();
    let fields = &ours.structures[our_name];
    let theirs = kafka
        .get(&(message, their_name))
        .unwrap_or_else(|| panic!("Kafka's {message} has no {their_name}, which {our_name} stands for"));
    let names = |fields: &Fields| fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(fields), names(theirs), "{message}: {our_name}");
    for ((name, kind), (_, their_kind)) in fields.iter().zip(theirs) {
        let bare = kind.trim_start_matches("Option<");
        let (element, their_element) = match (bare.strip_prefix("Vec<"), their_kind.strip_prefix("[]")) {
            (Some(element), Some(theirs)) => (element.trim_end_matches('>'), theirs),
            (None, None) => (bare.trim_end_matches('>'), their_kind.as_str()),
            _ => panic!("{message}: {our_name}.{name} is {kind} here and {their_kind} there"),
        };
        if ours.structures.contains_key(element) {
            compare(ours, message, (element, their_element));
        } else {
            assert!(
                is_same_type(element, their_element),
                "{message}: {our_name}.{name} is {kind} here and {their_kind} there"
            );
        }
    }
}

fn sources() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let messages = root.join("messages").read_dir().expect("the declarations");
    let paths = messages.map(|entry| entry.expect("a file").path()).chain([root.join("header.rs")]);
    paths.map(|path| std::fs::read_to_string(path).expect("a source")).collect()
}

#[test]
fn declarations_have_the_fields_of_kafkas_classes() {
    for source in sources() {
        let declarations = declarations(&source);
        for message in &declarations.messages {
            compare(&declarations, message, (message, message));
        }
    }
}

#[test]
fn the_catalogue_has_every_declared_message() {
    let mut declared: Vec<_> = sources().iter().flat_map(|source| declarations(source).messages).collect();
    let mut known: Vec<_> = messages().into_iter().map(|known| known.name.to_owned()).collect();
    declared.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, declared);
}
