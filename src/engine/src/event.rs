// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happened: one JSON object a line, appended to `$XDG_RUNTIME_DIR/haulout/events` by whoever did it.
//!
//! The type is the monitor's library's, since monitors append too.

pub use haulout_monitor::event::{Event, Kind};
