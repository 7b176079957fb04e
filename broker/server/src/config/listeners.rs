//! Listeners: where to listen, and what clients are told to dial. The rules and most of the words
//! are Kafka's (`SocketServerConfigs.listenerListToEndPoints`, `KafkaConfig.validateValues`). Opens
//! no socket; only looks host names up.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};

use super::place::Notice;
use super::values::Values;

const LISTENERS: &str = "listeners";
const ADVERTISED: &str = "advertised.listeners";
const PROTOCOL_MAP: &str = "listener.security.protocol.map";
const INTER_BROKER: &str = "inter.broker.listener.name";
const CONTROLLERS: &str = "controller.listener.names";
const PLAINTEXT: &str = "PLAINTEXT";
const PROTOCOLS: [&str; 4] = [PLAINTEXT, "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

/// A socket to listen on, and the address by which clients reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listener {
    /// In capitals, as `listeners` names it.
    pub(crate) name: String,
    /// Port 0 takes any that is free.
    pub(crate) bind: SocketAddr,
    pub(crate) advertised_host: String,
    /// 0 is the port that was bound.
    pub(crate) advertised_port: u16,
    /// Brokers talk among themselves by this one (`inter.broker.listener.name`).
    pub(crate) inter_broker: bool,
}

/// A rule that is broken: the key that breaks it, and how.
pub(super) type Broken = (&'static str, String);

/// `NAME://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Endpoint {
    name: String,
    /// Empty is every interface.
    host: String,
    port: u16,
}

/// Reads and checks everything about listeners. Those of the controller are left out, with a notice.
pub(super) fn listeners(values: &Values<'_>, notices: &mut Vec<Notice>) -> Result<Vec<Listener>, Broken> {
    let controllers: Vec<_> = values.list(CONTROLLERS).iter().map(|name| name.to_uppercase()).collect();
    let all = endpoints(LISTENERS, &values.list(LISTENERS))?;
    check_names_and_ports(&all)?;
    let protocols = Protocols::read(values, &controllers)?;
    let (controller, clients): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|endpoint| controllers.contains(&endpoint.name));
    for endpoint in controller {
        notices.push(Notice::Info(format!(
            "listener {} is for the metadata quorum, which is this node alone: it is not opened",
            endpoint.name
        )));
    }
    for endpoint in &clients {
        protocols.check(values, &endpoint.name)?;
    }
    if clients.is_empty() {
        let culprit = values.culprit([LISTENERS, CONTROLLERS]);
        return Err((culprit, "at least one listener for clients must be defined".to_owned()));
    }
    let advertised = advertised(values, &clients, &controllers)?;
    let inter_broker = inter_broker(values, &advertised)?;
    clients.into_iter().map(|endpoint| listener(endpoint, &advertised, &inter_broker)).collect()
}

fn listener(endpoint: Endpoint, advertised: &[Endpoint], inter_broker: &str) -> Result<Listener, Broken> {
    let bind = resolve(&endpoint)?;
    // A listener that is not advertised is still open; its own address is what there is to tell.
    let told = advertised.iter().find(|told| told.name == endpoint.name).unwrap_or(&endpoint);
    let advertised_host = if told.host.is_empty() { host_name() } else { told.host.clone() };
    let (advertised_port, inter_broker) = (told.port, endpoint.name == inter_broker);
    Ok(Listener { name: endpoint.name, bind, advertised_host, advertised_port, inter_broker })
}

fn endpoints(key: &'static str, elements: &[String]) -> Result<Vec<Endpoint>, Broken> {
    let parsed = elements.iter().map(|text| {
        Endpoint::parse(text)
            .ok_or_else(|| (key, format!("unable to parse {text} to a broker endpoint, NAME://HOST:PORT")))
    });
    parsed.collect()
}

impl Endpoint {
    fn parse(text: &str) -> Option<Self> {
        let (name, address) = text.split_once("://")?;
        let (host, port) = address.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-%._:".contains(letter);
        if name.is_empty() || !host.chars().all(plain) {
            return None;
        }
        Some(Self { name: name.to_uppercase(), host: host.to_owned(), port: port.parse().ok()? })
    }
}

fn check_names_and_ports(endpoints: &[Endpoint]) -> Result<(), Broken> {
    for (position, endpoint) in endpoints.iter().enumerate() {
        for other in &endpoints[..position] {
            if other.name == endpoint.name {
                return Err((
                    LISTENERS,
                    format!("each listener must have a different name; {} stands twice", other.name),
                ));
            }
            let everywhere = |host: &str| host.is_empty() || host == "0.0.0.0" || host == "::";
            let clash = other.host == endpoint.host || everywhere(&other.host) || everywhere(&endpoint.host);
            if endpoint.port != 0 && other.port == endpoint.port && clash {
                return Err((
                    LISTENERS,
                    format!("each listener must have a different port; {} stands twice", other.port),
                ));
            }
        }
    }
    Ok(())
}

/// `listener.security.protocol.map`.
struct Protocols(HashMap<String, String>);

