//! The deserializers of `org.apache.kafka.common.serialization`, as far as their values have a text of
//! their own, and that text (`Object.toString`).

use crate::kafka::throwable::Throwable;

/// How bytes become a value with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deserializer {
    Boolean,
    Bytes,
    Double,
    Float,
    Integer,
    Long,
    Short,
    String,
    Uuid,
}

impl Deserializer {
    /// The deserializer of a class name.
    pub(super) fn new(class: &str) -> Option<Self> {
        let name = class.strip_prefix("org.apache.kafka.common.serialization.")?;
        Some(match name.strip_suffix("Deserializer")? {
            "Boolean" => Self::Boolean,
            "Bytes" => Self::Bytes,
            "Double" => Self::Double,
            "Float" => Self::Float,
            "Integer" => Self::Integer,
            "Long" => Self::Long,
            "Short" => Self::Short,
            "String" => Self::String,
            "UUID" => Self::Uuid,
            _ => return None,
        })
    }

    /// The text of the value.
    ///
    /// # Errors
    /// `SerializationException` when there are too many bytes or too few.
    pub(super) fn text(self, bytes: &[u8]) -> Result<String, Throwable> {
        Ok(match self {
            Self::Boolean => match bytes {
                [0] => "false".to_owned(),
                [1] => "true".to_owned(),
                [other] => {
                    return Err(failure(format!("Unexpected byte received by BooleanDeserializer: {other}")));
                }
                _ => return Err(wrong_size("BooleanDeserializer", 1)),
            },
            Self::Bytes => bytes.iter().map(|byte| visible(*byte)).collect(),
            Self::Double => floating(f64::from_be_bytes(exactly(bytes, "Deserializer")?)),
            Self::Float => floating32(f32::from_be_bytes(exactly(bytes, "Deserializer")?)),
            Self::Integer => i32::from_be_bytes(exactly(bytes, "IntegerDeserializer")?).to_string(),
            Self::Long => i64::from_be_bytes(exactly(bytes, "LongDeserializer")?).to_string(),
            Self::Short => i16::from_be_bytes(exactly(bytes, "ShortDeserializer")?).to_string(),
            Self::String => String::from_utf8_lossy(bytes).into_owned(),
            Self::Uuid => uuid(bytes)?,
        })
    }
}

fn exactly<const N: usize>(bytes: &[u8], who: &str) -> Result<[u8; N], Throwable> {
    bytes.try_into().map_err(|_| wrong_size(who, N))
}

fn failure(message: String) -> Throwable {
    Throwable::kafka("SerializationException", message)
}

fn wrong_size(who: &str, size: usize) -> Throwable {
    failure(format!("Size of data received by {who} is not {size}"))
}

/// `Utils.Bytes.toString`.
fn visible(byte: u8) -> String {
    match byte {
        b' '..=b'~' if byte != b'\\' => char::from(byte).to_string(),
        other => format!("\\x{other:02X}"),
    }
}

fn uuid(bytes: &[u8]) -> Result<String, Throwable> {
    let text = String::from_utf8_lossy(bytes);
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    let is_uuid = parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            (1..=length).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
    if !is_uuid {
        let cause = Throwable::illegal_argument(format!("Invalid UUID string: {text}"));
        return Err(failure("Error parsing data into UUID".to_owned()).caused_by(cause));
    }
    let padded = parts.iter().zip(lengths).map(|(part, length)| format!("{part:0>length$}").to_lowercase());
    Ok(padded.collect::<Vec<_>>().join("-"))
}

/// `Double.toString`.
fn floating(value: f64) -> String {
    java_decimal(&format!("{:e}", value.abs()), value.is_nan(), value.is_infinite(), value.is_sign_negative())
}

/// `Float.toString`.
fn floating32(value: f32) -> String {
    java_decimal(&format!("{:e}", value.abs()), value.is_nan(), value.is_infinite(), value.is_sign_negative())
}

/// Java's form of the shortest decimal `1.5e-7`: plain between 10^-3 and 10^7, otherwise with an exponent,
/// always with a digit behind the point.
fn java_decimal(shortest: &str, is_nan: bool, is_infinite: bool, is_negative: bool) -> String {
    if is_nan {
        return "NaN".to_owned();
    }
    let sign = if is_negative { "-" } else { "" };
    if is_infinite {
        return format!("{sign}Infinity");
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let is_zero = digits.bytes().all(|digit| digit == b'0');
    if !is_zero && !(-3..7).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let rest = if rest.is_empty() { "0" } else { rest };
        return format!("{sign}{first}.{rest}E{exponent}");
    }
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    let padded = format!("{digits:0<width$}", width = whole + 1);
    let (front, back) = padded.split_at(whole);
    format!("{sign}{front}.{back}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(class: &str, bytes: &[u8]) -> Result<String, String> {
        let class = format!("org.apache.kafka.common.serialization.{class}");
        Deserializer::new(&class).unwrap().text(bytes).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn numbers_have_javas_text() {
        assert_eq!(text("IntegerDeserializer", &[0, 0, 1, 0]), Ok("256".to_owned()));
        assert_eq!(text("LongDeserializer", &[0xff; 8]), Ok("-1".to_owned()));
        assert_eq!(
            text("IntegerDeserializer", b"null!"),
            Err("Size of data received by IntegerDeserializer is not 4".to_owned())
        );
        let doubles = [
            (1.0, "1.0"),
            (0.001, "0.001"),
            (0.000_12, "1.2E-4"),
            (123_456.75, "123456.75"),
            (1e7, "1.0E7"),
            (1.25e-10, "1.25E-10"),
            (9_999_999.0, "9999999.0"),
            (0.0, "0.0"),
            (-2.5, "-2.5"),
        ];
        for (value, expected) in doubles {
            assert_eq!(text("DoubleDeserializer", &f64::to_be_bytes(value)), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn bytes_and_uuids() {
        assert_eq!(text("BytesDeserializer", b"a\\\x00z"), Ok("a\\x5C\\x00z".to_owned()));
        let id = "123e4567-e89b-12d3-a456-426614174000";
        assert_eq!(text("UUIDDeserializer", id.to_uppercase().as_bytes()), Ok(id.to_owned()));
        assert!(text("UUIDDeserializer", b"nonsense").is_err());
    }
}
