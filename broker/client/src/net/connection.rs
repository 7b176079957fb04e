//! One socket to one broker. Requests of many callers share it; answers come in the order of the
//! requests. A single task moves bytes both ways; callers encode and decode in their own. Never knows
//! what a request means, and never reconnects.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use millrace_protocol::header::{
    RequestHeader, ResponseHeader, request_header_version, response_header_version,
};
use millrace_protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use millrace_protocol::wire::{EncodeError, Reader, Writer};
use millrace_protocol::{ApiKey, ErrorCode, Message, Request, VersionRange, decode_from_bytes};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tracing::debug;

use super::{ApiVersionTable, NodeAddress};
use crate::config::Sockets;
use crate::error::ClientError;

/// Room for requests of ordinary size.
const REQUEST_BYTES_USUAL: usize = 512;

/// A frame to write, and who waits for its answer.
struct Outgoing {
    frame: Bytes,
    waiting: Option<Waiting>,
    /// Held until the answer came, or until the frame left when none will come.
    permit: OwnedSemaphorePermit,
}

struct Waiting {
    correlation_id: i32,
    answer: oneshot::Sender<Bytes>,
}

/// A request whose frame left, in the order of frames.
struct Unanswered {
    waiting: Waiting,
    permit: OwnedSemaphorePermit,
}

/// How one request is to be exchanged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exchange {
    /// For the answer; when it passes, the connection is closed as Kafka's clients do, because answers
    /// behind the missing one would wait as well.
    pub(crate) timeout: Duration,
    /// The oldest version that can express the request.
    pub(crate) version_min: i16,
    /// The newest version that may be used.
    pub(crate) version_max: i16,
    /// Bytes that the request will about take, so that the frame is allocated once.
    pub(crate) size_hint: usize,
}

impl Exchange {
    pub(crate) fn within(timeout: Duration) -> Self {
        Self { timeout, version_min: 0, version_max: i16::MAX, size_hint: REQUEST_BYTES_USUAL }
    }
}

/// A live connection, or one that was; see [`Connection::is_closed`].
#[derive(Debug)]
pub(crate) struct Connection {
    node: NodeAddress,
    client_id: Arc<str>,
    outgoing: mpsc::Sender<Outgoing>,
    in_flight: Arc<Semaphore>,
    in_flight_max: usize,
    correlation_id: AtomicI32,
    versions: ApiVersionTable,
    last_used: Mutex<Instant>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request that is on its way.
#[derive(Debug)]
pub(crate) struct Begun<R> {
    connection: Arc<Connection>,
    answered: oneshot::Receiver<Bytes>,
    version: i16,
    timeout: Duration,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Begun<R> {
    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Result<R::Response, ClientError> {
        let Self { connection, answered, version, timeout: within, request: _ } = self;
        let answer = match timeout(within, connection.answer(R::API_KEY, answered)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(connection.overdue(R::API_KEY, within)),
        };
        connection.decode(R::API_KEY, version, answer)
    }
}

/// What a connection is made with.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) client_id: Arc<str>,
    pub(crate) sockets: Sockets,
    pub(crate) in_flight_max: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
}

impl Connection {
    /// Connects and learns which versions the broker serves.
    pub(crate) async fn open(node: NodeAddress, settings: &ConnectionSettings) -> Result<Self, ClientError> {
        let stream = connect(&node, settings).await?;
        let (reader, writer) = stream.into_split();
        let in_flight_max = settings.in_flight_max.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        // Whoever queues a frame holds a permit: the queue never holds more than there are permits.
        let (outgoing, to_write) = mpsc::channel(in_flight_max);
        let (written, unanswered) = mpsc::channel(in_flight_max);
        let frame_bytes_max = settings.sockets.frame_bytes_max;
        let name = node.to_string();
        let task = tokio::spawn(async move {
            // Whichever half ends first ends both; dropping the queues tells everybody who waits.
            let reason = tokio::select! {
                reason = write_frames(writer, to_write, written) => reason,
                reason = read_frames(reader, unanswered, frame_bytes_max) => reason,
            };
            debug!(broker = %name, %reason, "connection closed");
        });
        let mut connection = Self {
            node,
            client_id: Arc::clone(&settings.client_id),
            outgoing,
            in_flight: Arc::new(Semaphore::new(in_flight_max)),
            in_flight_max,
            correlation_id: AtomicI32::new(0),
            versions: ApiVersionTable::default(),
            last_used: Mutex::new(Instant::now()),
            task: task.abort_handle(),
        };
        connection.versions = connection.negotiate(settings.request_timeout).await?;
        Ok(connection)
    }

