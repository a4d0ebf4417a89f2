// SPDX-License-Identifier: GPL-3.0-or-later
//! What is done to containers and units alike: how it is shown that it began, and told what came of it.

use gettextrs::gettext;
use relm4::gtk::glib::prelude::*;

use crate::connection::{Action, Failure, Reply, UnitAction};
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::widgets::failure;
use crate::window::Context;

impl From<UnitAction> for Action {
    fn from(action: UnitAction) -> Self {
        match action {
            UnitAction::Start => Self::Start,
            UnitAction::Stop => Self::Stop,
            UnitAction::Restart => Self::Restart,
        }
    }
}

/// What is being done, for the state column.
pub fn under_way(action: Action) -> String {
    match action {
        Action::Start => gettext("Starting…"),
        Action::Stop => gettext("Stopping…"),
        Action::Restart => gettext("Restarting…"),
        Action::Kill => gettext("Killing…"),
        Action::Remove => gettext("Removing…"),
    }
}

/// What was done to one, for the toast.
fn done(action: Action, name: &str) -> String {
    let text = match action {
        Action::Start => gettext("Started “{}”"),
        Action::Stop => gettext("Stopped “{}”"),
        Action::Restart => gettext("Restarted “{}”"),
        Action::Kill => gettext("Killed “{}”"),
        Action::Remove => gettext("Removed “{}”"),
    };
    fill(&text, &[name])
}

/// Something that was begun: the answer that comes, and what it is done to.
pub type Begun<T> = (Reply<()>, T);

/// What differs between nouns.
pub struct Telling<T> {
    /// Asks for the thing as it is now, after this answer: what is told of it may take a moment more, and no row is to show the old state
    /// in between.
    pub refresh: fn(&Context, &T, &Result<(), Failure>) -> Reply<()>,
    /// Shows that something is being done to it, or nothing any more.
    pub busy: fn(&T, Option<&str>),
    /// What could not be done to the thing of this name.
    pub doing: fn(Action, String) -> Doing,
    /// What was done to so many.
    pub done_to_many: fn(Action, usize) -> String,
}

/// Waits for what was begun, and tells what came of it: a toast for what went well, one for each that did not.
pub fn carry_out<T: IsA<relm4::gtk::glib::Object>>(
    context: &Context,
    action: Action,
    work: Vec<Begun<T>>,
    telling: &Telling<T>,
) {
    let &Telling { refresh, busy, doing, done_to_many } = telling;
    for (_, item) in &work {
        busy(item, Some(&under_way(action)));
    }
    let context = context.clone();
    relm4::spawn_local(async move {
        let count = work.len();
        let mut well = Vec::new();
        for (answer, item) in work {
            let name: String = item.property("name");
            let answer = answer.await;
            let _ = refresh(&context, &item, &answer).await;
            busy(&item, None);
            match answer {
                Ok(()) => well.push(name),
                Err(failure) => failure::toast(&words(&doing(action, name), &failure), &context.toasts),
            }
        }
        match well.as_slice() {
            [] => {}
            [name] if count == 1 => context.tell(&done(action, name)),
            names => context.tell(&done_to_many(action, names.len())),
        }
    });
}
