// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quadlet: unit text in, service text out.
//!
//! People write what they want to run as units (`web.container`, `data.volume`, …: podman-systemd.unit(5)), and get services that
//! systemd runs. The generator, the command line and the app's editor make them here, so that they say the same. Only
//! [`search`], [`folder`] and [`rival`] touch files.
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use haulout_quadlet::{Settings, Source, Unit, UnitName, generate};
//!
//! let path = Path::new("/etc/containers/systemd/web.container");
//! let (unit, problems) = Unit::parse("[Container]\nImage=docker.io/library/nginx:1\n", &Arc::from(path), 1);
//! let name = UnitName::parse("web.container").expect("a name of a unit");
//! let sources = [Source { path: path.into(), folder: "/etc/containers/systemd".into(), name, unit, problems }];
//! let settings = Settings { program: "/usr/bin/haulout".into(), user: true, is_there: |device| device.exists() };
//!
//! let outcome = &generate(&sources, &settings)[0];
//! let service = outcome.service.as_ref().expect("a service");
//! assert_eq!(service.name, "web");
//! assert!(service.unit.to_string().contains("ExecStart=/usr/bin/haulout run --name systemd-%N"));
//! ```
//!
//! What is wrong with a unit is a [`Problem`]: where, what, and what to do.

pub mod bundle;
mod command;
mod compose;
pub mod edit;
mod flags;
pub mod folder;
pub mod form;
pub mod from_run;
pub mod habits;
pub mod home;
pub mod install;
mod keys;
mod kind;
pub mod lasting;
pub mod own;
mod problem;
pub mod rival;
pub mod search;
mod service;
mod source;
mod unit;

pub use compose::{ComposeError, from_compose};
pub use flags::{Flag, Said, said};
pub use folder::{Changes, ServiceFolder, Writer};
pub use from_run::{FromRunError, Written, from_run};
pub use keys::Key;
pub use kind::{Kind, UnitName};
pub use own::OwnFolder;
pub use problem::{Fault, Problem, Severity};
pub use search::SearchPath;
pub use service::{Outcome, Service, Settings, each, generate};
pub use source::Source;
pub use unit::words::{Word, Words};
pub use unit::{Entry, Place, Section, Unit, words};
