// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Has systemd run `quadlet sync` when a unit changes (systemd.path(5)): nothing of ours runs meanwhile.
//!
//! There are three units, because systemd does not watch while what a path starts runs: the path starts a service that is over at once,
//! and this one the service that waits a moment, so that many changes are one, and looks. Whatever changes is either seen by
//! it or has it begin anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use haulout_engine::systemd::{Job, JobResult, OwnUnits, UserManager};

use crate::units;
use crate::units::own::program_folder;

const PATH: &str = "haulout-quadlet-sync.path";
const CHANGED: &str = "haulout-quadlet-changed.service";
const SYNC: &str = "haulout-quadlet-sync.service";

const PATIENCE: Duration = Duration::from_mins(1);

/// Whether systemd watches.
pub fn is_on() -> Result<bool> {
    Ok(OwnUnits::find()?.has(PATH))
}

/// Has systemd watch these folders, and run `quadlet sync` at every login for what changed before. Answers whether it did not watch
/// just these yet.
pub async fn over(folders: &BTreeSet<PathBuf>) -> Result<bool> {
    let own = OwnUnits::find()?;
    let units = [(CHANGED, changed()), (SYNC, sync(&program_folder()?)), (PATH, path_unit(folders))];
    let written = units.iter().all(|(name, text)| own.text(name).as_ref() == Some(text));
    let mut manager = match UserManager::connect().await {
        // The next one will.
        Err(_) if written => return Ok(false),
        connected => connected?,
    };
    if written && watches(&mut manager).await? {
        return Ok(false);
    }
    for (name, text) in units {
        own.write(name, &text)?;
    }
    manager.enable(&[PATH, SYNC], true).await?;
    own.sync_links()?;
    // After the links, as systemctl does: until then systemd holds what it knows of all units for outdated.
    manager.reload().await?;
    match manager.do_job(Job::Restart, PATH, PATIENCE).await? {
        JobResult::Done => Ok(true),
        JobResult::Other(word) => bail!("starting {PATH}: its job was {word}"),
    }
}

/// Whether it does, and will at the next login: one that was to bring it about may have ended in its midst, by a power cut say.
async fn watches(manager: &mut UserManager) -> Result<bool> {
    for name in [PATH, SYNC] {
        if manager.file_state(name).await? != "enabled" {
            return Ok(false);
        }
    }
    let states = manager.units(&[PATH.to_owned()]).await?;
    Ok(states.iter().all(|state| state.active == "active"))
}

/// Has systemd watch no more.
pub async fn end() -> Result<()> {
    let own = OwnUnits::find()?;
    if !own.has(PATH) {
        return Ok(());
    }
    let mut manager = UserManager::connect().await?;
    manager.do_job(Job::Stop, PATH, PATIENCE).await?;
    manager.enable(&[PATH, SYNC], false).await?;
    // By the path it is known that there is something to end.
    for name in [CHANGED, SYNC, PATH] {
        own.remove(name)?;
    }
    own.sync_links()?;
    Ok(manager.reload().await?)
}

/// A line for each folder: systemd does not see into those below.
fn path_unit(folders: &BTreeSet<PathBuf>) -> String {
    // A name with a line break in it cannot be said in a unit.
    let folders = folders.iter().filter_map(|folder| folder.to_str()).filter(|folder| !folder.contains('\n'));
    let lines: String = folders.map(|folder| ["PathChanged=", &folder.replace('%', "%%"), "\n"].concat()).collect();
    format!(
        "[Unit]\nDescription=Watch the folders of Quadlet's units\nDocumentation=man:haulout-quadlet-sync(1)\n\n\
         [Path]\n{lines}Unit={CHANGED}\n\n[Install]\nWantedBy=paths.target\n"
    )
}

/// What the path starts. Someone who saves often is no reason to give up.
fn changed() -> String {
    let manager = if units::is_of_user() { "--user " } else { "" };
    format!(
        "[Unit]\nDescription=See to changes of Quadlet's units\nStartLimitIntervalSec=0\n\n\
         [Service]\nType=oneshot\nExecStart=systemctl {manager}--no-block restart {SYNC}\n"
    )
}

/// What looks. Units with mistakes are told in the journal, and are no failure of its own. What has it begin anew lets it finish (`SIGCONT`
/// ends nothing): one that had written and not told systemd yet would never tell.
fn sync(bin: &Path) -> String {
    let program = bin.join("haulout").display().to_string().replace('%', "%%");
    format!(
        "[Unit]\nDescription=Write the services of Quadlet's units\nDocumentation=man:haulout-quadlet-sync(1)\n\
         StartLimitIntervalSec=0\n\n\
         [Service]\nType=oneshot\nSuccessExitStatus=1\nKillSignal=SIGCONT\nExecStartPre=sleep 0.2\nExecStart=\"{program}\" quadlet sync\n\n\
         [Install]\nWantedBy=default.target\n"
    )
}
