//! Which names a topic may have (Kafka's `Topic.validate`).

use millrace_protocol::ErrorCode;

use super::ApiError;

/// The longest name in bytes; a directory name adds a dash and a partition number to it.
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Refuse a name that cannot be a directory's, or that other tools would misread.
///
/// # Errors
/// INVALID_TOPIC_EXCEPTION with Kafka's reason.
pub fn validate_topic_name(name: &str) -> Result<(), ApiError> {
    let invalid = |reason: String| {
        let message = format!("Topic name is invalid: {reason}");
        Err(ApiError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message))
    };
    // Java counts UTF-16 units, and so does the text.
    let length = name.encode_utf16().count();
    if name.is_empty() {
        invalid("the empty string is not allowed".to_owned())
    } else if name == "." {
        invalid("'.' is not allowed".to_owned())
    } else if name == ".." {
        invalid("'..' is not allowed".to_owned())
    } else if length > TOPIC_NAME_LENGTH_MAX {
        invalid(format!(
            "the length of '{name}' is longer than the max allowed length {TOPIC_NAME_LENGTH_MAX}"
        ))
    } else if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        invalid(format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ))
    } else {
        Ok(())
    }
}
