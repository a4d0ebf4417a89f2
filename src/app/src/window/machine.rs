// SPDX-License-Identifier: GPL-3.0-or-later
//! The page of what the machine lacks: which piece, why it is needed, and the command that mends it.

use gettextrs::gettext;
use relm4::adw::prelude::*;
use relm4::gtk::glib;
use relm4::prelude::*;

use crate::connection::Missing;
use crate::errors::lacking;
use crate::widgets::copy::CommandRow;
use crate::widgets::failure;

/// The page.
pub struct Machine {
    groups: Vec<adw::PreferencesGroup>,
}

/// What it cannot do by itself.
#[derive(Debug)]
pub enum MachineOutput {
    CheckAgain,
    /// Show the app all the same.
    GoOn,
}

#[relm4::component(pub)]
impl Component for Machine {
    type Init = ();
    type Input = Vec<Missing>;
    type Output = MachineOutput;
    type CommandOutput = ();

    view! {
        adw::ToolbarView {
            add_top_bar = &adw::HeaderBar {},
            #[wrap(Some)]
            set_content = &gtk::ScrolledWindow {
                set_hscrollbar_policy: gtk::PolicyType::Never,
                adw::Clamp {
                    set_maximum_size: 600,
                    set_margin_all: 12,
                    gtk::Box {
                        set_orientation: gtk::Orientation::Vertical,
                        set_spacing: 24,
                        gtk::Box {
                            set_orientation: gtk::Orientation::Vertical,
                            set_spacing: 12,
                            set_margin_top: 12,
                            gtk::Image {
                                set_icon_name: Some("haulout-container-symbolic"),
                                set_pixel_size: 96,
                                set_css_classes: &["dim-label"],
                                set_accessible_role: gtk::AccessibleRole::Presentation,
                            },
                            gtk::Label {
                                set_label: &gettext("One More Step"),
                                set_wrap: true,
                                set_justify: gtk::Justification::Center,
                                set_css_classes: &["title-1"],
                            },
                            gtk::Label {
                                set_label: &gettext("Containers need a few pieces that this computer does not have yet. Run the commands in a terminal, then check again."),
                                set_wrap: true,
                                set_justify: gtk::Justification::Center,
                            },
                        },
                        #[name = "list"]
                        gtk::Box {
                            set_orientation: gtk::Orientation::Vertical,
                            set_spacing: 24,
                        },
                        gtk::Box {
                            set_orientation: gtk::Orientation::Vertical,
                            set_halign: gtk::Align::Center,
                            set_spacing: 12,
                            set_margin_bottom: 24,
                            #[name = "check"]
                            gtk::Button {
                                set_label: &gettext("_Check Again"),
                                set_use_underline: true,
                                set_css_classes: &["pill", "suggested-action"],
                                connect_clicked[sender] => move |_| { let _ = sender.output(MachineOutput::CheckAgain); },
                            },
                            gtk::Button {
                                set_label: &gettext("C_ontinue Anyway"),
                                set_use_underline: true,
                                set_css_classes: &["pill"],
                                connect_clicked[sender] => move |_| { let _ = sender.output(MachineOutput::GoOn); },
                            },
                        },
                    },
                },
            },
        }
    }

    fn init((): (), root: Self::Root, sender: ComponentSender<Self>) -> ComponentParts<Self> {
        let model = Self { groups: Vec::new() };
        let widgets = view_output!();
        // Else it would be the first command, all of it selected. Not before it is seen: the keyboard would stay where nobody sees it.
        let check = widgets.check.downgrade();
        root.connect_map(move |_| {
            if let Some(check) = check.upgrade() {
                check.grab_focus();
            }
        });
        ComponentParts { model, widgets }
    }

    fn update_with_view(
        &mut self,
        widgets: &mut Self::Widgets,
        missing: Vec<Missing>,
        _: ComponentSender<Self>,
        root: &Self::Root,
    ) {
        for group in self.groups.drain(..) {
            widgets.list.remove(&group);
        }
        for piece in missing {
            let words = lacking(&piece);
            let group = adw::PreferencesGroup::builder()
                .title(glib::markup_escape_text(&words.title))
                .description(glib::markup_escape_text(&words.body))
                .build();
            if let Some(command) = &piece.command {
                let row = CommandRow::new(&gettext("Command"));
                row.set_command(command);
                group.add(&row.row);
            }
            let fold = failure::details(&words);
            fold.set_margin_top(6);
            group.add(&fold);
            widgets.list.append(&group);
            self.groups.push(group);
        }
        if root.is_mapped() {
            widgets.check.grab_focus();
        }
    }
}
