//! InitProducerId: ids for idempotent producers, out of blocks that the metadata gives to this broker
//! (KIP-98, KIP-730; `TransactionCoordinator.handleInitProducerId`). There are no transactions yet.

use millrace_protocol::ErrorCode;
use millrace_protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::context::RequestContext;
use crate::producer_ids::ProducerIds;
use crate::quorum::Quorum;

const NONE: i64 = -1;

pub(crate) async fn handle(
    producer_ids: &ProducerIds,
    quorum: &Quorum,
    _: &RequestContext,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match answer(producer_ids, quorum, &request).await {
        Ok(producer_id) => {
            InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
        }
        Err(error_code) => InitProducerIdResponse {
            error_code,
            producer_id: NONE,
            producer_epoch: -1,
            ..InitProducerIdResponse::default()
        },
    }
}

async fn answer(
    producer_ids: &ProducerIds,
    quorum: &Quorum,
    request: &InitProducerIdRequest,
) -> Result<i64, ErrorCode> {
    if (request.producer_id == NONE) != (request.producer_epoch == -1) {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    match request.transactional_id.as_deref() {
        // Kafka's own answer to a name that cannot be one.
        Some("") => Err(ErrorCode::INVALID_REQUEST),
        // The authorizer's word for "not here": the one error of this API that clients neither retry
        // nor misread as a passing trouble.
        Some(_) => Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        // Without transactions an epoch is never bumped: a producer that lost track gets a new id.
        None => producer_ids.next(quorum).await,
    }
}
