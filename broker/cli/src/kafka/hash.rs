//! The order in which `java.util.HashMap` walks its entries. Kafka's tools print several tables straight
//! from such maps, so their line order is that of the hash table, and scripts diff it.
//!
//! Knows nothing of Kafka but the hash of a topic partition.

/// `String.hashCode`: a polynomial over UTF-16 units.
pub(crate) fn string_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub(crate) fn partition_hash(topic: &str, partition: i32) -> i32 {
    31i32.wrapping_add(partition).wrapping_mul(31).wrapping_add(string_hash(topic))
}

/// Sorts `entries`, which stand in the order of their insertion, into the order of iteration.
///
/// Valid for maps that grew from the default capacity. Bins of eight and more collisions, which Java
/// turns into trees, keep their insertion order here.
pub(crate) fn sort_as_hash_map<T>(entries: &mut [T], hash: impl Fn(&T) -> i32) {
    sort_with_capacity(entries, 16, hash);
}

/// [`sort_as_hash_map`] for a map made with `new HashMap<>(entries.length)`.
pub(crate) fn sort_as_sized_map<T>(entries: &mut [T], hash: impl Fn(&T) -> i32) {
    let capacity = entries.len().next_power_of_two();
    sort_with_capacity(entries, capacity, hash);
}

/// [`sort_as_hash_map`] for a map made as a copy of another, whose order `entries` have.
pub(crate) fn sort_as_copied_map<T>(entries: &mut [T], hash: impl Fn(&T) -> i32) {
    let capacity = (entries.len() * 4 / 3 + 1).next_power_of_two();
    sort_with_capacity(entries, capacity, hash);
}

fn sort_with_capacity<T>(entries: &mut [T], initial: usize, hash: impl Fn(&T) -> i32) {
    let mut capacity = initial;
    while entries.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    entries.sort_by_key(|entry| {
        let hash = hash(entry) as u32;
        (hash ^ (hash >> 16)) as usize & (capacity - 1)
    });
}

/// [`sort_as_hash_map`] for `(topic, partition)` keys inside `entries`.
pub(crate) fn sort_partitions<T>(entries: &mut [T], key: impl for<'a> Fn(&'a T) -> (&'a str, i32)) {
    sort_as_hash_map(entries, |entry| {
        let (topic, partition) = key(entry);
        partition_hash(topic, partition)
    });
}

/// [`sort_as_hash_map`] for string keys.
pub(crate) fn sort_strings(entries: &mut [String]) {
    sort_as_hash_map(entries, |entry| string_hash(entry));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_java() {
        assert_eq!(string_hash("hello"), 99_162_322);
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("ä€😀"), "ä€😀".encode_utf16().fold(0, |h: i32, u| h * 31 + i32::from(u)));
    }

    #[test]
    fn walks_in_bucket_order() {
        let mut names: Vec<String> = ["b", "a", "q"].map(str::to_owned).to_vec();
        sort_strings(&mut names);
        // 97, 98 and 113 fall into the buckets 1, 2 and 1: "a" went in before "q".
        assert_eq!(names, ["a", "q", "b"]);
    }
}
