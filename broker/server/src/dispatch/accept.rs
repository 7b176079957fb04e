//! From a frame to a request that the broker serves: the header, checked against the route table.

use std::sync::Arc;

use bytes::Bytes;
use millrace_protocol::header::{RequestHeader, request_header_version};
use millrace_protocol::wire::Reader;
use millrace_protocol::{ApiKey, Message};

use crate::context::{Peer, RequestContext};
use crate::handlers::api_versions::served;

/// Bytes of API number and version at the front of every request header.
const KEY_AND_VERSION_BYTES: usize = 4;

/// Why a request does not reach a route.
pub(super) enum Refusal {
    /// ApiVersions in a version from the future gets an answer that everybody can read (KIP-511).
    UnknownApiVersions(RequestContext),
    Close(String),
}

pub(super) fn accept(peer: &Arc<Peer>, frame: Bytes) -> Result<(RequestContext, Reader), Refusal> {
    let Some(&[k0, k1, v0, v1]) = frame.first_chunk::<KEY_AND_VERSION_BYTES>() else {
        return Err(Refusal::Close(format!("a request of {} bytes", frame.len())));
    };
    let (number, api_version) = (i16::from_be_bytes([k0, k1]), i16::from_be_bytes([v0, v1]));
    let api_key =
        ApiKey::from_number(number).ok_or_else(|| Refusal::Close(format!("API {number} is not served")))?;
    let served = served(api_key).contains(api_version);
    if !served && api_key != ApiKey::ApiVersions {
        return Err(Refusal::Close(format!("version {api_version} of {} is not served", api_key.name())));
    }
    let mut reader = Reader::new(frame);
    // Of an unknown version only the part of the header that never changes can be trusted.
    let header_version = if served { request_header_version(api_key, api_version) } else { 1 };
    let header = RequestHeader::decode(&mut reader, header_version)
        .map_err(|error| Refusal::Close(format!("a bad header: {error}")))?;
    let context = RequestContext {
        peer: Arc::clone(peer),
        api_key,
        api_version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
    };
    if served { Ok((context, reader)) } else { Err(Refusal::UnknownApiVersions(context)) }
}
