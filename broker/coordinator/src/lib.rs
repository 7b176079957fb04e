//! Group coordinator as an event-sourced state machine.