impl Protocols {
    fn read(values: &Values<'_>, controllers: &[String]) -> Result<Self, Broken> {
        let mut map = HashMap::new();
        for pair in
            values.text(PROTOCOL_MAP).unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty())
        {
            let (name, protocol) = pair.split_once(':').ok_or_else(|| {
                (PROTOCOL_MAP, format!("expected NAME:PROTOCOL separated by commas, found {pair}"))
            })?;
            let (name, protocol) = (name.trim().to_uppercase(), protocol.trim().to_uppercase());
            if !PROTOCOLS.contains(&protocol.as_str()) {
                return Err((
                    PROTOCOL_MAP,
                    format!("{protocol} is no security protocol; one of {}", PROTOCOLS.join(", ")),
                ));
            }
            map.insert(name, protocol);
        }
        // KIP-801: where nobody has set the map, the controller's listeners are plain.
        if !values.is_set(PROTOCOL_MAP) {
            map.extend(controllers.iter().map(|name| (name.clone(), PLAINTEXT.to_owned())));
        }
        Ok(Self(map))
    }

    fn check(&self, values: &Values<'_>, name: &str) -> Result<(), Broken> {
        match self.0.get(name).map(String::as_str) {
            Some(PLAINTEXT) => Ok(()),
            Some(protocol) => Err((
                LISTENERS,
                format!("listener {name} asks for {protocol}, which is not served yet; only PLAINTEXT is"),
            )),
            None => {
                let culprit = values.culprit([PROTOCOL_MAP, LISTENERS]);
                Err((
                    culprit,
                    format!("no security protocol is defined for listener {name} in {PROTOCOL_MAP}"),
                ))
            }
        }
    }
}

/// What clients are told, which Kafka wants to be reachable.
fn advertised(
    values: &Values<'_>,
    clients: &[Endpoint],
    controllers: &[String],
) -> Result<Vec<Endpoint>, Broken> {
    let mut advertised = endpoints(ADVERTISED, &values.list(ADVERTISED))?;
    advertised.retain(|endpoint| !controllers.contains(&endpoint.name));
    for endpoint in &advertised {
        if !clients.iter().any(|client| client.name == endpoint.name) {
            let names: Vec<_> = clients.iter().map(|client| client.name.as_str()).collect();
            let text = format!(
                "listener names must be equal to or a subset of the ones defined in {LISTENERS}; {} is not one of {}",
                endpoint.name,
                names.join(", ")
            );
            return Err((ADVERTISED, text));
        }
    }
    let told = if advertised.is_empty() { clients.to_vec() } else { advertised };
    match told.iter().find(|endpoint| endpoint.host == "0.0.0.0") {
        None => Ok(told),
        Some(Endpoint { name, port, .. }) => Err((
            values.culprit([ADVERTISED, LISTENERS]),
            format!(
                "{ADVERTISED} cannot use the nonroutable meta-address 0.0.0.0: clients would be told to dial it. Set \
                 {ADVERTISED} to what they can reach, like {name}://localhost:{port}"
            ),
        )),
    }
}

/// The listener for brokers. Where nobody names one, Kafka insists on PLAINTEXT; the first one does
/// as well, as long as there is one broker.
fn inter_broker(values: &Values<'_>, advertised: &[Endpoint]) -> Result<String, Broken> {
    let named = values.text(INTER_BROKER).map(|name| name.to_uppercase());
    let known = |name: &str| advertised.iter().any(|endpoint| endpoint.name == name);
    match named {
        Some(name) if known(&name) => Ok(name),
        Some(name) => {
            let names: Vec<_> = advertised.iter().map(|endpoint| endpoint.name.as_str()).collect();
            let names = names.join(",");
            Err((
                INTER_BROKER,
                format!(
                    "must be a listener name defined in {ADVERTISED}; {name} is not one of the valid options, {names}"
                ),
            ))
        }
        None if known(PLAINTEXT) => Ok(PLAINTEXT.to_owned()),
        None => Ok(advertised.first().map(|endpoint| endpoint.name.clone()).unwrap_or_default()),
    }
}

fn resolve(endpoint: &Endpoint) -> Result<SocketAddr, Broken> {
    let Endpoint { name, host, port } = endpoint;
    if host.is_empty() {
        return Ok(SocketAddr::new(every_interface(), *port));
    }
    let unknown =
        |reason: &str| (LISTENERS, format!("the host of {name}://{host}:{port} is not known: {reason}"));
    let mut found = (host.as_str(), *port).to_socket_addrs().map_err(|error| unknown(&error.to_string()))?;
    found.next().ok_or_else(|| unknown("it has no address"))
}

