//! Stands between a client and its broker, and lets go wrong what a broker that ends in the wrong moment does:
//! right after an answer, or right before it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use millrace_protocol::ApiKey;

/// What becomes of the next answer of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trap {
    /// It comes through, and nothing after it.
    Last,
    /// It is lost with its connection; others come through.
    Lost,
    /// It is lost, and so is everything after it.
    Silence,
}

/// See the module. Ends with the test's process.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    trap: Option<(i16, Trap)>,
    is_down: bool,
    clients: Vec<TcpStream>,
}

impl Proxy {
    /// Listens at an address of its own, which the broker is to advertise.
    pub(crate) fn listen(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), shared: Arc::default() };
        let shared = Arc::clone(&proxy.shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let mut now = shared.lock().unwrap();
                if !now.is_down
                    && let Ok(broker) = TcpStream::connect(broker)
                {
                    now.clients.push(client.try_clone().unwrap());
                    connect(client, broker, Arc::clone(&shared));
                }
            }
        });
        proxy
    }

    /// Lays a trap for the next answer to such a request.
    pub(crate) fn set(&self, api: ApiKey, trap: Trap) {
        self.shared.lock().unwrap().trap = Some((api.number(), trap));
    }

    /// The broker can be reached again.
    pub(crate) fn mend(&self) {
        let mut shared = self.shared.lock().unwrap();
        assert!(shared.trap.is_none(), "nothing fell into the trap");
        shared.is_down = false;
    }
}

/// Requests that are not answered yet: which kind each correlation id has.
type Asked = Arc<Mutex<HashMap<[u8; 4], i16>>>;

fn connect(client: TcpStream, broker: TcpStream, shared: Arc<Mutex<Shared>>) {
    let asked = Asked::default();
    let noting = Arc::clone(&asked);
    let (mut from, mut to) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
    std::thread::spawn(move || {
        while let Ok(frame) = read(&mut from) {
            let api = i16::from_be_bytes(frame[4..6].try_into().unwrap());
            noting.lock().unwrap().insert(frame[8..12].try_into().unwrap(), api);
            if to.write_all(&frame).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
    std::thread::spawn(move || {
        let (mut from, mut to) = (broker, client);
        while let Ok(frame) = read(&mut from) {
            let id: [u8; 4] = frame[4..8].try_into().unwrap();
            let api = asked.lock().unwrap().remove(&id);
            if !shared.lock().unwrap().pass_on(api, &frame, &mut to) {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

impl Shared {
    /// Whether the connection lives on.
    fn pass_on(&mut self, api: Option<i16>, frame: &[u8], to: &mut TcpStream) -> bool {
        let sprung = self.trap.take_if(|(trapped, _)| Some(*trapped) == api).map(|(_, trap)| trap);
        let comes_through = !self.is_down && matches!(sprung, None | Some(Trap::Last));
        let written = comes_through && to.write_all(frame).is_ok();
        if matches!(sprung, Some(Trap::Last | Trap::Silence)) {
            self.is_down = true;
            for client in self.clients.drain(..) {
                let _ = client.shutdown(Shutdown::Both);
            }
        }
        written && !self.is_down
    }
}

/// A frame with its length in front.
fn read(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    from.read_exact(&mut frame)?;
    let length = i32::from_be_bytes(frame[..4].try_into().unwrap());
    frame.resize(4 + usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}
