//! `#[derive(Message)]`: a message declaration becomes its codec.
//!
//! ```ignore
//! #[derive(Debug, Clone, PartialEq, Message)]
//! #[message(api_key = ApiKey::Metadata, versions = "0-13", flexible = "9+", response = MetadataResponse)]
//! pub struct MetadataRequest {
//!     #[field(versions = "0+", nullable = "1+")]
//!     pub topics: Option<Vec<MetadataRequestTopic>>,
//!     #[field(versions = "4+", default = true, ignorable)]
//!     pub allow_auto_topic_creation: bool,
//! }
//! ```
//!
//! On the structure (only the outermost of a message has one):
//! - `versions`: the versions that can be read and written;
//! - `flexible`: versions with compact lengths and tagged fields; absent means none;
//! - `api_key` and `response`: it is a request, with this type as its answer;
//! - `record_type`: it is a record of a log, with this number in front.
//!
//! On a field:
//! - `versions`: where it exists; absent means everywhere;
//! - `nullable`: where an `Option` may be null;
//! - `tag`, `tagged`: its tag, and the versions in which it travels as a tagged field;
//! - `default`: its value when absent, if that is not zero, empty or null;
//! - `ignorable`: dropped silently in a version without it, where others would be refused;
//! - `inflexible`: keeps its classic length in flexible versions.
//!
//! The macro never looks at other types: everything it knows stands in the declaration.

mod expand;
mod parse;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `Value`, `Default` and, for the outermost structure, `Message` and `Request` or
/// `LogRecord`. See the crate's documentation for the attributes.
#[proc_macro_derive(Message, attributes(message, field))]
pub fn derive_message(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    parse::Declaration::parse(&input)
        .map(|declaration| expand::expand(&declaration))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
