//! Bytes that are no requests, or not yet, or never: each costs its sender the connection and nobody else anything.

use std::time::{Duration, Instant};

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::metadata::MetadataRequest;
use millrace_protocol::messages::produce::ProduceRequest;
use millrace_protocol::{ApiKey, encode_to_bytes};
use millrace_tests::records::{batch, produce, produce_request};
use millrace_tests::{Connection, Millrace, Neighbour, until};

const MIB: usize = 1 << 20;

/// Random bytes, random frames and frames of random requests, some hundreds of each.
#[test]
fn garbage_costs_its_sender_the_connection() {
    let broker = Millrace::start(&[]);
    let neighbour = Neighbour::move_in(broker.address);
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..300 {
        let mut connection = broker.connect();
        let length = random.usize(1..300);
        let garbage: Vec<_> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        // The broker may close the connection while we still send.
        let _ = connection.try_send_bytes(&garbage);
        let mut connection = broker.connect();
        connection.send_frame(&garbage);
        let mut connection = broker.connect();
        let api = ApiKey::ALL[random.usize(..ApiKey::ALL.len())];
        let version = random.i16(api.versions().first..=api.versions().last);
        connection.send_body(api.number(), version, 1 + random.i16(0..2), &garbage);
        if random.bool() {
            connection.finish();
        }
    }
    neighbour.keeps_going();
    let slowest = neighbour.move_out();
    assert!(slowest < Duration::from_secs(5), "a round of the neighbour took {slowest:?}");
    let lines = broker.process.output().lines().count();
    assert!(lines < 60, "{lines} lines in the log for 900 bad connections");
}

/// Every prefix of a good request, and then the end.
#[test]
fn truncated_requests_end_with_their_connection() {
    let broker = Millrace::start(&[]);
    broker.create_topic("whole", &[]);
    let body = encode_to_bytes(&produce_request("whole", 0, -1, Some(batch(&[b"one"]))), 9).unwrap();
    for length in 0..body.len() {
        // A frame that is shorter than its request is refused.
        let mut connection = broker.connect();
        connection.send_body(ApiKey::Produce.number(), 9, 2, &body[..length]);
        connection.until_closed();
        // A frame that never gets whole is forgotten.
        let mut connection = broker.connect();
        connection.send_bytes(&1000_u32.to_be_bytes());
        connection.send_bytes(&body[..length]);
        connection.finish();
        connection.until_closed();
    }
    let written = produce(&mut broker.connect(), "whole", batch(&[b"one"]));
    assert_eq!((written.error_code, written.base_offset), (ErrorCode::NONE, 0), "nothing was stored before");
}

/// Hundreds of connections promise 100 MB each and send nothing of it.
#[test]
fn promised_lengths_take_no_memory() {
    let broker = Millrace::start(&[]);
    let neighbour = Neighbour::move_in(broker.address);
    let (before_kib, _) = broker.memory_kib();
    let promises: Vec<_> = std::iter::repeat_with(|| {
        let mut connection = broker.connect();
        connection.send_bytes(&(99_u32 << 20).to_be_bytes());
        connection.send_bytes(b"and then nothing");
        connection
    })
    .take(400)
    .collect();
    neighbour.keeps_going();
    let (_, most_kib) = broker.memory_kib();
    // 16 KiB or so for each, where 99 MiB were promised: 40 GB.
    assert!(most_kib < before_kib + 64 * 1024, "{before_kib} KiB before, {most_kib} KiB at most");
    drop(promises);
    neighbour.move_out();
}

/// Arrays that name two billion elements, in every API at every version, in front of nothing.
#[test]
fn lying_array_lengths_take_no_memory() {
    let broker = Millrace::start(&[]);
    let (before_kib, _) = broker.memory_kib();
    for api in ApiKey::ALL {
        for version in api.versions().iter() {
            for lie in [&b"\x7f\xff\xff\xff"[..], b"\xff\xff\xff\xff\x07", b"\x00\x00\x7f\xff\xff\xff"] {
                let mut connection = broker.connect();
                let mut body = lie.to_vec();
                body.extend_from_slice(&[0x7f; 64]);
                connection.send_body(api.number(), version, 1, &body);
            }
        }
    }
    assert!(broker.connect().knows_brokers());
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib < before_kib + 64 * 1024, "{before_kib} KiB before, {most_kib} KiB at most");
}

