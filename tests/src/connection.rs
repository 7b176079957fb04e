//! A bare connection: well-formed requests when asked for, any bytes otherwise. No retries, nothing clever.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use millrace_protocol::header::{RequestHeader, request_header_version, response_header_version};
use millrace_protocol::messages::metadata::MetadataRequest;
use millrace_protocol::{Request, decode_from_bytes, encode_to_bytes};

use crate::waiting::DEADLINE;

/// Response headers begin with the correlation id; flexible ones have no tagged fields behind it.
const CORRELATION_ID_BYTES: usize = 4;

/// A client's end of one connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    /// Connects.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        Self::try_open(address).unwrap_or_else(|| panic!("nobody listens on {address}"))
    }

    /// Connects, if somebody listens.
    #[must_use]
    pub fn try_open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.set_write_timeout(Some(DEADLINE)).ok()?;
        Some(Self { stream, correlation_id: 0 })
    }

    /// The socket, for what this type has no words for.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Asks and waits for the answer.
    ///
    /// # Panics
    /// When the broker closes the connection, or answers something else.
    pub fn ask<R: Request>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version);
        self.answer::<R>(version)
    }

    /// Sends a request.
    pub fn send<R: Request>(&mut self, request: &R, version: i16) {
        let body = encode_to_bytes(request, version).unwrap();
        self.send_body(R::API_KEY.number(), version, request_header_version(R::API_KEY, version), &body);
    }

    /// Sends a framed header of that version, and any bytes behind it.
    pub fn send_body(&mut self, api_key: i16, api_version: i16, header_version: i16, body: &[u8]) {
        self.correlation_id += 1;
        let header = RequestHeader {
            request_api_key: api_key,
            request_api_version: api_version,
            correlation_id: self.correlation_id,
            client_id: Some("tests".to_owned()),
        };
        let mut frame = BytesMut::from(&encode_to_bytes(&header, header_version).unwrap()[..]);
        frame.extend_from_slice(body);
        self.send_frame(&frame);
    }

    /// Sends `frame` behind its true length.
    pub fn send_frame(&mut self, frame: &[u8]) {
        let mut bytes = BytesMut::with_capacity(4 + frame.len());
        bytes.put_i32(i32::try_from(frame.len()).unwrap());
        bytes.extend_from_slice(frame);
        self.send_bytes(&bytes);
    }

    /// Sends any bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).unwrap();
    }

    /// Sends any bytes to a broker that may have closed the connection.
    ///
    /// # Errors
    /// What the socket says.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will come.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Waits for the answer to a request of type `R` that was sent.
    pub fn answer<R: Request>(&mut self, version: i16) -> R::Response {
        let mut frame = self.frame().expect("an answer, and the broker closed the connection");
        let header_bytes =
            CORRELATION_ID_BYTES + usize::from(response_header_version(R::API_KEY, version) == 1);
        let body = frame.split_off(header_bytes);
        let name = R::API_KEY.name();
        decode_from_bytes(body, version).unwrap_or_else(|error| panic!("{name} {version}: {error}"))
    }

    /// The next frame, correlation id first; `None` when the broker has closed the connection.
    pub fn frame(&mut self) -> Option<Bytes> {
        let mut length = [0; 4];
        if !self.fill(&mut length) {
            return None;
        }
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
        self.fill(&mut frame).then(|| Bytes::from(frame))
    }

    /// Whether the broker says nothing for that long, and keeps the connection.
    pub fn is_silent_for(&mut self, patience: Duration) -> bool {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Fills `buffer`; false when the connection ends first.
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                false
            }
            Err(error) => panic!("reading an answer: {error}"),
        }
    }

    /// Waits until the broker closes the connection.
    ///
    /// # Panics
    /// When it answers instead, or keeps the connection beyond the deadline.
    pub fn until_closed(&mut self) {
        let frame = self.frame();
        assert!(frame.is_none(), "the broker answered: {frame:?}");
    }

    /// Whether the broker answers Metadata with a broker in it, as a bootstrapping client wants.
    pub fn knows_brokers(&mut self) -> bool {
        let request = MetadataRequest { topics: Some(Vec::new()), ..Default::default() };
        self.send(&request, 1);
        let Some(frame) = self.frame() else { return false };
        let answer = decode_from_bytes::<<MetadataRequest as Request>::Response>(frame.slice(4..), 1);
        answer.is_ok_and(|answer| !answer.brokers.is_empty())
    }
}
