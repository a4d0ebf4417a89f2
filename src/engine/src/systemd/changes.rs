// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens to units, as systemd tells it.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::bus::Bus;
use super::private::{Incoming, Private};
use super::{SystemdError, UserManager, Way};

/// Something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitChange {
    /// How units are.
    States,
    /// Which units there are, and what they say: they were read anew.
    Units,
}

/// How long a manager is away at most that executes itself anew, as it does when systemd is updated.
const ANEW: Duration = Duration::from_secs(2);

/// How often one is looked for that is away longer than that: nobody tells that it has come.
const ABSENT: Duration = Duration::from_secs(2);

/// What changes from the moment of the first poll on. That the manager goes is a change, and that one comes: what changed meanwhile may be
/// anything. Without end.
pub fn changes() -> BoxStream<'static, UnitChange> {
    let stream = async_stream::stream! {
        let mut manager = UserManager::connect().await;
        loop {
            if let Ok(there) = manager
                && let Ok(mut signals) = there.signals().await
            {
                while let Some(Ok(member)) = signals.next().await {
                    if let Some(change) = change(&member) {
                        yield change;
                    }
                }
                manager = UserManager::connect_within(ANEW).await;
                yield UnitChange::Units;
            } else {
                tokio::time::sleep(ABSENT).await;
                manager = UserManager::connect().await;
                if manager.is_ok() {
                    yield UnitChange::Units;
                }
            }
        }
    };
    stream.boxed()
}

impl UserManager {
    /// The names of the manager's signals, and of its units', as long as the connection holds.
    async fn signals(self) -> Result<BoxStream<'static, Result<String, SystemdError>>, SystemdError> {
        match self.way {
            Way::Private(private) => Ok(of_private(private)),
            Way::Bus(bus) => of_bus(&bus).await.map_err(|error| gone(&error)),
        }
    }
}

/// It signals to its private connections without being asked to.
fn of_private(private: Private) -> BoxStream<'static, Result<String, SystemdError>> {
    let next = async |mut private: Private| {
        let incoming = private.next().await.map_err(|error| gone(&error))?;
        Ok(Some((incoming, private)))
    };
    let member = async |incoming| match incoming {
        Incoming::Signal { member, .. } => Ok(Some(member)),
        _ => Ok(None),
    };
    stream::try_unfold(private, next).try_filter_map(member).boxed()
}

async fn of_bus(bus: &Bus) -> Result<BoxStream<'static, Result<String, SystemdError>>, zbus::Error> {
    let signals = bus.signals(None).await?;
    let member = |message: zbus::Message| message.header().member().map(ToString::to_string).unwrap_or_default();
    Ok(signals.map(move |message| message.map(member).map_err(|error| gone(&error))).boxed())
}

fn gone(reason: &dyn std::fmt::Display) -> SystemdError {
    SystemdError::NoManager(reason.to_string())
}

/// What a signal means. `UnitNew` and `UnitRemoved` mean nothing: asking for a unit makes them.
fn change(member: &str) -> Option<UnitChange> {
    match member {
        "PropertiesChanged" | "JobNew" | "JobRemoved" => Some(UnitChange::States),
        "Reloading" | "UnitFilesChanged" => Some(UnitChange::Units),
        _ => None,
    }
}
