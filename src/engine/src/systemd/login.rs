// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lingering: whether the user's manager runs from boot on, or from login to logout (org.freedesktop.login1(5)).
//!
//! Everybody may switch their own, as systemd has it by default; a rule of polkit's may want a password first, or refuse.

use rustix::process::getuid;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, connection};

use super::polkit::{self, Standing};
use super::{PROPERTIES, SystemdError};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const USER: &str = "org.freedesktop.login1.User";

/// What polkit calls it when users switch their own.
const ACTION: &str = "org.freedesktop.login1.set-self-linger";

/// Why lingering was not switched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LingerError {
    /// polkit wants a password, and no authentication agent is there that would ask for it.
    #[error("that needs a password, and nothing here asks for it")]
    NobodyAsks,
    /// Somebody was asked for a password, and went away or did not know it.
    #[error("that needs a password, and the right one was not given")]
    NotAnswered,
    /// A rule of polkit's refuses, whoever asks.
    #[error("the administrator of this computer forbids it")]
    Forbidden,
    /// logind could not be asked, or could not do it.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

/// Whether the user's manager runs from boot on.
///
/// # Errors
/// No system bus, or no logind on it.
pub async fn lingers() -> Result<bool, SystemdError> {
    let lingers = async { lingers_by(&connect().await?).await };
    lingers.await.map_err(|error| failed("asking whether your services start at boot", &error))
}

/// Has the user's manager run from boot on, or not any more. polkit may ask the user for a password; this waits for them.
///
/// # Errors
/// What polkit has against it, or what logind says.
pub async fn set_lingering(on: bool) -> Result<(), LingerError> {
    let failed = |error| failed("changing whether your services start at boot", &error);
    let bus = connect().await.map_err(failed)?;
    // Nobody is to be asked for a password when nothing changes.
    if lingers_by(&bus).await.map_err(failed)? == on {
        return Ok(());
    }
    let body = (getuid().as_raw(), on, true);
    match bus.call_method(Some(NAME), PATH, Some(MANAGER), "SetUserLinger", &body).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refusal(&bus, &error).await.unwrap_or_else(|| failed(error).into())),
    }
}

async fn lingers_by(bus: &Connection) -> Result<bool, zbus::Error> {
    let uid = getuid().as_raw();
    let user = match bus.call_method(Some(NAME), PATH, Some(MANAGER), "GetUser", &(uid,)).await {
        // Neither logged in nor lingering.
        Err(error) if is_called(&error, "org.freedesktop.login1.NoSuchUser") => return Ok(false),
        user => user?,
    };
    let user: OwnedObjectPath = user.body().deserialize()?;
    let value = bus.call_method(Some(NAME), user, Some(PROPERTIES), "Get", &(USER, "Linger")).await?;
    let value: OwnedValue = value.body().deserialize()?;
    Ok(bool::try_from(value).unwrap_or(false))
}

/// What polkit has against it, if it was polkit that refused. logind says the same of a question that was not answered and of a rule.
async fn refusal(bus: &Connection, error: &zbus::Error) -> Option<LingerError> {
    if is_called(error, "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired") {
        return Some(LingerError::NobodyAsks);
    }
    if !is_called(error, "org.freedesktop.DBus.Error.AccessDenied") {
        return None;
    }
    match polkit::standing(bus, ACTION).await.ok()? {
        Standing::Asks => Some(LingerError::NotAnswered),
        Standing::Refuses => Some(LingerError::Forbidden),
        Standing::Allows => None,
    }
}

/// Whether it is an answer of this name.
fn is_called(error: &zbus::Error, wanted: &str) -> bool {
    matches!(error, zbus::Error::MethodError(name, ..) if name.as_str() == wanted)
}

async fn connect() -> Result<Connection, zbus::Error> {
    connection::Builder::system()?.build().await
}

fn failed(doing: &'static str, error: &zbus::Error) -> SystemdError {
    SystemdError::Failed { doing, reason: super::bus::words(error) }
}
