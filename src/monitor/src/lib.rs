// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the engine and a container's monitor say to each other.
//!
//! The monitor is a program of its own (`program/`); this library is only its protocol, so that both sides share one
//! definition: the [`config::Config`] that it is started with, the [`frame::Frame`]s on its sockets, the
//! [`last_run::LastRun`] that it leaves behind, the [`event::Event`]s that both append, how a [`user::User`] of a
//! container is found, how an [`anchor`] sleeps, how a [`cgroup`] is divided, and how a [`network`] begins.
//!
//! ```
//! use haulout_monitor::frame::{Frame, Kind};
//!
//! let mut wire = Vec::new();
//! Frame::new(Kind::Stdin, b"ls\n".to_vec()).write(&mut wire).unwrap();
//! let back = Frame::read(&mut wire.as_slice()).unwrap().unwrap();
//! assert_eq!((back.kind, back.payload.as_slice()), (Kind::Stdin, b"ls\n".as_slice()));
//! ```

pub mod anchor;
pub mod cgroup;
pub mod config;
pub mod event;
pub mod frame;
pub mod health;
pub mod journal;
pub mod last_run;
pub mod network;
pub mod process;
pub mod user;

/// An error of the operating system in the C library's words, without its number.
pub fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
