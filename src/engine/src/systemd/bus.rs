// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The manager on its bus, by zbus.

use futures_util::StreamExt as _;
use zbus::fdo::DBusProxy;
use zbus::zvariant::{DynamicType, OwnedObjectPath};
use zbus::{Connection, MatchRule, MessageStream};

use super::{JobRemoved, MANAGER, MANAGER_PATH};

const NAME: &str = "org.freedesktop.systemd1";

/// A connection to the bus.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    connection: Connection,
}

impl Bus {
    /// Connects to the bus at `address` (D-Bus specification, server addresses), if the manager is on it: a bus would wait for one to be
    /// started that is called.
    pub(super) async fn connect(address: &str) -> Result<Self, zbus::Error> {
        let connection = zbus::connection::Builder::address(address)?.build().await?;
        let bus = DBusProxy::new(&connection).await?;
        if !bus.name_has_owner(NAME.try_into()?).await? {
            return Err(zbus::Error::Failure(format!("{NAME} is not on the bus")));
        }
        Ok(Self { connection })
    }

    /// Calls a method of the manager's that answers a job, and gives the job's result when it has ended.
    pub(super) async fn call_and_wait<B>(&self, method: &str, body: &B) -> Result<String, String>
    where
        B: serde::Serialize + DynamicType,
    {
        // Before the call: the job may end before its answer is read.
        let mut signals = self.signals(Some("JobRemoved")).await.map_err(|error| words(&error))?;
        let answer = self.connection.call_method(Some(NAME), MANAGER_PATH, Some(MANAGER), method, body).await;
        let answer = answer.map_err(|error| words(&error))?;
        let job: OwnedObjectPath = answer.body().deserialize().map_err(|error| error.to_string())?;
        while let Some(message) = signals.next().await {
            let message = message.map_err(|error| words(&error))?;
            let body = message.body();
            let Ok((_, removed, _, result)) = body.deserialize::<JobRemoved>() else { continue };
            if removed == job {
                return Ok(result);
            }
        }
        Err("the bus closed the connection".to_owned())
    }

    /// The manager's signals: those of one name, or all, and its units' too.
    pub(super) async fn signals(&self, member: Option<&'static str>) -> Result<MessageStream, zbus::Error> {
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(NAME)?;
        let rule = match member {
            Some(member) => rule.interface(MANAGER)?.member(member)?.build(),
            None => rule.path_namespace(MANAGER_PATH)?.build(),
        };
        let stream = MessageStream::for_match_rule(rule, &self.connection, None).await?;
        // systemd sends signals on a bus only to those who say that they want them. That it was said before is no failure.
        let _ = self.connection.call_method(Some(NAME), MANAGER_PATH, Some(MANAGER), "Subscribe", &()).await;
        Ok(stream)
    }

    /// Calls a method of an object, and answers what it gives.
    pub(super) async fn ask<B, T>(&self, path: &str, interface: &str, method: &str, body: &B) -> Result<T, String>
    where
        B: serde::Serialize + DynamicType,
        T: serde::de::DeserializeOwned + zbus::zvariant::Type,
    {
        let answer = self.connection.call_method(Some(NAME), path, Some(interface), method, body).await;
        answer.map_err(|error| words(&error))?.body().deserialize().map_err(|error| error.to_string())
    }
}

/// systemd's own words, without D-Bus's name for them.
pub(super) fn words(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(text), _) => text.clone(),
        other => other.to_string(),
    }
}
