//! Client telemetry ([KIP-714](https://cwiki.apache.org/confluence/display/KAFKA/KIP-714)): the
//! broker wants no metrics, and says so, or Java clients fill their logs with failed requests.

use millrace_protocol::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use millrace_protocol::messages::push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};
use millrace_protocol::{ErrorCode, Uuid};

use crate::context::RequestContext;

/// How long a client waits before it asks again (`ClientMetricsConfigs`, default interval).
const PUSH_INTERVAL_MS: i32 = 5 * 60 * 1000;
const TELEMETRY_BYTES_MAX: i32 = 1024 * 1024;

pub(crate) fn subscriptions(
    _: &RequestContext,
    request: &GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse {
    let known = request.client_instance_id;
    let client_instance_id = if known.is_zero() { Uuid(fastrand::u128(1..).to_be_bytes()) } else { known };
    GetTelemetrySubscriptionsResponse {
        client_instance_id,
        push_interval_ms: PUSH_INTERVAL_MS,
        telemetry_max_bytes: TELEMETRY_BYTES_MAX,
        delta_temporality: true,
        ..GetTelemetrySubscriptionsResponse::default()
    }
}

/// Nobody subscribed to anything, so whoever pushes is out of date.
pub(crate) fn push(_: &RequestContext, _: &PushTelemetryRequest) -> PushTelemetryResponse {
    PushTelemetryResponse {
        error_code: ErrorCode::UNKNOWN_SUBSCRIPTION_ID,
        ..PushTelemetryResponse::default()
    }
}
