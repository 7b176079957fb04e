//! Clusters to decide upon.

use millrace_metadata::config::ConfigMap;
use millrace_metadata::controller::{
    ControllerSettings, Decision, Registration, found_cluster, register_broker,
};
use millrace_metadata::image::{ClusterImage, EndpointImage};
use millrace_protocol::Uuid;

/// The only data directory of a broker.
pub(crate) fn directory(broker: i32) -> Uuid {
    let mut bytes = [0xd1; 16];
    bytes[0] = u8::try_from(broker).expect("small");
    Uuid(bytes)
}

pub(crate) fn registration(node_id: i32, rack: Option<&str>) -> Registration {
    Registration {
        node_id,
        incarnation_id: Uuid([7; 16]),
        endpoints: vec![EndpointImage {
            name: "PLAINTEXT".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 9092,
            security_protocol: 0,
        }],
        rack: rack.map(str::to_owned),
        log_dirs: vec![directory(node_id)],
    }
}

/// The image after a decision.
pub(crate) fn after<T>(image: &ClusterImage, decision: &Decision<T>) -> ClusterImage {
    image.apply(&decision.records).expect("a decision fits its image").0
}

/// A founded cluster with these brokers.
pub(crate) fn cluster(brokers: &[(i32, Option<&str>)]) -> ClusterImage {
    let empty = ConfigMap::new();
    let settings = ControllerSettings { node_id: 1, static_broker: &empty };
    let image = ClusterImage::new("MkU3OEVBNTcwNTJENDM2Qg");
    let mut image = image.apply(&found_cluster(&image)).expect("founded").0;
    for (offset, (node_id, rack)) in (1..).zip(brokers) {
        let decision = register_broker(&image, &registration(*node_id, *rack), &settings, offset);
        image = after(&image, &decision);
    }
    image
}
