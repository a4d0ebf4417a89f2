// SPDX-License-Identifier: GPL-3.0-or-later
//! Of when a log is shown: all of it, since a while, or while the computer was on at some time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gettextrs::gettext;
use relm4::gtk;
use relm4::gtk::glib;
use relm4::gtk::prelude::*;

use crate::connection::{PastBoot, Period};
use crate::language::fill;
use crate::measure;

/// So many boots are offered at most: the journal may know of hundreds.
const MOST: usize = 20;
const HOUR: i64 = 3600;

/// The button, and what is chosen.
pub struct Periods {
    pub button: gtk::DropDown,
    boots: RefCell<Vec<PastBoot>>,
    /// The list is being changed: that is nobody's choice.
    filling: Rc<Cell<bool>>,
}

/// What there is before the boots.
fn always() -> [String; 5] {
    [
        gettext("Whole Journal"),
        gettext("Since Its Start"),
        gettext("Last Hour"),
        gettext("Today"),
        gettext("Since the Computer’s Start"),
    ]
}

impl Periods {
    /// `chosen` is called when somebody chooses another one.
    pub fn new(chosen: impl Fn() + 'static) -> Self {
        let words = always();
        let button = gtk::DropDown::from_strings(&words.each_ref().map(String::as_str));
        button.set_tooltip_text(Some(&gettext("Time")));
        button.update_property(&[gtk::accessible::Property::Label(&gettext("Time"))]);
        let filling: Rc<Cell<bool>> = Rc::default();
        let told = filling.clone();
        button.connect_selected_notify(move |_| {
            if !told.get() {
                chosen();
            }
        });
        Self { button, boots: RefCell::default(), filling }
    }

    /// What is chosen.
    pub fn chosen(&self) -> Period {
        let index = usize::try_from(self.button.selected()).unwrap_or_default();
        let boots = self.boots.borrow();
        match index {
            1 => Period::Start,
            2 => Period::Since(measure::now() - HOUR),
            3 => Period::Since(midnight()),
            4 => Period::ThisBoot,
            _ => {
                let mut before = boots.iter().filter(|boot| !boot.current);
                let boot = index.checked_sub(always().len()).and_then(|index| before.nth(index));
                boot.map_or(Period::All, |boot| Period::Boot(boot.clone()))
            }
        }
    }

    /// Offers the times that the computer was on, the newest first.
    pub fn put_boots(&self, boots: Vec<PastBoot>) {
        let Some(list) = self.button.model().and_downcast::<gtk::StringList>() else { return };
        let boots: Vec<PastBoot> = boots.into_iter().take(MOST).collect();
        self.filling.set(true);
        for boot in boots.iter().filter(|boot| !boot.current) {
            let (from, to) = (measure::date(boot.began), measure::date(boot.ended));
            list.append(&fill(&gettext("{} – {}"), &[&from, &to]));
        }
        self.filling.set(false);
        self.boots.replace(boots);
    }
}

/// When today began: seconds since 1970.
fn midnight() -> i64 {
    let begun = glib::DateTime::now_local()
        .and_then(|now| glib::DateTime::from_local(now.year(), now.month(), now.day_of_month(), 0, 0, 0.));
    begun.map_or_else(|_| measure::now() - 24 * HOUR, |begun| begun.to_unix())
}
