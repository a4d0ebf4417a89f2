// SPDX-License-Identifier: GPL-3.0-or-later
//! What a click does to containers: a message to the engine, a question before what cannot be undone, a toast.

use gettextrs::{gettext, ngettext};

use crate::connection::Action;
use crate::deeds::{self, Telling};
use crate::errors::Doing;
use crate::language::fill;
use crate::measure::plural_number;
use crate::model::ContainerItem;
use crate::widgets::confirm;
use crate::window::Context;

/// What was done to several.
fn done_to_many(action: Action, count: usize) -> String {
    let number = plural_number(i64::try_from(count).unwrap_or(i64::MAX));
    let text = match action {
        Action::Start => ngettext("Started {} container", "Started {} containers", number),
        Action::Stop => ngettext("Stopped {} container", "Stopped {} containers", number),
        Action::Restart => ngettext("Restarted {} container", "Restarted {} containers", number),
        Action::Kill => ngettext("Killed {} container", "Killed {} containers", number),
        Action::Remove => ngettext("Removed {} container", "Removed {} containers", number),
    };
    fill(&text, &[&count.to_string()])
}

/// Does `action` to all of `items` at the same time, after a question where something is lost.
pub fn act(context: &Context, items: Vec<ContainerItem>, action: Action) {
    act_and(context, items, action, || {});
}

/// The same; `begun` is called when nothing more is asked.
pub fn act_and(context: &Context, items: Vec<ContainerItem>, action: Action, begun: impl FnOnce() + 'static) {
    let items: Vec<ContainerItem> = items.into_iter().filter(|item| item.busy().is_empty()).collect();
    if items.is_empty() {
        begun();
        return;
    }
    match action {
        Action::Start | Action::Stop | Action::Restart => {
            begun();
            carry_out(context, items, action);
        }
        Action::Kill | Action::Remove => {
            let (title, lost, answer) = question(&items, action);
            let again = context.clone();
            confirm::ask(&context.toasts, &title, &lost, &answer, move || {
                begun();
                carry_out(&again, items, action);
            });
        }
    }
}

/// The question: title, what is lost, the answer that does it.
fn question(items: &[ContainerItem], action: Action) -> (String, String, String) {
    let name = items.first().map(ContainerItem::name).unwrap_or_default();
    let count = items.len().to_string();
    let number = plural_number(i64::try_from(items.len()).unwrap_or(i64::MAX));
    if action == Action::Kill {
        let title = match items.len() {
            1 => fill(&gettext("Kill “{}”?"), &[&name]),
            _ => fill(&ngettext("Kill {} Container?", "Kill {} Containers?", number), &[&count]),
        };
        let lost = gettext("Its processes end at once and cannot save what they hold in memory.");
        return (title, lost, gettext("_Kill"));
    }
    let title = match items.len() {
        1 => fill(&gettext("Remove “{}”?"), &[&name]),
        _ => fill(&ngettext("Remove {} Container?", "Remove {} Containers?", number), &[&count]),
    };
    let mut lost =
        gettext("Files written inside, outside of volumes and folders of yours, and the log are lost for good.");
    let running: Vec<String> = items.iter().filter(|item| item.running()).map(ContainerItem::name).collect();
    if !running.is_empty() {
        lost.push_str("\n\n");
        lost.push_str(&fill(&gettext("Still running, will be stopped: {}"), &[&running.join(", ")]));
    }
    if items.len() > 1 && running.len() < items.len() {
        lost.push_str("\n\n");
        lost.push_str(&items.iter().map(ContainerItem::name).collect::<Vec<_>>().join(", "));
    }
    (title, lost, gettext("_Remove"))
}

fn carry_out(context: &Context, items: Vec<ContainerItem>, action: Action) {
    let begun = items.into_iter().map(|item| (context.connection.act(&item.id(), action), item)).collect();
    let telling = Telling {
        refresh: |context: &Context, item: &ContainerItem, answer| {
            let (model, id) = (context.model.clone(), item.id());
            let well = answer.is_ok();
            Box::pin(async move {
                if well {
                    model.refresh(&id).await;
                }
                Ok(())
            })
        },
        busy: ContainerItem::put_busy,
        doing: Doing::Act,
        done_to_many,
    };
    deeds::carry_out(context, action, begun, &telling);
}