    pub(crate) fn node(&self) -> &NodeAddress {
        &self.node
    }

    pub(crate) fn versions(&self) -> &ApiVersionTable {
        &self.versions
    }

    /// No request can be sent any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.outgoing.is_closed()
    }

    /// How long nothing was sent.
    pub(crate) fn idle(&self) -> Duration {
        self.last_used.lock().elapsed()
    }

    /// Sends one request in the newest version that both sides speak, and waits for the answer.
    pub(crate) async fn exchange<R: Request>(
        &self,
        options: Exchange,
        make: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, ClientError> {
        let version = self.version_for(R::API_KEY, options)?;
        let answer = self.exchange_bytes(R::API_KEY, version, options, &make(version)).await?;
        self.decode(R::API_KEY, version, answer)
    }

    /// Queues one request at once, behind those queued before; `None` when too many are unanswered.
    pub(crate) fn try_begin<R: Request>(
        self: &Arc<Self>,
        options: Exchange,
        make: impl FnOnce(i16) -> R,
    ) -> Option<Result<Begun<R>, ClientError>> {
        let permit = Arc::clone(&self.in_flight).try_acquire_owned().ok()?;
        *self.last_used.lock() = Instant::now();
        let begin = || {
            let version = self.version_for(R::API_KEY, options)?;
            let answered = self.queue(R::API_KEY, version, options.size_hint, &make(version), permit)?;
            let connection = Arc::clone(self);
            Ok(Begun { connection, answered, version, timeout: options.timeout, request: PhantomData })
        };
        Some(begin())
    }

    /// Sends one request that the broker does not answer (Produce with `acks=0`); returns when the
    /// frame is queued behind those before it.
    pub(crate) async fn send_unanswered<R: Request>(
        &self,
        options: Exchange,
        make: impl FnOnce(i16) -> R,
    ) -> Result<(), ClientError> {
        let version = self.version_for(R::API_KEY, options)?;
        let permit = self.permit(R::API_KEY).await?;
        let id = self.next_correlation_id();
        let frame = self.encode(R::API_KEY, version, id, options.size_hint, &make(version))?;
        self.outgoing
            .try_send(Outgoing { frame, waiting: None, permit })
            .map_err(|_| self.disconnected(R::API_KEY))
    }

    /// Returns when every request is answered, or written where no answer comes; or when it closed.
    pub(crate) async fn drained(&self) {
        let all = u32::try_from(self.in_flight_max).unwrap_or(u32::MAX);
        tokio::select! {
            _ = self.in_flight.acquire_many(all) => {}
            () = self.outgoing.closed() => {}
        }
    }

    async fn exchange_bytes<M: Message>(
        &self,
        api: ApiKey,
        version: i16,
        options: Exchange,
        request: &M,
    ) -> Result<Bytes, ClientError> {
        let exchange = async {
            let permit = self.permit(api).await?;
            let answered = self.queue(api, version, options.size_hint, request, permit)?;
            self.answer(api, answered).await
        };
        match timeout(options.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(self.overdue(api, options.timeout)),
        }
    }

    /// Encodes a request and hands it to the writing half.
    fn queue<M: Message>(
        &self,
        api: ApiKey,
        version: i16,
        size_hint: usize,
        request: &M,
        permit: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Bytes>, ClientError> {
        let correlation_id = self.next_correlation_id();
        let frame = self.encode(api, version, correlation_id, size_hint, request)?;
        let (answer, answered) = oneshot::channel();
        let waiting = Some(Waiting { correlation_id, answer });
        self.outgoing.try_send(Outgoing { frame, waiting, permit }).map_err(|_| self.disconnected(api))?;
        Ok(answered)
    }

    /// Waits for an answer, or for the end of the connection. A frame that is queued in the moment in
    /// which the writing half ends stays in the queue for ever: its `answered` alone would never tell.
    async fn answer(
        &self,
        api: ApiKey,
        mut answered: oneshot::Receiver<Bytes>,
    ) -> Result<Bytes, ClientError> {
        tokio::select! {
            biased;
            answer = &mut answered => answer.map_err(|_| self.disconnected(api)),
            () = self.outgoing.closed() => answered.try_recv().map_err(|_| self.disconnected(api)),
        }
    }

    /// Closes the connection because an answer is missing.
    fn overdue(&self, api: ApiKey, after: Duration) -> ClientError {
        self.task.abort();
        ClientError::TimedOut {
            what: format!("{} to {}", api.name(), self.node),
            after_ms: after.as_millis() as u64,
            last: None,
        }
    }

    async fn permit(&self, api: ApiKey) -> Result<OwnedSemaphorePermit, ClientError> {
        *self.last_used.lock() = Instant::now();
        Arc::clone(&self.in_flight).acquire_owned().await.map_err(|_| self.disconnected(api))
    }

    fn next_correlation_id(&self) -> i32 {
        self.correlation_id.fetch_add(1, Ordering::Relaxed) & i32::MAX
    }

    fn version_for(&self, api: ApiKey, options: Exchange) -> Result<i16, ClientError> {
        let Exchange { version_min, version_max, .. } = options;
        let usable = self.versions.usable_up_to(api, version_max).filter(|usable| *usable >= version_min);
        usable.ok_or_else(|| {
            let reason = (version_min > 0).then(|| format!("version {version_min} is needed"));
            self.unsupported(api, reason)
        })
    }

    fn encode<M: Message>(
        &self,
        api: ApiKey,
        version: i16,
        correlation_id: i32,
        size_hint: usize,
        request: &M,
    ) -> Result<Bytes, ClientError> {
        let header = RequestHeader {
            request_api_key: api.number(),
            request_api_version: version,
            correlation_id,
            client_id: Some(self.client_id.to_string()),
        };
        let header_version = request_header_version(api, version);
        encode_frame(&header, header_version, request, version, size_hint)
            .map_err(|error| self.unsupported(api, Some(error.to_string())))
    }

    fn decode<M: Message>(&self, api: ApiKey, version: i16, answer: Bytes) -> Result<M, ClientError> {
        let mut reader = Reader::new(answer);
        let result = ResponseHeader::decode(&mut reader, response_header_version(api, version))
            .and_then(|_| decode_from_bytes(reader.into_rest(), version));
        result.map_err(|error| self.not_the_protocol(api, error.to_string()))
    }

    /// Asks for the broker's versions with the newest ApiVersions this client has. A broker that does
    /// not know that one answers in version 0 and says which it knows (KIP-511).
    async fn negotiate(&self, within: Duration) -> Result<ApiVersionTable, ClientError> {
        let api = ApiKey::ApiVersions;
        let mut version = api.versions().last;
        let request = ApiVersionsRequest {
            client_software_name: "millrace".to_owned(),
            client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        for _ in 0..2 {
            let mut answer = self.exchange_bytes(api, version, Exchange::within(within), &request).await?;
            let unsupported = answer.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()[..]);
            let layout = if unsupported { 0 } else { version };
            if unsupported && answer.len() <= 6 {
                answer = Bytes::from([&answer[..], &[0; 4][..]].concat());
            }
            let response: ApiVersionsResponse = self.decode(api, layout, answer)?;
            if !unsupported {
                ClientError::check(api, response.error_code, self.node.to_string())?;
                return Ok(ApiVersionTable::from_response(&response));
            }
            version = ApiVersionTable::from_response(&response).usable(api).unwrap_or(0);
        }
        Err(self.unsupported(api, Some("it refuses the version that it named".to_owned())))
    }

    fn disconnected(&self, api: ApiKey) -> ClientError {
        ClientError::Disconnected { broker: self.node.to_string(), api }
    }

    fn not_the_protocol(&self, api: ApiKey, reason: String) -> ClientError {
        ClientError::Protocol { broker: self.node.to_string(), api, reason }
    }

    fn unsupported(&self, api: ApiKey, reason: Option<String>) -> ClientError {
        ClientError::Unsupported {
            broker: self.node.to_string(),
            api,
            broker_versions: self.versions.range(api.number()),
            client_versions: VersionRange { ..api.versions() },
            reason,
        }
    }
}

/// Length, header and request in one buffer.
fn encode_frame<M: Message>(
    header: &RequestHeader,
    header_version: i16,
    request: &M,
    version: i16,
    size_hint: usize,
) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::with_capacity(size_hint);
    writer.write_i32(0);
    header.encode(&mut writer, header_version)?;
    request.encode(&mut writer, version)?;
    let length = writer.len() - 4;
    writer.patch_i32(0, i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
    Ok(writer.finish().0)
}

/// Tries each address of the host until one accepts.
async fn connect(node: &NodeAddress, settings: &ConnectionSettings) -> Result<TcpStream, ClientError> {
    let unreachable = |reason: String| ClientError::Unreachable { address: node.host_and_port(), reason };
    let attempt = async {
        let addresses = lookup_host((&*node.host, node.port))
            .await
            .map_err(|error| unreachable(format!("name lookup failed: {error}")))?;
        let mut last = "the name has no address".to_owned();
        for address in addresses {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let socket = socket.map_err(|error| unreachable(error.to_string()))?;
            apply_buffers(&socket, &settings.sockets).map_err(|error| unreachable(error.to_string()))?;
            match socket.connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
                    return Ok(stream);
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(unreachable(last))
    };
    match timeout(settings.connect_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(unreachable(format!("no answer in {} ms", settings.connect_timeout.as_millis()))),
    }
}

fn apply_buffers(socket: &TcpSocket, sizes: &Sockets) -> std::io::Result<()> {
    if let Some(bytes) = sizes.send_buffer_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = sizes.receive_buffer_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}

/// Writes frames in order and passes on who waits for which. Returns why it ended.
async fn write_frames(
    mut writer: OwnedWriteHalf,
    mut to_write: mpsc::Receiver<Outgoing>,
    written: mpsc::Sender<Unanswered>,
) -> String {
    while let Some(Outgoing { frame, waiting, permit }) = to_write.recv().await {
        // The reading half must know of the request before its answer can arrive.
        if let Some(waiting) = waiting
            && written.send(Unanswered { waiting, permit }).await.is_err()
        {
            return "the reading half ended".to_owned();
        }
        if let Err(error) = writer.write_all(&frame).await {
            return error.to_string();
        }
    }
    "no longer used".to_owned()
}

/// Reads answers and hands each to whoever waits for it. Returns why it ended.
async fn read_frames(
    mut reader: OwnedReadHalf,
    mut unanswered: mpsc::Receiver<Unanswered>,
    frame_bytes_max: usize,
) -> String {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        let frame = match read_frame(&mut reader, &mut buffer, frame_bytes_max).await {
            Ok(frame) => frame,
            Err(reason) => return reason,
        };
        let Some(correlation_id) = frame.get(..4).map(|mut bytes| bytes.get_i32()) else {
            return "an answer without a header".to_owned();
        };
        let Ok(Unanswered { waiting, permit }) = unanswered.try_recv() else {
            return format!("an answer {correlation_id} that nobody asked for");
        };
        // Before the answer is handed over: whoever gets it may want to send the next request at once.
        drop(permit);
        if waiting.correlation_id != correlation_id {
            return format!("answer {correlation_id} where {} was due", waiting.correlation_id);
        }
        // Whoever asked may have given up; the answer is then of no use to anybody.
        if waiting.answer.send(frame).is_err() {
            debug!(correlation_id, "an answer came after its caller left");
        }
    }
}

/// One frame without its length. Small frames are cut from a shared read buffer; a large one gets a
/// buffer of its own size, so that its parts can be kept without holding on to others.
async fn read_frame(
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    frame_bytes_max: usize,
) -> Result<Bytes, String> {
    while buffer.len() < 4 {
        read_some(reader, buffer).await?;
    }
    let length = buffer.get_i32();
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= frame_bytes_max)
        .ok_or_else(|| format!("an answer of {length} bytes, where {frame_bytes_max} are allowed"))?;
    if length <= buffer.len() {
        return Ok(buffer.split_to(length).freeze());
    }
    let mut frame = BytesMut::with_capacity(length);
    frame.extend_from_slice(&buffer.split());
    while frame.len() < length {
        let missing = (length - frame.len()) as u64;
        let read = reader.take(missing).read_buf(&mut frame).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("the broker closed it in the middle of an answer".to_owned());
        }
    }
    Ok(frame.freeze())
}

async fn read_some(reader: &mut OwnedReadHalf, buffer: &mut BytesMut) -> Result<(), String> {
    buffer.reserve(8 * 1024);
    match reader.read_buf(buffer).await {
        Ok(0) => Err("the broker closed it".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
