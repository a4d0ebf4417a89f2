// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What polkit lets this process do (polkit(8), org.freedesktop.PolicyKit1.Authority).

use std::collections::HashMap;

use zbus::Connection;
use zbus::zvariant::Value;

const NAME: &str = "org.freedesktop.PolicyKit1";
const PATH: &str = "/org/freedesktop/PolicyKit1/Authority";
const AUTHORITY: &str = "org.freedesktop.PolicyKit1.Authority";

/// What comes of it when somebody wants to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Allows,
    /// Somebody has to give a password first.
    Asks,
    Refuses,
}

/// How polkit stands to `action` when whoever has this connection to the system bus wants to do it. Nobody is asked anything.
pub(super) async fn standing(bus: &Connection, action: &str) -> Result<Standing, zbus::Error> {
    let own = bus.unique_name().map(|name| name.as_str()).unwrap_or_default();
    let subject = ("system-bus-name", HashMap::from([("name", Value::from(own))]));
    let (details, flags, cancellation) = (HashMap::<&str, &str>::new(), 0_u32, "");
    let body = (subject, action, details, flags, cancellation);
    let answer = bus.call_method(Some(NAME), PATH, Some(AUTHORITY), "CheckAuthorization", &body).await?;
    let ((allows, asks, _),): ((bool, bool, HashMap<String, String>),) = answer.body().deserialize()?;
    Ok(match (allows, asks) {
        (true, _) => Standing::Allows,
        (false, true) => Standing::Asks,
        (false, false) => Standing::Refuses,
    })
}
