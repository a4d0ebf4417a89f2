// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `haulout auto-update enable` and `disable`.

use std::path::Path;

use anyhow::Result;
use haulout_engine::update::timer;

use crate::invocation::Invocation;
use crate::units::own::program_folder;
use crate::{output, units};

/// What comes after the verb.
pub const USAGE: &str = "";

/// Update containers every day
///
/// Starts haulout-auto-update.timer, now and at every login: it runs `auto-update` every day, or at the windows that [auto-update] in
/// ~/.config/haulout/config.toml has, and what it does is notified. Run this again when the windows have changed.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Switches it on.
pub async fn run(_: Args, _: &Invocation) -> Result<u8> {
    timer::enable(&program_folder()?).await?;
    if units::is_of_user() && !lingers() {
        output::warning("it runs while you are logged in; for it to run always: loginctl enable-linger");
    }
    Ok(0)
}

/// `haulout auto-update disable`.
pub mod disable {
    use super::{Invocation, Result, timer};

    /// What comes after the verb.
    pub const USAGE: &str = "";

    /// Do not update containers every day any more
    ///
    /// Stops haulout-auto-update.timer, now and for later logins.
    #[derive(clap::Args, Debug)]
    pub struct Args {}

    /// Switches it off.
    pub async fn run(_: Args, _: &Invocation) -> Result<u8> {
        timer::disable().await?;
        Ok(0)
    }
}

/// Whether systemd keeps the user's manager without anybody being logged in.
fn lingers() -> bool {
    let user = std::env::var_os("USER").or_else(|| std::env::var_os("LOGNAME"));
    user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user).exists())
}
