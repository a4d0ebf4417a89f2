// SPDX-License-Identifier: GPL-3.0-or-later
//! The cells of lists: made once by a factory, bound to the properties of whichever object the row shows.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk;
use relm4::gtk::glib;

use crate::model::Followed;
use crate::widgets::status::Status;

/// Whether narrow rows show boxes to tick.
#[derive(Clone, Default)]
pub struct Selecting(Rc<RefCell<Watched>>);

#[derive(Default)]
struct Watched {
    on: bool,
    boxes: Vec<glib::WeakRef<gtk::CheckButton>>,
}

impl Selecting {
    pub fn set(&self, on: bool) {
        let mut watched = self.0.borrow_mut();
        watched.on = on;
        watched.boxes.retain(|check| {
            let check = check.upgrade();
            if let Some(check) = &check {
                check.set_visible(on);
            }
            check.is_some()
        });
    }

    /// Lets Escape end the mode on `page`, by `leave`.
    pub fn end_by_escape(&self, page: &impl IsA<gtk::Widget>, leave: impl Fn() + 'static) {
        let watched = self.0.clone();
        let action = gtk::CallbackAction::new(move |page, _| {
            let on = watched.borrow().on && page.is_mapped();
            if on {
                leave();
            }
            on.into()
        });
        let keys = gtk::ShortcutController::new();
        // Wherever the keyboard is: the button that began the mode is gone with it.
        keys.set_scope(gtk::ShortcutScope::Global);
        keys.add_shortcut(gtk::Shortcut::new(gtk::ShortcutTrigger::parse_string("Escape"), Some(action)));
        page.add_controller(keys);
    }

    /// Shows or hides `check` as the mode goes.
    pub fn watch(&self, check: &gtk::CheckButton) {
        let mut watched = self.0.borrow_mut();
        check.set_visible(watched.on);
        watched.boxes.push(check.downgrade());
    }
}

/// Cells over objects of type `T`.
pub struct Cells<T>(PhantomData<T>);

impl<T: IsA<glib::Object>> Cells<T> {
    /// A factory whose cells are made by `setup`, which binds what they show.
    pub fn factory(setup: impl Fn(&glib::Object) -> gtk::Widget + 'static) -> gtk::SignalListItemFactory {
        let factory = gtk::SignalListItemFactory::new();
        factory.connect_setup(move |_, list_item| {
            let child = setup(list_item);
            // Whose row it is, for the menu at the pointer.
            Self::bind(list_item, "id", &child, "name");
            list_item.set_property("child", child);
        });
        factory
    }

    /// A property of the row's object as an expression.
    pub fn expression(list_item: &glib::Object, property: &str) -> gtk::PropertyExpression {
        gtk::PropertyExpression::new(list_item.type_(), gtk::Expression::NONE, "item").chain_property::<T>(property)
    }

    /// A property of the row's object, bound to a widget's.
    pub fn bind(list_item: &glib::Object, property: &str, widget: &impl IsA<gtk::Widget>, target: &str) {
        Self::expression(list_item, property).bind(widget.upcast_ref::<gtk::Widget>(), target, Some(list_item));
    }

    /// The row's object.
    pub fn item(list_item: &glib::Object) -> Option<T> {
        list_item.property::<Option<glib::Object>>("item").and_downcast()
    }

    /// Calls `show` with whichever object the row shows, now and when one of its `properties` changes.
    pub fn follow(list_item: &glib::Object, properties: &'static [&'static str], show: impl Fn(&T) + 'static) {
        let show = Rc::new(show);
        let followed: RefCell<Option<Followed<T>>> = RefCell::default();
        list_item.connect_notify_local(Some("item"), move |list_item, _| {
            followed.take();
            let Some(item) = Self::item(list_item) else { return };
            show(&item);
            let show = show.clone();
            followed.replace(Some(Followed::new(item, properties, move |item| show(item))));
        });
    }

    /// A label bound to `property`.
    pub fn label(
        list_item: &glib::Object,
        property: &str,
        ellipsize: gtk::pango::EllipsizeMode,
        classes: &[&str],
    ) -> gtk::Label {
        let label = gtk::Label::builder().xalign(0.0).ellipsize(ellipsize).css_classes(classes.to_vec()).build();
        Self::bind(list_item, property, &label, "label");
        label
    }

    /// A column of one text.
    pub fn text(property: &'static str, classes: &'static [&'static str]) -> gtk::SignalListItemFactory {
        Self::factory(move |list_item| {
            let label = Self::label(list_item, property, gtk::pango::EllipsizeMode::Middle, classes);
            Self::bind(list_item, property, &label, "tooltip-text");
            label.upcast()
        })
    }

    /// A box to tick, bound to the object's `selected`; `ticked` is called when a person ticks it.
    pub fn check(list_item: &glib::Object, ticked: &Rc<dyn Fn()>) -> gtk::CheckButton {
        let check = gtk::CheckButton::builder().valign(gtk::Align::Center).css_classes(["selection-mode"]).build();
        Self::bind(list_item, "selected", &check, "active");
        let (list_item, ticked) = (list_item.downgrade(), ticked.clone());
        check.connect_toggled(move |check| {
            if let Some(item) = list_item.upgrade().as_ref().and_then(Self::item)
                && item.property::<bool>("selected") != check.is_active()
            {
                item.set_property("selected", check.is_active());
            }
            ticked();
        });
        check.update_property(&[gtk::accessible::Property::Label(&gettext("Select"))]);
        check
    }

    /// The state of a thing that has one: icon and word, or the icon alone.
    pub fn state(list_item: &glib::Object, with_word: bool) -> gtk::Widget {
        let status = Status::new(with_word);
        let shown = status.weak();
        Self::follow(list_item, Status::PROPERTIES, move |item| {
            if let Some(status) = shown() {
                status.show(item);
            }
        });
        status.root.upcast()
    }

    /// The two lines of a narrow row: `name` above `summary`.
    pub fn two_lines(list_item: &glib::Object) -> gtk::Box {
        let end = gtk::pango::EllipsizeMode::End;
        let texts = gtk::Box::builder()
            .orientation(gtk::Orientation::Vertical)
            .spacing(3)
            .hexpand(true)
            .valign(gtk::Align::Center)
            .build();
        texts.append(&Self::label(list_item, "name", end, &["heading"]));
        texts.append(&Self::label(list_item, "summary", end, &["caption", "dim-label"]));
        texts
    }
}
