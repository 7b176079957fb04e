//! A response ready to leave: encoded bytes, and ranges of files between them.

use std::collections::VecDeque;

use bytes::Bytes;
use millrace_log::FileRange;
use millrace_protocol::header::{ResponseHeader, response_header_version};
use millrace_protocol::wire::{EncodeError, Writer};
use millrace_protocol::{ApiKey, Message};

use super::limits::Bytes as BudgetPart;

const LENGTH_BYTES: usize = 4;
/// Room for a response that carries no records.
const CAPACITY_BYTES: usize = 256;

/// A piece of a response, in the order in which the pieces leave.
#[derive(Debug)]
pub(crate) enum Chunk {
    Memory(Bytes),
    /// A range, and how much of it has left.
    File(FileRange, usize),
}

/// One framed response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) chunks: VecDeque<Chunk>,
    /// Part of the budget of all requests, held until the response has left.
    pub(crate) budget: Option<BudgetPart>,
}

impl Response {
    /// Bytes that it holds in memory; those in files cost nothing until they leave.
    pub(crate) fn memory_bytes(&self) -> usize {
        let held = |chunk: &Chunk| if let Chunk::Memory(bytes) = chunk { bytes.len() } else { 0 };
        self.chunks.iter().map(held).sum()
    }

    /// Holds as much of `budget` as it takes itself; the rest returns.
    pub(crate) fn holding(mut self, mut budget: BudgetPart) -> Self {
        let held = self.memory_bytes().min(budget.num_permits());
        self.budget = budget.split(held);
        self
    }

    /// Frames `body` behind its header. `files` fill the holes that the body leaves, one each.
    pub(crate) fn new<M: Message>(
        api_key: ApiKey,
        api_version: i16,
        correlation_id: i32,
        body: &M,
        files: Vec<FileRange>,
    ) -> Result<Self, EncodeError> {
        let mut writer = Writer::with_capacity(CAPACITY_BYTES);
        writer.write_i32(0);
        let header = ResponseHeader { correlation_id };
        header.encode(&mut writer, response_header_version(api_key, api_version))?;
        body.encode(&mut writer, api_version)?;
        let length = writer.total_len() - LENGTH_BYTES;
        writer.patch_i32(0, i32::try_from(length).map_err(|_| EncodeError::TooLong { length })?);
        let (bytes, holes) = writer.finish();
        debug_assert_eq!(holes.len(), files.len());
        let mut chunks = VecDeque::with_capacity(1 + 2 * holes.len());
        let mut rest = bytes;
        let mut taken = 0;
        for (hole, file) in holes.into_iter().zip(files) {
            chunks.push_back(Chunk::Memory(rest.split_to(hole.position - taken)));
            taken = hole.position;
            chunks.push_back(Chunk::File(file, 0));
        }
        if !rest.is_empty() {
            chunks.push_back(Chunk::Memory(rest));
        }
        Ok(Self { chunks, budget: None })
    }
}