/// Frames that are large but allowed, from more connections than `queued.max.request.bytes` has room for.
#[test]
fn queued_request_bytes_are_bounded() {
    let limit = 20 * MIB;
    let broker = Millrace::start(&[
        &format!("queued.max.request.bytes={limit}"),
        &format!("socket.request.max.bytes={}", 8 * MIB),
        "message.max.bytes=8000000",
    ]);
    broker.create_topic("large", &[]);
    let neighbour = Neighbour::move_in(broker.address);
    let value = vec![b'x'; 7 * MIB];
    let body = encode_to_bytes(&produce_request("large", 0, -1, Some(batch(&[&value]))), 9).unwrap();
    let half = body.len() / 2;
    // Thirty clients send half of 7 MiB each: 105 MiB, if all were let in.
    let senders: Vec<_> = (0..30)
        .map(|_| {
            let (mut connection, body) = (broker.connect(), body.clone());
            std::thread::spawn(move || {
                let frame_bytes = u32::try_from(body.len()).unwrap();
                connection.send_bytes(&frame_bytes.to_be_bytes());
                // What the broker does not read stays in the sockets' buffers, then in this thread.
                let stuck = connection.stream().set_write_timeout(Some(Duration::from_secs(1)));
                stuck.unwrap();
                let _ = connection.try_send_bytes(&body[..half]);
                connection
            })
        })
        .collect();
    let connections: Vec<_> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let (_, most_kib) = broker.memory_kib();
    assert!(most_kib < (limit / 1024 + 80 * 1024) as u64, "{most_kib} KiB at most");
    // Small requests need no room, and large ones get it again, whether those that took it go or stay.
    neighbour.keeps_going();
    let slowest = neighbour.move_out();
    assert!(slowest < Duration::from_secs(5), "a round of the neighbour took {slowest:?}");
    let mut client = broker.connect();
    let written = produce(&mut client, "large", batch(&[&value[..MIB]]));
    assert_eq!(written.error_code, ErrorCode::NONE, "{written:?}");
    drop(connections);
}

/// A byte now and then: the connection ends after the time that a frame may take, and no sooner than others are served.
#[test]
fn slow_drips_are_cut_off() {
    let broker = Millrace::start(&[]);
    let neighbour = Neighbour::move_in(broker.address);
    let started = Instant::now();
    let mut drips: Vec<_> = std::iter::repeat_with(|| broker.connect()).take(50).collect();
    for drip in &mut drips {
        drip.send_bytes(&100_u32.to_be_bytes());
    }
    let mut open = drips.len();
    while open > 0 {
        assert!(started.elapsed() < Duration::from_secs(45), "{open} drips are still served");
        // The pause is what is tested: bytes that come much slower than a frame may, for longer than it may
        // take. Half a second is a sixtieth of that time, and each round is a condition with a deadline.
        std::thread::sleep(Duration::from_millis(500));
        open = drips.iter_mut().map(|drip| drip.try_send_bytes(&[0])).filter(Result::is_ok).count();
    }
    assert!(started.elapsed() > Duration::from_secs(10), "cut off after {:?} already", started.elapsed());
    neighbour.move_out();
    let output = broker.process.output();
    assert!(output.contains("did not arrive in time"), "the log says why: {output}");
}

/// Requests of one connection are answered in order, however many are sent at once, and acks=0 is not answered.
#[test]
fn answers_come_in_the_order_of_requests() {
    let broker = Millrace::start(&[]);
    broker.create_topic("ordered", &[]);
    let mut connection = broker.connect();
    let records = batch(&[b"x"]);
    for round in 0..200 {
        let acks = if round % 3 == 0 { 0 } else { -1 };
        connection.send(&produce_request("ordered", 0, acks, Some(records.clone())), 9);
        connection.send(&MetadataRequest::default(), 9);
    }
    for round in 0..200 {
        if round % 3 != 0 {
            let answer = connection.answer::<ProduceRequest>(9);
            assert_eq!(answer.responses[0].partition_responses[0].base_offset, round);
        }
        let answer = connection.answer::<MetadataRequest>(9);
        assert_eq!(answer.brokers.len(), 1);
    }
}

/// A client that sends in pieces of one byte is slow, not wrong.
#[test]
fn a_request_may_come_in_pieces() {
    let broker = Millrace::start(&[]);
    let mut connection = broker.connect();
    let body = encode_to_bytes(&MetadataRequest::default(), 4).unwrap();
    let header = [0, 3, 0, 4, 0, 0, 0, 9, 0xff, 0xff];
    let mut bytes = u32::try_from(header.len() + body.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&body);
    for byte in bytes {
        connection.send_bytes(&[byte]);
    }
    let frame = connection.frame().expect("an answer");
    assert_eq!(&frame[..4], [0, 0, 0, 9], "the correlation id comes back");
}

/// A client that goes away in the middle of its request, a thousand times: no descriptor and no task stays.
#[test]
fn clients_that_vanish_leave_nothing() {
    let broker = Millrace::start(&[]);
    broker.create_topic("vanishing", &[]);
    until("the broker is at rest", || (broker.process.open_files() > 5).then_some(()));
    let before = broker.process.open_files();
    for round in 0..1000 {
        let mut connection = Connection::open(broker.address);
        match round % 3 {
            0 => connection.send(&produce_request("vanishing", 0, -1, Some(batch(&[b"x"]))), 9),
            1 => connection.send_bytes(&[0, 0, 1]),
            _ => {}
        }
    }
    until("their descriptors are closed", || (broker.process.open_files() <= before + 2).then_some(()));
}
