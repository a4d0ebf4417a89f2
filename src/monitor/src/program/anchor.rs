// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout-monitor --hold`: the anchor, which does nothing but hold the user namespace that it is in.
//!
//! The engine forks it, gives its namespace the user's ids, and has it become this program, because a sleeping copy of the
//! command line would keep a megabyte and a half of memory for it, and this needs a tenth.

/// Sleeps until it is killed.
pub fn hold() -> ! {
    let _ = rustix::thread::set_name(c"haulout-anchor");
    loop {
        // No descriptors, no time: for ever, but for a signal that does not kill.
        let _ = rustix::event::poll(&mut [], None);
    }
}
