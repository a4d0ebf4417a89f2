// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of one container or unit: its name and state above, a button that starts or stops it, a menu, tabs.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::{adw, gtk};

use super::icon_button::Wordless as _;
use crate::model::{Followed, Keyed, KeyedItem};

/// A thing that has a page.
pub trait Thing: KeyedItem {
    /// What the page depends on.
    const PROPERTIES: &'static [&'static str];
    /// What the page says of it now.
    fn face(&self) -> Face;
}

/// What a page says of its thing.
pub struct Face {
    pub name: String,
    pub state: String,
    pub running: bool,
    /// Whether it can be started or stopped now.
    pub ready: bool,
}

/// What happens on a page, or to its thing.
#[derive(Clone, Debug)]
pub enum Happens {
    /// The thing changed.
    Changed,
    /// This tab came in sight.
    Tab(String),
    /// The button was pressed that starts or stops it.
    Main,
    /// It was removed: nothing can be done to it any more.
    Removed,
}

/// What is on the page; the page itself is the component's.
pub struct OwnPage<T: Thing> {
    pub content: adw::ToolbarView,
    pub tabs: adw::ViewStack,
    _followed: Followed<T>,
}

/// What is above the tabs.
#[derive(Clone)]
struct Head {
    title: adw::WindowTitle,
    main: gtk::Button,
    menu: gtk::MenuButton,
}

impl<T: Thing> OwnPage<T> {
    /// Of `item`, one of `things`, on `page`; `menu` makes its menu as it is now.
    pub fn new(
        (things, item): (&Keyed<T>, &T),
        page: &adw::NavigationPage,
        menu: fn(&T) -> gio::Menu,
        tell: impl Fn(Happens) + Clone + 'static,
    ) -> Self {
        let head = Head::new();
        let of = item.clone();
        head.menu.set_create_popup_func(move |button| button.set_menu_model(Some(&menu(&of))));
        let pressed = tell.clone();
        head.main.connect_clicked(move |_| pressed(Happens::Main));
        let header = adw::HeaderBar::builder().title_widget(&head.title).build();
        header.pack_end(&head.menu);
        header.pack_end(&head.main);
        let tabs = adw::ViewStack::builder().enable_transitions(true).hhomogeneous(false).build();
        let shown = tell.clone();
        tabs.connect_visible_child_name_notify(move |tabs| {
            shown(Happens::Tab(tabs.visible_child_name().unwrap_or_default().into()));
        });
        let switcher = adw::InlineViewSwitcher::builder()
            .stack(&tabs)
            .display_mode(adw::InlineViewSwitcherDisplayMode::Labels)
            .homogeneous(true)
            .halign(gtk::Align::Center)
            .margin_bottom(6)
            .margin_start(12)
            .margin_end(12)
            .build();
        let content = adw::ToolbarView::builder().content(&tabs).build();
        content.add_top_bar(&header);
        content.add_top_bar(&switcher);
        head.show(&item.face());
        let (shows, changed) = (head.clone(), tell.clone());
        let followed = Followed::new(item.clone(), T::PROPERTIES, move |item: &T| {
            shows.show(&item.face());
            changed(Happens::Changed);
        });
        things.when_gone(item, page, move || {
            head.main.set_visible(false);
            head.menu.set_visible(false);
            tell(Happens::Removed);
        });
        Self { content, tabs, _followed: followed }
    }

    /// Adds a tab.
    pub fn add(&self, tab: &impl IsA<gtk::Widget>, name: &str, title: &str) {
        self.tabs.add_titled(tab, Some(name), title);
    }
}

impl Head {
    fn new() -> Self {
        let more = gettext("More Actions");
        let menu = gtk::MenuButton::builder().icon_name("view-more-symbolic").build();
        menu.set_meaning(&more);
        Self { title: adw::WindowTitle::new("", ""), main: gtk::Button::new(), menu }
    }

    /// Says what the thing is now.
    fn show(&self, face: &Face) {
        self.title.set_title(&face.name);
        // In a narrow window there may be room for its beginning only.
        self.title.set_tooltip_text(Some(&face.name));
        self.title.set_subtitle(&face.state);
        let (icon, word) = if face.running {
            ("media-playback-stop-symbolic", gettext("Stop"))
        } else {
            ("media-playback-start-symbolic", gettext("Start"))
        };
        self.main.set_icon_name(icon);
        self.main.set_meaning(&word);
        self.main.set_sensitive(face.ready);
    }
}

/// What an action of the menu does, called with the entry's target.
pub type Does = Box<dyn Fn(String)>;

/// Leaves `page` if it is the one that is seen; answers whether it was.
pub fn leave(page: &adw::NavigationPage) -> bool {
    let view = page.ancestor(adw::NavigationView::static_type()).and_downcast::<adw::NavigationView>();
    let seen = view.filter(|view| view.visible_page().as_ref() == Some(page));
    seen.is_some_and(|view| view.pop())
}

/// Makes `page` answer to the actions of a menu called `group`: each with what it does.
pub fn install_actions(page: &adw::NavigationPage, group: &str, actions: Vec<(&str, Does)>) {
    let known = gio::SimpleActionGroup::new();
    for (name, act) in actions {
        let action = gio::SimpleAction::new(name, Some(glib::VariantTy::STRING));
        action.connect_activate(move |_, target| act(target.and_then(glib::Variant::get).unwrap_or_default()));
        known.add_action(&action);
    }
    let clipboard = page.clipboard();
    let copy = gio::SimpleAction::new("copy", Some(glib::VariantTy::STRING));
    copy.connect_activate(move |_, text| {
        clipboard.set_text(&text.and_then(glib::Variant::get::<String>).unwrap_or_default());
    });
    known.add_action(&copy);
    page.insert_action_group(group, Some(&known));
}
