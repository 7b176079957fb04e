//! How answers leave: at once, and out of files where there are files.

use std::io::Read;
use std::net::TcpStream;

use millrace_protocol::ErrorCode;
use millrace_tests::records::{FETCH_VERSION, batch, fetch_request, produce};
use millrace_tests::{Millrace, places, until};
use rustix::io::Errno;
use rustix::net::sockopt::tcp_nodelay;

const MIB: usize = 1 << 20;

/// Small answers wait for nothing to fill the packet.
#[test]
fn connections_do_not_delay_small_packets() {
    let broker = Millrace::start(&[]);
    let mut connection = broker.connect();
    assert!(connection.knows_brokers());
    let client = connection.stream().local_addr().unwrap();
    let socket = match broker.process.socket_of(client) {
        Err(error @ (Errno::PERM | Errno::NOSYS)) => {
            return places::left_out("nodelay", &format!("the broker's sockets cannot be seen: {error}"));
        }
        socket => socket.unwrap().unwrap(),
    };
    assert!(tcp_nodelay(socket).unwrap(), "TCP_NODELAY is set");
}

/// Records go from the page cache to the socket: the kernel counts what `sendfile` moves as written, and does not
/// what is sent out of memory.
#[test]
fn records_leave_by_sendfile() {
    const RECORDS: u64 = 16;
    let broker = Millrace::start(&[]);
    broker.create_topic("sent", &[("max.message.bytes", "2000000")]);
    let mut connection = broker.connect();
    let records = batch(&[&vec![b'x'; MIB]]);
    for _ in 0..RECORDS {
        assert_eq!(produce(&mut connection, "sent", records.clone()).error_code, ErrorCode::NONE);
    }
    let before = broker.process.written_bytes();
    connection.send(&fetch_request("sent", 0, 50 << 20), FETCH_VERSION);
    let received = frame_length(connection.stream());
    assert!(received > RECORDS * MIB as u64, "{received} bytes of answer");
    until("all but the answer's own fields left by sendfile", || {
        (broker.process.written_bytes() - before > received - 1024).then_some(())
    });
}

/// Reads a frame to its end without keeping it; returns its length.
fn frame_length(mut stream: &TcpStream) -> u64 {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let length = u64::from(u32::from_be_bytes(length));
    assert_eq!(std::io::copy(&mut stream.take(length), &mut std::io::sink()).unwrap(), length);
    length
}
