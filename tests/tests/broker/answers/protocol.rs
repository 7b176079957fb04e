//! The protocol itself: unknown APIs and versions, bodies that are not what their header says.

use bytes::{BufMut, BytesMut};
use millrace_protocol::messages::api_versions::ApiVersionsRequest;
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use millrace_protocol::{ApiKey, decode_from_bytes, encode_to_bytes};
use millrace_tests::Connection;

use super::Case;

pub(super) const CASES: &[Case] = &[
    ("protocol: an API that nobody knows", |c| {
        c.send_body(999, 0, 1, &[]);
        end_of(c)
    }),
    ("protocol: a version of Metadata that nobody knows", |c| {
        c.send_body(ApiKey::Metadata.number(), 99, 2, &[0, 0, 0, 0]);
        end_of(c)
    }),
    ("protocol: a negative version", |c| {
        c.send_body(ApiKey::Metadata.number(), -1, 1, &[]);
        end_of(c)
    }),
    ("protocol: an ApiVersions of the future", |c| {
        c.send_body(ApiKey::ApiVersions.number(), 99, 2, &[1, 1, 0]);
        let answer = decode_from_bytes::<millrace_protocol::messages::api_versions::ApiVersionsResponse>(
            c.frame().unwrap().slice(4..),
            0,
        )
        .unwrap();
        let itself: Vec<_> = answer.api_keys.iter().filter(|api| api.api_key == 18).collect();
        format!("{:?}, {itself:?}, goes on: {}", answer.error_code, c.knows_brokers())
    }),
    ("protocol: ApiVersions of a client without a name", |c| {
        let request = ApiVersionsRequest::default();
        let answer = c.ask(&request, 3);
        format!("{:?}, goes on: {}", answer.error_code, c.knows_brokers())
    }),
    ("protocol: an array longer than its request", |c| {
        let mut body = BytesMut::new();
        body.put_i32(i32::MAX);
        body.put_slice(&[0, 1, b'a', 0]);
        c.send_body(ApiKey::Metadata.number(), 4, 1, &body);
        end_of(c)
    }),
    ("protocol: a compact array longer than its request", |c| {
        // 0xffffffff, less one.
        c.send_body(ApiKey::Metadata.number(), 12, 2, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
        end_of(c)
    }),
    ("protocol: a negative array length", |c| {
        c.send_body(ApiKey::CreateTopics.number(), 2, 1, &(-2_i32).to_be_bytes());
        end_of(c)
    }),
    ("protocol: a string longer than its request", |c| {
        let mut body = BytesMut::new();
        body.put_i32(1);
        body.put_i16(i16::MAX);
        body.put_slice(b"short");
        c.send_body(ApiKey::Metadata.number(), 4, 1, &body);
        end_of(c)
    }),
    ("protocol: a body that is cut", |c| {
        c.send_body(ApiKey::FindCoordinator.number(), 0, 1, &[0]);
        end_of(c)
    }),
    ("protocol: a header that is cut", |c| {
        c.send_frame(&[0, 3]);
        end_of(c)
    }),
    ("protocol: a frame of nothing", |c| {
        c.send_frame(&[]);
        end_of(c)
    }),
    ("protocol: a frame of a negative length", |c| {
        c.send_bytes(&(-5_i32).to_be_bytes());
        end_of(c)
    }),
    ("protocol: a frame above socket.request.max.bytes", |c| {
        c.send_bytes(&(200_i32 << 20).to_be_bytes());
        end_of(c)
    }),
    ("protocol: HTTP", |c| {
        c.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        end_of(c)
    }),
    ("protocol: a TLS hello", |c| {
        c.send_bytes(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]);
        end_of(c)
    }),
    ("protocol: bytes behind the request", |c| {
        let topic = MetadataRequestTopic { name: Some("absent".to_owned()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: false,
            ..Default::default()
        };
        let mut body = BytesMut::from(&encode_to_bytes(&request, 4).unwrap()[..]);
        body.put_slice(b"more");
        c.send_body(ApiKey::Metadata.number(), 4, 1, &body);
        metadata_or_end(c)
    }),
];

fn end_of(connection: &mut Connection) -> String {
    if connection.is_silent_for(super::PATIENCE) {
        return "nothing".to_owned();
    }
    match connection.frame() {
        None => "the connection is closed".to_owned(),
        Some(frame) => format!("an answer of {} bytes", frame.len()),
    }
}

fn metadata_or_end(connection: &mut Connection) -> String {
    let Some(frame) = connection.frame() else { return "the connection is closed".to_owned() };
    let answer =
        decode_from_bytes::<millrace_protocol::messages::metadata::MetadataResponse>(frame.slice(4..), 4)
            .unwrap();
    format!("{:?}", answer.topics.iter().map(|topic| topic.error_code).collect::<Vec<_>>())
}
