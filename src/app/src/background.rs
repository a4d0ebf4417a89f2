// SPDX-License-Identifier: GPL-3.0-or-later
//! Going on without a window: the app looks for updates once a day, and tells the desktop what it finds.
//!
//! The desktop is asked for it by its portal (org.freedesktop.portal.Background), which also has the app started at login. Where there
//! is none, nobody forbids it and nobody starts it: it goes on until the end of the session.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gettextrs::gettext;
use relm4::adw;
use relm4::gtk::prelude::*;
use relm4::gtk::{gio, glib};

use crate::connection::{Shared, UpdateStep, UpdateWork};
use crate::settings;
use crate::updates::notice;

/// How long what was found is good for, in seconds.
const DAY: i64 = 24 * 60 * 60;
/// No sleep is longer: a machine that was suspended has slept less than it thinks.
const NAP: i64 = 60 * 60;
/// How long the portal may take: it may ask the person.
const PATIENCE: Duration = Duration::from_mins(2);

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PORTAL_PATH: &str = "/org/freedesktop/portal/desktop";
const BACKGROUND: &str = "org.freedesktop.portal.Background";
const REQUEST: &str = "org.freedesktop.portal.Request";

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may go on, and is started at login.
    Granted,
    /// It may go on; it is not started at login.
    NotAtLogin,
    /// Somebody said no.
    Denied,
    /// There is no portal to ask.
    NoPortal,
}

/// What goes on without a window.
#[derive(Clone, Default)]
pub struct Background(Rc<RefCell<Option<Kept>>>);

/// The app is kept by it.
struct Kept {
    _hold: gio::ApplicationHoldGuard,
    looking: glib::JoinHandle<()>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Background {
    /// Goes on if somebody wanted it; ends when nobody does any more. `connect` makes a connection.
    pub fn obey(&self, app: &adw::Application, connect: fn() -> Shared) {
        let obey = {
            let (background, app) = (self.clone(), app.downgrade());
            move |on: bool| {
                let Some(app) = app.upgrade() else { return };
                let kept = background.0.borrow().is_some();
                if on && !kept {
                    let kept = Kept { _hold: app.hold(), looking: relm4::spawn_local(look(connect)) };
                    background.0.replace(Some(kept));
                } else if !on {
                    background.0.replace(None);
                }
            }
        };
        settings::follow_switch(settings::BACKGROUND, obey);
    }
}

/// Looks whenever nobody has looked for a day.
async fn look(connect: fn() -> Shared) {
    loop {
        let connection = connect();
        let last = match connection.updates().await {
            Ok(updates) if updates.list.is_empty() => Some(crate::measure::now()),
            Ok(updates) => updates.list.iter().filter_map(|update| update.checked).max(),
            Err(_) => None,
        };
        let due = last.map_or(0, |last| last + DAY);
        if due <= crate::measure::now() {
            let flow = connection.run_updates(UpdateWork::CheckUnasked);
            while let Some(step) = flow.next().await {
                if matches!(step, Ok(UpdateStep::Done(..)) | Err(_)) {
                    break;
                }
            }
            tell(&connection).await;
        }
        // Between two looks nothing is held: no database, no worker.
        drop(connection);
        let left = (due - crate::measure::now()).clamp(60, NAP);
        glib::timeout_future_seconds(u32::try_from(left).unwrap_or(60)).await;
    }
}

/// Tells the desktop what nobody has seen.
pub async fn tell(connection: &Shared) {
    if let Ok(unseen) = connection.unseen_updates().await {
        notice::send(&unseen);
    }
}

/// Asks the desktop whether the app may go on without a window, and be started at login; or says that it need not any more.
pub async fn request(on: bool) -> Answer {
    let asked = glib::future_with_timeout(PATIENCE, ask(on)).await;
    match asked {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            glib::g_debug!("haulout", "asking the portal for the background: {error}");
            Answer::NoPortal
        }
        Err(_) => Answer::Denied,
    }
}

/// org.freedesktop.portal.Background.RequestBackground; the answer is the request's signal `Response`.
async fn ask(on: bool) -> Result<Answer, glib::Error> {
    let bus = gio::bus_get_future(gio::BusType::Session).await?;
    let token = format!("haulout{}", glib::real_time());
    let sender = bus.unique_name().unwrap_or_default().trim_start_matches(':').replace('.', "_");
    let request = format!("{PORTAL_PATH}/request/{sender}/{token}");
    let (answers, answer) = async_channel::bounded::<Answer>(1);
    // Before the call: the answer may come at once.
    let _subscription = bus.subscribe_to_signal(
        Some(PORTAL),
        Some(REQUEST),
        Some("Response"),
        Some(&request),
        None,
        gio::DBusSignalFlags::NONE,
        move |signal| {
            let _ = answers.try_send(read(signal.parameters));
        },
    );
    let options = glib::VariantDict::new(None);
    options.insert_value("handle_token", &token.to_variant());
    options.insert_value("reason", &gettext("Looking for updates of containers").to_variant());
    options.insert_value("autostart", &on.to_variant());
    options.insert_value("commandline", &["haulout-app", "--gapplication-service"].as_slice().to_variant());
    let called = bus
        .call_future(
            Some(PORTAL),
            PORTAL_PATH,
            BACKGROUND,
            "RequestBackground",
            Some(&("", options).to_variant()),
            None,
            gio::DBusCallFlags::NONE,
            -1,
        )
        .await;
    called?;
    Ok(answer.recv().await.unwrap_or(Answer::Denied))
}

/// `(u, a{sv})`: 0 is yes, with what was granted.
fn read(response: &glib::Variant) -> Answer {
    let Some((0, results)) = response.get::<(u32, glib::VariantDict)>() else { return Answer::Denied };
    let granted = |key: &str| results.lookup::<bool>(key).ok().flatten().unwrap_or_default();
    match (granted("background"), granted("autostart")) {
        (true, true) => Answer::Granted,
        (true, false) => Answer::NotAtLogin,
        _ => Answer::Denied,
    }
}

#[cfg(test)]
mod tests {
    use relm4::gtk::glib;
    use relm4::gtk::prelude::*;

    use super::{Answer, read};

    fn response(code: u32, background: bool, autostart: bool) -> glib::Variant {
        let results = glib::VariantDict::new(None);
        results.insert_value("background", &background.to_variant());
        results.insert_value("autostart", &autostart.to_variant());
        (code, results).to_variant()
    }

    #[test]
    fn only_what_is_granted_is_taken_for_granted() {
        assert_eq!(read(&response(0, true, true)), Answer::Granted);
        assert_eq!(read(&response(0, true, false)), Answer::NotAtLogin);
        assert_eq!(read(&response(0, false, true)), Answer::Denied);
        assert_eq!(read(&response(1, true, true)), Answer::Denied);
        assert_eq!(read(&"nonsense".to_variant()), Answer::Denied);
    }
}
