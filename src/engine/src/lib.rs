// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rootless container engine of Haulout.
//!
//! [`Engine`] is the way in: it is cheap to open and to clone, and each noun that a user knows has a façade of its own
//! ([`Engine::containers`], [`Engine::images`], [`Engine::events`]). It never prints, never parses a command line and never
//! reads a terminal: it returns typed values, typed errors and streams. Long work is a stream of progress that is cancelled
//! by dropping it, and leaves nothing behind.
//!
//! ```no_run
//! use futures_util::StreamExt as _;
//! use haulout_engine::container::{Options, Output, RemoveOptions};
//! use haulout_engine::image::PullOptions;
//! use haulout_engine::step::Steps;
//! use haulout_engine::{Engine, Paths};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // First thing, while there is one thread: a process with threads cannot enter a user namespace.
//!     let steps = Steps::fork()?;
//!     let engine = Engine::open(Paths::of_user(), Some(steps));
//!
//!     tokio::runtime::Runtime::new()?.block_on(async {
//!         let mut pull = engine.images().pull("quay.io/libpod/busybox", PullOptions::default());
//!         while let Some(progress) = pull.next().await {
//!             println!("{:?}", progress?);
//!         }
//!         let options = Options {
//!             image: "quay.io/libpod/busybox".to_owned(),
//!             command: vec!["echo".to_owned(), "hello".to_owned()],
//!             ..Options::default()
//!         };
//!         let containers = engine.containers();
//!         let id = containers.create(options).await?;
//!         let mut session = containers.start_attached(&id, None).await?;
//!         while let Some(output) = session.next().await {
//!             if let Output::Stdout(bytes) = output? {
//!                 print!("{}", String::from_utf8_lossy(&bytes));
//!             }
//!         }
//!         containers.remove(&id, RemoveOptions::default()).await?;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # A tour
//!
//! What a user knows: [`image`] fetches, names and removes images; [`container`] makes, starts, follows and removes containers;
//! [`event`] is what happened, [`update`] brings
//! units whose image has changed up to date. What should be is in the database ([`state`]); what *is* comes from the runtime folder
//! ([`paths`]) and the kernel, each time anew, so there is nothing to refresh after a crash.
//!
//! Whatever has to happen inside the user namespace (unpacking a layer, mounting, removing files of other ids, starting) is a
//! [`step::Step`]: plain data and descriptors, sent to a *zygote*, a process with one thread that forks a child for each. The
//! namespace is held by the *anchor* ([`userns`]). The child of a start becomes the container's monitor, a small program of its
//! own (`haulout-monitor`) which drives the OCI runtime ([`runtime`]) on the specification that [`spec`] made.
//!
//! Below that, one module a subject: [`store`] is layers and root filesystems on disk, [`net`] networks, [`systemd`] the user
//! manager over D-Bus, [`config`] the files that podman reads too, [`host`] what a machine lacks and how to mend it.
//!
//! `docs/architecture.md` in the repository shows who calls whom; `docs/rootless.md` and `docs/storage.md` go deeper.

pub mod check;
pub mod config;
pub mod container;
mod descriptor;
pub mod digest;
mod engine;
pub mod event;
pub mod glob;
pub mod host;
pub mod image;
pub mod info;
pub mod net;
pub mod paths;
pub mod runtime;
pub mod secret;
pub mod size;
pub mod spec;
pub mod state;
pub mod step;
pub mod store;
pub mod systemd;
pub mod update;
pub mod userns;
pub mod volume;
pub mod watch;

pub use engine::{Engine, Error, os_words};
pub use paths::Paths;
