//! Requests that name much: how many entries one may have, and what it may cost while it is worked on.
//!
//! A list's entry may take two bytes of a request and hundreds of the structures that answer it. So the
//! entries of a request are bounded by `socket.request.max.bytes`; a request of some size is read when its
//! turn has come, aside from the connections' tasks; and what its answer may take comes out of the budget
//! of all requests until the answer has left. Requests that come all the time are measured by what they name
//! rather than by their bytes ([`prompt`]). Knows no API.

use std::time::Duration;

use millrace_protocol::Request;
use millrace_protocol::wire::{DecodeError, Reader};
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{aside, turn};
use crate::net::{BudgetPart, Response};
use crate::services::Services;

/// Requests up to this size are read at once.
const BULKY_BYTES: usize = 16 * 1024;
/// What an entry costs: its own structure, the one that answers it, and both their names.
const ENTRY_BYTES: usize = 256;
/// Entries that a request may have wherever it may be sent at all.
const ENTRIES_MIN: usize = 16 * 1024;
/// Entries that cost nothing, and bytes: heartbeats and commits must go on when others use up the budget.
const FREE_ENTRIES: usize = 64;
const FREE_BYTES: usize = 1024 * 1024;
/// Entries of a request that comes all the time, up to which it is read at once.
const PROMPT_ENTRIES_MAX: usize = 4096;
/// A request that finds no room in the budget for this long is given up.
const BUDGET_WAIT_MAX: Duration = Duration::from_secs(10);

/// Entries that all lists of one request may have together.
fn entries_max(request_bytes_max: usize) -> usize {
    (request_bytes_max / ENTRY_BYTES).max(ENTRIES_MIN)
}

/// Bounds what may be read from `body`.
pub(super) fn limit(body: &mut Reader, services: &Services) {
    body.limit_entries(entries_max(services.config.load().limits.request_bytes_max));
}

/// A request that is read, or is going to be.
pub(super) enum Reading<R> {
    Done(R),
    Bulky(Bulky),
}

/// A request that waits for its turn to be read.
pub(super) struct Bulky {
    body: Reader,
    version: i16,
    /// What will be copied out of the frame.
    copied_bytes: usize,
}

/// A request that comes all the time: read, with what it holds, or larger than most.
pub(super) enum Prompt<R> {
    Now(R, Room),
    Later(Reading<R>),
}

/// What a request holds of what all share.
#[derive(Default)]
pub(super) struct Room {
    /// The right to keep a core busy.
    pub(super) turn: Option<OwnedSemaphorePermit>,
    budget: Option<BudgetPart>,
}

/// Reads a small request; leaves a larger one for when somebody waits for it.
pub(super) fn begin<R: Request>(mut body: Reader, version: i16) -> Result<Reading<R>, DecodeError> {
    if body.remaining() > BULKY_BYTES {
        let copied_bytes = body.remaining();
        return Ok(Reading::Bulky(Bulky { body, version, copied_bytes }));
    }
    R::decode(&mut body, version).map(Reading::Done)
}

/// Reads a request at once if it names no more than a good client would, `copied_bytes` of it into structures
/// of its own. One that names much has to find its part of the budget there; if not, it waits for that.
pub(super) fn prompt<R: Request>(
    services: &Services,
    mut body: Reader,
    version: i16,
    copied_bytes: usize,
) -> Result<Prompt<R>, DecodeError> {
    let whole = Bulky { body: body.clone(), version, copied_bytes };
    if copied_bytes > FREE_BYTES {
        return Ok(Prompt::Later(Reading::Bulky(whole)));
    }
    let entries_max = body.entries_left().min(PROMPT_ENTRIES_MAX);
    body.limit_entries(entries_max);
    let request = match R::decode(&mut body, version) {
        Err(DecodeError::TooManyEntries { .. }) => return Ok(Prompt::Later(Reading::Bulky(whole))),
        decoded => decoded?,
    };
    let budget = match cost_bytes(copied_bytes, entries_max - body.entries_left()) {
        0 => None,
        cost => match services.budget.try_take(cost) {
            None => return Ok(Prompt::Later(Reading::Bulky(whole))),
            taken => taken,
        },
    };
    Ok(Prompt::Now(request, Room { turn: None, budget }))
}

impl<R: Request + Send + 'static> Prompt<R> {
    /// As [`Reading::finish`].
    ///
    /// # Errors
    /// Why the connection has to be closed.
    pub(super) async fn finish(self, services: &Services) -> Result<(R, Room), String> {
        match self {
            Self::Now(request, room) => Ok((request, room)),
            Self::Later(reading) => reading.finish(services).await,
        }
    }
}

impl<R: Request + Send + 'static> Reading<R> {
    /// The request, and what it holds while it is worked on.
    ///
    /// # Errors
    /// Why the connection has to be closed.
    pub(super) async fn finish(self, services: &Services) -> Result<(R, Room), String> {
        let Bulky { mut body, version, copied_bytes } = match self {
            Self::Done(request) => return Ok((request, Room::default())),
            Self::Bulky(bulky) => bulky,
        };
        let turn = turn(&services.unpacking).await?;
        let entries_before = body.entries_left();
        let (decoded, entries_left) =
            aside(move || (R::decode(&mut body, version), body.entries_left())).await?;
        let request = decoded.map_err(|error| format!("a bad {} request: {error}", R::API_KEY.name()))?;
        let budget = take_budget(services, copied_bytes, entries_before - entries_left).await?;
        Ok((request, Room { turn: Some(turn), budget }))
    }
}

/// What a request takes of the budget.
fn cost_bytes(copied_bytes: usize, entries: usize) -> usize {
    let entries = if entries > FREE_ENTRIES { entries } else { 0 };
    let bytes = if copied_bytes > FREE_BYTES { copied_bytes } else { 0 };
    entries * ENTRY_BYTES + bytes
}

async fn take_budget(
    services: &Services,
    copied_bytes: usize,
    entries: usize,
) -> Result<Option<BudgetPart>, String> {
    let cost = cost_bytes(copied_bytes, entries);
    if cost == 0 {
        return Ok(None);
    }
    match tokio::time::timeout(BUDGET_WAIT_MAX, services.budget.take(cost)).await {
        Ok(Ok(part)) => Ok(Some(part)),
        _ => Err(format!("no memory for a request of {entries} entries within queued.max.request.bytes")),
    }
}

impl Room {
    /// Gives back what is not needed for so many entries.
    pub(super) fn keep_for(&mut self, entries: usize) {
        if let Some(budget) = &mut self.budget {
            let kept = cost_bytes(0, entries).min(budget.num_permits());
            self.budget = budget.split(kept);
        }
    }

    /// The turn is over; what a large answer takes is held until it has left. Whoever asks for little may be
    /// told much: the settings of all topics, all offsets of a group.
    ///
    /// # Errors
    /// Why the connection has to be closed: others' answers have used up the budget. Nothing waits for it
    /// with an answer in its hands.
    pub(super) fn held_by(self, response: Response, services: &Services) -> Result<Response, String> {
        let bytes = response.memory_bytes();
        let held = self.budget.as_ref().map_or(0, BudgetPart::num_permits);
        if bytes <= FREE_BYTES.max(held) {
            return Ok(match self.budget {
                Some(budget) => response.holding(budget),
                None => response,
            });
        }
        let more = services.budget.try_take(bytes - held);
        let mut more = more.ok_or_else(|| {
            format!("no memory for an answer of {bytes} bytes within queued.max.request.bytes")
        })?;
        if let Some(budget) = self.budget {
            more.merge(budget);
        }
        Ok(response.holding(more))
    }
}
