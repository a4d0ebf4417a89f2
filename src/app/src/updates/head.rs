// SPDX-License-Identifier: GPL-3.0-or-later
//! What stands above the list of updates: whether they are made by themselves, how far what is done now is, and the buttons for all.

use std::rc::Rc;

use gettextrs::{gettext, ngettext};
use relm4::adw::prelude::*;
use relm4::{adw, gtk};

use super::{Output, Updates, actions, run};
use crate::connection::Schedule;
use crate::errors::{Doing, words};
use crate::language::fill;
use crate::listing::{Acting, Head};
use crate::measure;
use crate::model::{Model, Phase, UpdateRun};
use crate::widgets::failure;
use crate::widgets::icon_button::Wordless as _;
use crate::widgets::switch::Switch;
use crate::window::Context;

/// Makes it.
pub fn make(page: &Acting<Updates>) -> Head {
    let context = &page.context;
    let check = button("view-refresh-symbolic", &gettext("Check Now"));
    let of = context.clone();
    check.connect_clicked(move |_| actions::check_all(&of));
    while_idle(context, &check);
    let history = button("document-open-recent-symbolic", &gettext("History"));
    let output = page.output.clone();
    history.connect_clicked(move |_| output.emit(Output::History(None)));

    let below = gtk::Box::builder().orientation(gtk::Orientation::Vertical).build();
    below.append(&progress(context));
    below.append(&rows(context));
    Head { start: vec![check.upcast()], end: vec![history.upcast()], below: Some(below.upcast()) }
}

fn button(icon: &str, word: &str) -> gtk::Button {
    let button = gtk::Button::builder().icon_name(icon).build();
    button.set_meaning(word);
    button
}

/// Has it do something only while nothing is done about updates.
fn while_idle(context: &Context, button: &gtk::Button) {
    context.model.update_run.watch(button, |button, run| button.set_sensitive(run.is_none()));
}

/// What holds for all: how they are made by themselves, and what there is to do.
fn rows(context: &Context) -> gtk::Widget {
    let list = gtk::ListBox::builder().selection_mode(gtk::SelectionMode::None).css_classes(["boxed-list"]).build();
    list.append(&by_itself(context));
    list.append(&available(context));
    let clamp = adw::Clamp::builder().maximum_size(720).child(&list).build();
    clamp.set_margin_start(12);
    clamp.set_margin_end(12);
    clamp.set_margin_top(6);
    clamp.set_margin_bottom(6);
    clamp.upcast()
}

/// How many updates there are, with a button that makes them all.
fn available(context: &Context) -> adw::ActionRow {
    let row = adw::ActionRow::new();
    let all = gtk::Button::builder()
        .label(gettext("_Update All"))
        .use_underline(true)
        .valign(gtk::Align::Center)
        .css_classes(["suggested-action"])
        .build();
    let of = context.clone();
    all.connect_clicked(move |_| actions::update_all(&of));
    while_idle(context, &all);
    row.add_suffix(&all);
    context.model.to_do.watch(&row, |row, count| {
        row.set_visible(*count > 0);
        let number = measure::plural_number((*count).into());
        row.set_title(&fill(&ngettext("{} Update Available", "{} Updates Available", number), &[&count.to_string()]));
    });
    row
}

/// The switch, with the next run.
fn by_itself(context: &Context) -> adw::SwitchRow {
    let of = context.clone();
    let row = adw::SwitchRow::builder().title(gettext("Automatic Updates")).build();
    let switch = Switch::new(row, move |on| {
        let context = of.clone();
        Box::pin(async move {
            if let Err(failure) = context.connection.update_by_itself(on).await {
                failure::toast(&words(&Doing::ChangingTimer, &failure), &context.toasts);
            }
            context.model.refresh_updates().await;
            is_on(context.model.schedule.get())
        })
    });
    let row = switch.row.clone();
    let (model, showing) = (Rc::downgrade(&context.model), switch.clone());
    context.model.schedule.watch(&row, move |_, _| {
        if let Some(model) = model.upgrade() {
            show_schedule(&showing, &model);
        }
    });
    let model = Rc::downgrade(&context.model);
    context.model.update_stage.watch(move |_| {
        if let Some(model) = model.upgrade() {
            show_schedule(&switch, &model);
        }
    });
    row
}

fn is_on(schedule: Option<Schedule>) -> bool {
    schedule.is_some_and(|schedule| schedule.on)
}

fn show_schedule(switch: &Switch, model: &Model) {
    let schedule = model.schedule.get();
    switch.show(is_on(schedule));
    switch.row.set_sensitive(schedule.is_some());
    switch.row.set_subtitle(&match schedule {
        // Nobody has been able to ask yet.
        None if matches!(model.update_stage.phase(), Phase::Loading | Phase::Failed(_)) => String::new(),
        None => gettext("The service manager of your session (systemd --user) does not answer"),
        Some(Schedule { runs: true, .. }) => gettext("A run goes on now"),
        Some(Schedule { on: true, next: Some(next), .. }) => {
            fill(&gettext("Every day while you are logged in; next {}"), &[&measure::date(next)])
        }
        Some(Schedule { on: true, .. }) => gettext("Every day while you are logged in"),
        Some(_) => gettext("Off: updates are looked for only when you ask"),
    });
}

/// How far what is done now is, with a button that ends it.
fn progress(context: &Context) -> gtk::Widget {
    let line = gtk::Label::builder()
        .xalign(0.0)
        .hexpand(true)
        .ellipsize(gtk::pango::EllipsizeMode::Middle)
        .css_classes(["numeric"])
        .build();
    let cancel = gtk::Button::builder().label(gettext("_Cancel")).use_underline(true).build();
    let of = context.clone();
    cancel.connect_clicked(move |_| run::cancel(&of));
    let words = gtk::Box::builder().spacing(12).build();
    words.append(&line);
    words.append(&cancel);
    let bar = gtk::ProgressBar::new();
    bar.update_property(&[gtk::accessible::Property::Label(&gettext("Progress of the updates"))]);
    let inner = gtk::Box::builder().orientation(gtk::Orientation::Vertical).spacing(6).build();
    inner.append(&words);
    inner.append(&bar);
    let clamp = adw::Clamp::builder().maximum_size(720).child(&inner).build();
    clamp.set_margin_start(18);
    clamp.set_margin_end(18);
    clamp.set_margin_bottom(6);
    let revealer = gtk::Revealer::builder().child(&clamp).build();
    let (shown, ended, pulse) = (line.clone(), cancel.clone(), bar.clone());
    context.model.update_run.watch(&revealer, move |revealer, run: &Option<UpdateRun>| {
        revealer.set_reveal_child(run.is_some());
        let Some(run) = run else { return };
        shown.set_text(&run.line);
        ended.set_sensitive(run.can_cancel);
        match run.fraction {
            Some(fraction) => pulse.set_fraction(fraction),
            None => pulse.pulse(),
        }
    });
    revealer.upcast()
}
