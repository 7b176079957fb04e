//! Manifests from files, directories and standard input: YAML with any number of documents, JSON, and
//! Lists. Knows nothing of what they describe.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::names::ObjectKey;

/// A file that is larger is no manifest.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Where it is from: a path, and the document's number where there are several.
    pub source: String,
    /// The resource.
    pub value: Value,
}

impl Manifest {
    /// `apiVersion`, or nothing.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `kind`, or nothing.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Namespace and name.
    #[must_use]
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            namespace: self.text("/metadata/namespace").to_owned(),
            name: self.text("/metadata/name").to_owned(),
        }
    }

    fn text(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Reads all manifests of files and directories (`*.yaml`, `*.yml`, `*.json`, not of their directories);
/// `-` is standard input.
///
/// # Errors
/// The first file that cannot be read or is no YAML.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text).context("standard input")?;
            manifests.extend(parse("standard input", &text)?);
        } else if path.is_dir() {
            for file in files_of(path)? {
                manifests.extend(read_file(&file)?);
            }
        } else {
            manifests.extend(read_file(path)?);
        }
    }
    Ok(manifests)
}

fn files_of(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_file() && matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{} holds no *.yaml, *.yml or *.json", directory.display());
    }
    Ok(files)
}

fn read_file(path: &Path) -> anyhow::Result<Vec<Manifest>> {
    let name = path.display().to_string();
    let bytes = std::fs::metadata(path).with_context(|| name.clone())?.len();
    if bytes > FILE_BYTES_MAX {
        bail!("{name} has {bytes} bytes: that is no manifest");
    }
    parse(&name, &std::fs::read_to_string(path).with_context(|| name.clone())?)
}

/// The manifests in a text. Empty documents are none.
///
/// # Errors
/// Where the text is no YAML.
pub fn parse(source: &str, text: &str) -> anyhow::Result<Vec<Manifest>> {
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let value = Value::deserialize(document).with_context(|| source.to_owned())?;
        documents.push(value);
    }
    let several = documents.len() > 1;
    let mut manifests = Vec::new();
    for (number, value) in (1..).zip(documents) {
        let source = if several { format!("{source}#{number}") } else { source.to_owned() };
        flatten(source, value, &mut manifests);
    }
    Ok(manifests)
}

fn flatten(source: String, value: Value, manifests: &mut Vec<Manifest>) {
    let is_list = value.get("kind").and_then(Value::as_str) == Some("List");
    match value {
        Value::Null => {}
        Value::Object(mut object) if is_list => {
            let items =
                object.remove("items").and_then(|items| items.as_array().cloned()).unwrap_or_default();
            for (number, item) in (1..).zip(items) {
                flatten(format!("{source}, item {number}"), item, manifests);
            }
        }
        value => manifests.push(Manifest { source, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_lists_and_empty_documents() {
        let text = "---\n# nothing\n---\nkind: Topic\nmetadata: {name: a}\n---\nkind: List\nitems:\n- kind: Topic\n  metadata: {name: b, namespace: n}\n";
        let found: Vec<(String, String)> = parse("f.yaml", text)
            .unwrap()
            .into_iter()
            .map(|manifest| (manifest.source.clone(), manifest.key().to_string()))
            .collect();
        assert_eq!(found, [("f.yaml#2".into(), "a".into()), ("f.yaml#3, item 1".into(), "n/b".into())]);
        assert!(parse("f.yaml", "a: [").unwrap_err().to_string().contains("f.yaml"));
    }

    #[test]
    fn a_directory_is_read_in_the_order_of_its_names() {
        let directory = tempfile::tempdir().unwrap();
        for (name, kind) in [("b.yml", "B"), ("a.yaml", "A"), ("c.txt", "C")] {
            std::fs::write(directory.path().join(name), format!("kind: {kind}")).unwrap();
        }
        let kinds: Vec<String> = read(&[directory.path().to_owned()])
            .unwrap()
            .iter()
            .map(|manifest| manifest.kind().to_owned())
            .collect();
        assert_eq!(kinds, ["A", "B"]);
    }
}
