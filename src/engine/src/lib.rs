// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rootless container engine of Haulout.
//!
//! [`Engine`] is the way in: it is cheap to open and to clone, and each noun that a user knows has a façade of its
//! own ([`Engine::containers`], [`Engine::images`], [`Engine::events`]). It never prints, never parses a command line and
//! never reads a terminal. What has to happen inside the user namespace goes as a [`step::Step`] to a zygote.

#![allow(clippy::todo, reason = "the façade's bodies arrive one by one; this goes with the last of them")]

pub mod config;
pub mod container;
mod descriptor;
pub mod digest;
mod engine;
pub mod event;
pub mod host;
pub mod image;
pub mod info;
pub mod net;
pub mod paths;
pub mod runtime;
pub mod spec;
pub mod state;
pub mod step;
pub mod store;
pub mod systemd;
pub mod userns;

pub use engine::{Engine, Error};
pub use paths::Paths;
