//! Somebody sets the wall's clock: no deadline moves, and what is written down follows the wall.

use millrace_coordinator::{GroupRecord, Settings};
use millrace_protocol::ErrorCode;

use super::bench::{Bench, Join};

const DAY_MS: i64 = 24 * 3_600_000;

#[test]
fn sessions_last_as_long_as_before() {
    for jump_ms in [DAY_MS, -DAY_MS] {
        let mut bench = Bench::new();
        let (leader, follower) = bench.pair(&Join::new());
        bench.wall_ahead_ms = jump_ms;
        bench.advance(9_999);
        assert_eq!(bench.members(), 2, "nobody is late after a jump of {jump_ms} ms");
        assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::NONE);
        bench.wall_ahead_ms = 0;
        bench.advance(1);
        // The one that was not heard of since is gone, and the other is told.
        assert_eq!(bench.heartbeat(&follower, 2), ErrorCode::UNKNOWN_MEMBER_ID);
        assert_eq!(bench.heartbeat(&leader, 2), ErrorCode::REBALANCE_IN_PROGRESS);
    }
}

#[test]
fn rebalances_wait_as_long_as_before() {
    for jump_ms in [DAY_MS, -DAY_MS] {
        let mut bench = Bench::new();
        // Sessions outlast the time to join, which is 30 seconds.
        let (leader, _) = bench.pair(&Join::new().sessions(60_000));
        let waiting = bench.join(Join::new().sessions(60_000).member(&leader));
        bench.join(Join::new().sessions(60_000));
        bench.wall_ahead_ms = jump_ms;
        bench.advance(29_999);
        assert!(bench.is_parked(waiting), "after a jump of {jump_ms} ms the others still have time");
        bench.advance(1);
        assert_eq!(bench.joined(waiting).generation_id, 3);
        assert_eq!(bench.members(), 2, "the one that did not come is out");
    }
}

#[test]
fn expired_offsets_are_looked_for_as_often_as_before() {
    let settings = Settings { offsets_retention_check_interval_ms: 60_000, ..Settings::default() };
    let mut bench = Bench::with(settings);
    assert_eq!(bench.commit_offset("alone", "", -1, 1), ErrorCode::NONE);
    // Set back: what was written yesterday's tomorrow is no older for it.
    bench.wall_ahead_ms = -DAY_MS;
    let due_ms = bench.shard.next_deadline_ms().unwrap();
    assert_eq!(due_ms, bench.now_ms + 60_000);
    bench.advance(60_000);
    assert_eq!(bench.shard.next_deadline_ms(), Some(due_ms + 60_000));
    assert!(bench.shard.durable().offsets("alone").is_some());
}

#[test]
fn what_is_written_follows_the_wall() {
    let mut bench = Bench::new();
    bench.wall_ahead_ms = DAY_MS;
    assert_eq!(bench.commit_offset("alone", "", -1, 1), ErrorCode::NONE);
    let Some(GroupRecord::OffsetCommit(_, Some(value))) = bench.log.last() else { panic!("{:?}", bench.log) };
    assert_eq!(value.commit_timestamp, bench.now_ms + DAY_MS);
    bench.pair(&Join::new());
    assert_eq!(bench.last_metadata().current_state_timestamp, bench.now_ms + DAY_MS);
}
