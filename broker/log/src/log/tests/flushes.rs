//! Flushes: when they are owed, and what becomes of those that fail.

use crate::testing::*;

#[test]
fn a_retry_waits_for_the_flush_that_its_first_append_waits_for() {
    let bench = Bench::with(|config| config.flush.messages = 2);
    let log = bench.open();
    let put = |sequence| log.append(producer_batch(1, sequence, &["x"]), &CLIENT).unwrap();
    put(0);
    assert!(put(1).flush_due, "the first append waits");
    let retry = put(1);
    assert!(retry.duplicate && retry.flush_due, "{retry:?}");
    // A flush that began before an append covers what was there, and may end before the one that is waited
    // for: the number of records that are not on the disk says nothing about a retry.
    log.flush(2).unwrap();
    assert!(!put(1).flush_due, "it is on the disk");
    assert!(!put(2).flush_due);
    assert!(put(2).flush_due, "one record, and it is not on the disk");
    log.flush(i64::MAX).unwrap();
    assert!(!put(2).flush_due);

    let log = Bench::new().open();
    log.append(producer_batch(1, 0, &["x"]), &CLIENT).unwrap();
    assert!(!log.append(producer_batch(1, 0, &["x"]), &CLIENT).unwrap().flush_due, "nobody asks for flushes");
}
