// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lingering: whether the user's manager runs from boot on, or from login to logout (org.freedesktop.login1(5)).

use rustix::process::getuid;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus::{Connection, connection};

use super::{PROPERTIES, SystemdError};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const USER: &str = "org.freedesktop.login1.User";

/// Whether the user's manager runs from boot on.
///
/// # Errors
/// No system bus, or no logind on it.
pub async fn lingers() -> Result<bool, SystemdError> {
    let failed = |error: zbus::Error| failed("asking whether your services start at boot", &error);
    let bus = connect().await.map_err(failed)?;
    let uid = getuid().as_raw();
    let user = bus.call_method(Some(NAME), PATH, Some(MANAGER), "GetUser", &(uid,)).await.map_err(failed)?;
    let user: OwnedObjectPath = user.body().deserialize().map_err(failed)?;
    let value = bus.call_method(Some(NAME), user, Some(PROPERTIES), "Get", &(USER, "Linger")).await.map_err(failed)?;
    let value: OwnedValue = value.body().deserialize().map_err(failed)?;
    Ok(bool::try_from(value).unwrap_or(false))
}

/// Has the user's manager run from boot on, or not any more. polkit may ask the user.
///
/// # Errors
/// What logind says: that polkit refused, for one.
pub async fn set_lingering(on: bool) -> Result<(), SystemdError> {
    let failed = |error: zbus::Error| failed("changing whether your services start at boot", &error);
    let bus = connect().await.map_err(failed)?;
    let body = (getuid().as_raw(), on, true);
    bus.call_method(Some(NAME), PATH, Some(MANAGER), "SetUserLinger", &body).await.map_err(failed)?;
    Ok(())
}

async fn connect() -> Result<Connection, zbus::Error> {
    connection::Builder::system()?.build().await
}

fn failed(doing: &'static str, error: &zbus::Error) -> SystemdError {
    SystemdError::Failed { doing, reason: super::bus::words(error) }
}
