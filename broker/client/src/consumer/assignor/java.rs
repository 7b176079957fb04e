//! The order in which Java's hash tables are walked. Kafka's sticky assignors walk them where members
//! tie: a leader in another language that wants the same result has to walk in the same order.

/// Entries of a new `java.util.HashMap`'s table.
const TABLE_LENGTH: usize = 16;

/// `String.hashCode`.
pub(super) fn hash_of(text: &str) -> i32 {
    text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `org.apache.kafka.common.TopicPartition.hashCode`.
pub(super) fn hash_of_partition(topic: &str, partition: i32) -> i32 {
    partition.wrapping_add(31).wrapping_mul(31).wrapping_add(hash_of(topic))
}

/// A table's length after `count` entries were put into a new one.
pub(super) fn table_length(count: usize) -> usize {
    let mut length = TABLE_LENGTH;
    while count > length / 4 * 3 {
        length *= 2;
    }
    length
}

/// Where an entry stands in a table of that length; those in one place stand in order of insertion.
pub(super) fn bucket(hash: i32, table_length: usize) -> usize {
    let hash = hash as u32;
    (hash ^ hash >> 16) as usize & (table_length - 1)
}

/// Places of `texts` in the order in which a `HashMap` with them as keys, put in this order, is walked.
pub(super) fn walk<'a>(texts: impl ExactSizeIterator<Item = &'a str>) -> Vec<usize> {
    let length = table_length(texts.len());
    let mut places: Vec<(usize, usize)> =
        texts.enumerate().map(|(place, text)| (bucket(hash_of(text), length), place)).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_java_s() {
        assert_eq!(hash_of(""), 0);
        assert_eq!(hash_of("hello"), 99_162_322);
        assert_eq!(table_length(12), 16);
        assert_eq!(table_length(13), 32);
    }
}
