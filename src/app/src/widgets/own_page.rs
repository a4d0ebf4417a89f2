// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of one container or unit: its name and state above, a button that starts or stops it, a menu, tabs.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::{gio, glib};
use relm4::{adw, gtk};

/// What is on the page; the page itself is the component's.
#[derive(Clone)]
pub struct OwnPage {
    pub content: adw::ToolbarView,
    pub tabs: adw::ViewStack,
    title: adw::WindowTitle,
    main: gtk::Button,
    menu: gtk::MenuButton,
}

/// What the page says of the thing.
pub struct Face {
    pub name: String,
    pub state: String,
    pub running: bool,
    /// Whether it can be started or stopped now.
    pub ready: bool,
    /// Nothing can be done to it any more.
    pub gone: bool,
}

impl OwnPage {
    /// `main` is called when the button is pressed that starts or stops the thing, `shown` with the name of the tab that came in sight.
    pub fn new(
        main: impl Fn() + 'static,
        menu: impl Fn() -> gio::Menu + 'static,
        shown: impl Fn(&str) + 'static,
    ) -> Self {
        let title = adw::WindowTitle::new("", "");
        let more = gettext("More Actions");
        let menu_button = gtk::MenuButton::builder().icon_name("view-more-symbolic").tooltip_text(&more).build();
        menu_button.update_property(&[gtk::accessible::Property::Label(&more)]);
        menu_button.set_create_popup_func(move |button| button.set_menu_model(Some(&menu())));
        let main_button = gtk::Button::new();
        main_button.connect_clicked(move |_| main());
        let header = adw::HeaderBar::builder().title_widget(&title).build();
        header.pack_end(&menu_button);
        header.pack_end(&main_button);
        let tabs = adw::ViewStack::builder().enable_transitions(true).build();
        tabs.connect_visible_child_name_notify(move |tabs| {
            shown(tabs.visible_child_name().as_deref().unwrap_or_default());
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
        Self { content, tabs, title, main: main_button, menu: menu_button }
    }

    /// Adds a tab.
    pub fn add(&self, tab: &impl IsA<gtk::Widget>, name: &str, title: &str) {
        self.tabs.add_titled(tab, Some(name), title);
    }

    /// Says what the thing is now.
    pub fn show(&self, face: &Face) {
        self.title.set_title(&face.name);
        self.title.set_subtitle(&face.state);
        let (icon, word) = if face.running {
            ("media-playback-stop-symbolic", gettext("Stop"))
        } else {
            ("media-playback-start-symbolic", gettext("Start"))
        };
        self.main.set_icon_name(icon);
        self.main.set_tooltip_text(Some(&word));
        self.main.update_property(&[gtk::accessible::Property::Label(&word)]);
        self.main.set_sensitive(face.ready);
        self.main.set_visible(!face.gone);
        self.menu.set_visible(!face.gone);
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