/// Both families where the system has both.
fn every_interface() -> IpAddr {
    match UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => Ipv6Addr::UNSPECIFIED.into(),
        Err(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

/// What clients are told where `listeners` leaves the host empty.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use millrace_metadata::config::{ConfigLayers, ConfigMap};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Result<Vec<Listener>, String>, Vec<Notice>) {
        let set: ConfigMap =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let none = ConfigMap::new();
        let layers = ConfigLayers { topic: None, broker: &none, default_broker: &none, static_broker: &set };
        let mut notices = Vec::new();
        let found =
            listeners(&Values::new(layers), &mut notices).map_err(|(key, text)| format!("{key}: {text}"));
        (found, notices)
    }

    fn told(pairs: &[(&str, &str)]) -> Vec<String> {
        let found = read(pairs).0.unwrap();
        let shown = found.iter().map(|listener| {
            let Listener { name, bind, advertised_host, advertised_port, inter_broker } = listener;
            format!(
                "{name} {bind} {advertised_host}:{advertised_port}{}",
                if *inter_broker { " inter" } else { "" }
            )
        });
        shown.collect()
    }

    #[test]
    fn a_laptop_needs_no_setting() {
        assert_eq!(told(&[]), ["PLAINTEXT 127.0.0.1:9092 127.0.0.1:9092 inter"]);
    }

    #[test]
    fn an_empty_host_is_every_interface_and_tells_the_hosts_name() {
        let found = read(&[("listeners", "PLAINTEXT://:9092")]).0.unwrap();
        assert!(found[0].bind.ip().is_unspecified());
        assert_eq!(found[0].advertised_host, host_name());
        assert!(!found[0].advertised_host.is_empty());
    }

    #[test]
    fn the_files_of_kraft_are_understood() {
        let (found, notices) = read(&[
            ("listeners", "PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093"),
            ("advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
            ("inter.broker.listener.name", "PLAINTEXT"),
            ("controller.listener.names", "CONTROLLER"),
            ("listener.security.protocol.map", "CONTROLLER:SSL,PLAINTEXT:PLAINTEXT"),
        ]);
        let found = found.unwrap();
        assert_eq!((found.len(), found[0].advertised_host.as_str()), (1, "localhost"));
        assert_eq!(notices.len(), 1);
    }

    #[test]
    fn names_and_protocols_are_the_users() {
        let found = told(&[
            ("listeners", "internal://127.0.0.1:19092,EXTERNAL://[::1]:0"),
            ("listener.security.protocol.map", "INTERNAL:PLAINTEXT,External:plaintext"),
            ("advertised.listeners", "EXTERNAL://broker.example.com:443"),
        ]);
        assert_eq!(
            found,
            ["INTERNAL 127.0.0.1:19092 127.0.0.1:19092", "EXTERNAL [::1]:0 broker.example.com:443 inter",]
        );
    }

    #[test]
    fn what_cannot_work_is_refused_in_kafkas_words() {
        let cases: &[&[(&str, &str)]] = &[
            &[("listeners", "PLAINTEXT:9092")],
            &[("listeners", "PLAINTEXT://localhost:99999")],
            &[("listeners", "")],
            &[("listeners", "A://127.0.0.1:1,A://127.0.0.1:2")],
            &[("listeners", "PLAINTEXT://127.0.0.1:1,SSL://:1")],
            &[("listeners", "SSL://127.0.0.1:9093")],
            &[("listeners", "CLIENTS://127.0.0.1:9092")],
            &[("listeners", "PLAINTEXT://0.0.0.0:9092")],
            &[("advertised.listeners", "OTHER://localhost:9092")],
            &[("inter.broker.listener.name", "OTHER")],
            &[("listener.security.protocol.map", "PLAINTEXT")],
            &[("listener.security.protocol.map", "PLAINTEXT:TLS")],
            &[("listeners", "PLAINTEXT://no-such-host.invalid:9092")],
        ];
        let answers: Vec<_> = cases.iter().map(|pairs| read(pairs).0.unwrap_err()).collect();
        let (last, answers) = answers.split_last().unwrap();
        assert!(
            last.starts_with("listeners: the host of PLAINTEXT://no-such-host.invalid:9092 is not known: ")
        );
        expect_test::expect![[r#"
            listeners: unable to parse PLAINTEXT:9092 to a broker endpoint, NAME://HOST:PORT
            listeners: unable to parse PLAINTEXT://localhost:99999 to a broker endpoint, NAME://HOST:PORT
            listeners: at least one listener for clients must be defined
            listeners: each listener must have a different name; A stands twice
            listeners: each listener must have a different port; 1 stands twice
            listeners: listener SSL asks for SSL, which is not served yet; only PLAINTEXT is
            listeners: no security protocol is defined for listener CLIENTS in listener.security.protocol.map
            listeners: advertised.listeners cannot use the nonroutable meta-address 0.0.0.0: clients would be told to dial it. Set advertised.listeners to what they can reach, like PLAINTEXT://localhost:9092
            advertised.listeners: listener names must be equal to or a subset of the ones defined in listeners; OTHER is not one of PLAINTEXT
            inter.broker.listener.name: must be a listener name defined in advertised.listeners; OTHER is not one of the valid options, PLAINTEXT
            listener.security.protocol.map: expected NAME:PROTOCOL separated by commas, found PLAINTEXT
            listener.security.protocol.map: TLS is no security protocol; one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL"#]].assert_eq(&answers.join("\n"));
    }
}
