// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens to units, as systemd tells it.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;

use super::private::Incoming;
use super::{SystemdError, UserManager, Way};

/// Something changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitChange {
    /// How units are.
    States,
    /// Which units there are, and what they say: they were read anew.
    Units,
}

/// What changes from the moment of the first poll on, until the manager goes.
pub fn changes() -> BoxStream<'static, Result<UnitChange, SystemdError>> {
    let stream = async_stream::try_stream! {
        let gone = |reason: String| SystemdError::NoManager(reason);
        match UserManager::connect().await?.way {
            // It signals to its private connections without being asked to.
            Way::Private(mut private) => loop {
                let incoming = private.next().await.map_err(|error| gone(error.to_string()))?;
                if let Incoming::Signal { member, .. } = incoming
                    && let Some(change) = change(&member)
                {
                    yield change;
                }
            },
            Way::Bus(bus) => {
                let mut signals = bus.signals(None).await.map_err(|error| gone(error.to_string()))?;
                while let Some(message) = signals.next().await {
                    let message = message.map_err(|error| gone(error.to_string()))?;
                    if let Some(change) = message.header().member().and_then(|member| change(member.as_str())) {
                        yield change;
                    }
                }
            }
        }
    };
    stream.boxed()
}

/// What a signal means. `UnitNew` and `UnitRemoved` mean nothing: asking for a unit makes them.
fn change(member: &str) -> Option<UnitChange> {
    match member {
        "PropertiesChanged" | "JobNew" | "JobRemoved" => Some(UnitChange::States),
        "Reloading" | "UnitFilesChanged" => Some(UnitChange::Units),
        _ => None,
    }
}
