//! Sockets: accepting, framing, answering in order, and the limits on all of it. Knows frames and
//! responses; what a request means is the business of `dispatch`.

mod connection;
mod frame;
mod limits;
mod listener;
mod outbound;
mod response;

pub(crate) use limits::{ByteBudget, Bytes as BudgetPart, ConnectionLimits};
pub(crate) use listener::{Acceptor, BoundListener, bind};
#[cfg(test)]
pub(crate) use response::Chunk;
pub(crate) use response::Response;
