// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run at a time: `updates/lock`, which says what the run that holds it brings up to date. What it says counts only while it is
//! held, so whoever is killed leaves nothing to be mistaken for work that goes on. When it is given back it is closed, however that came:
//! who watches the folder ([`super::Updates::changes`]) hears of it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use super::{RunProgress, checks};
use crate::engine::{Engine, Error};
use crate::image::progress::Reporter;

/// How long is waited before another look.
const REST: Duration = Duration::from_millis(100);

/// Held by the one run that there may be.
pub(super) struct Lock {
    engine: Engine,
    file: File,
}

impl Lock {
    /// Takes it, waiting for whoever has it.
    pub(super) async fn take(engine: &Engine, reporter: &Reporter<RunProgress>) -> Result<Self, Error> {
        let path = path(engine);
        let failed = |source| Error::Io { doing: format!("locking {}", path.display()), source };
        fs::create_dir_all(checks::folder(engine)).map_err(failed)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !std::mem::replace(&mut said, true) {
                reporter.say(RunProgress::Waiting);
            }
            tokio::time::sleep(REST).await;
        }
        file.set_len(0).map_err(failed)?;
        Ok(Self { engine: engine.clone(), file })
    }

    /// Says what this run brings up to date, beside what was said before.
    pub(super) async fn name_units(&self, units: impl Iterator<Item = &str>) -> Result<(), Error> {
        let text: String = units.flat_map(|unit| [unit, "\n"]).collect();
        if text.is_empty() {
            return Ok(());
        }
        let failed = |source| Error::Io { doing: format!("writing {}", path(&self.engine).display()), source };
        (&self.file).write_all(text.as_bytes()).map_err(failed)?;
        checks::tell(&self.engine).await
    }

    /// The units that a run brings up to date now.
    pub(super) async fn units(engine: &Engine) -> Result<Vec<String>, Error> {
        let path = path(engine);
        let read = move || {
            let Ok(file) = File::open(&path) else { return Ok(Vec::new()) };
            let text = io::read_to_string(&file).unwrap_or_default();
            // Only where somebody is named: the look is a lock too, for which a run that begins just then would wait.
            let goes_on = !text.is_empty() && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
            Ok(text.lines().filter(|_| goes_on).map(str::to_owned).collect())
        };
        engine.blocking("looking whether updates are made", read).await
    }
}

impl Drop for Lock {
    /// Before it is closed: who hears of that is to see that nothing goes on.
    fn drop(&mut self) {
        let given_back = self.file.set_len(0).and_then(|()| self.file.unlock());
        if let Err(error) = given_back {
            tracing::debug!("unlocking {}: {error}", path(&self.engine).display());
        }
    }
}

fn path(engine: &Engine) -> PathBuf {
    checks::folder(engine).join("lock")
}
