// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The verbs: one file each, with its flags (whose doc comments are the manual) and the function that does it.

#![allow(clippy::doc_markdown, reason = "the flags' comments are what `--help` prints, as it is")]

mod attach;
mod auto_update;
mod auto_update_apply;
mod auto_update_enable;
mod auto_update_history;
mod auto_update_hold;
mod auto_update_notice;
mod auto_update_release;
mod auto_update_rollback;
mod cleanup;
mod commit;
mod completion;
mod container_checkpoint;
mod container_clone;
mod container_exists;
mod container_inspect;
mod container_mount;
mod container_prune;
mod container_restore;
mod container_runlabel;
mod container_unmount;
mod cp;
mod create;
mod diff;
mod events;
mod exec;
mod export;
mod generate_quadlet;
mod generate_spec;
mod generate_systemd;
mod healthcheck_run;
mod history;
mod image_diff;
mod image_exists;
mod image_inspect;
mod image_mount;
mod image_prune;
mod image_scp;
mod image_sign;
mod image_tree;
mod image_trust;
mod image_unmount;
mod images;
mod import;
mod info;
mod init;
mod inspect;
mod kill;
mod load;
mod login;
mod logout;
mod logs;
mod manifest_add;
mod manifest_annotate;
mod manifest_create;
mod manifest_exists;
mod manifest_inspect;
mod manifest_push;
mod manifest_remove;
mod manifest_rm;
mod manual;
mod pause;
mod port;
mod ps;
mod pull;
mod push;
mod quadlet_check;
mod quadlet_diff;
mod quadlet_enable;
mod quadlet_from_compose;
mod quadlet_from_run;
mod quadlet_install;
mod quadlet_list;
mod quadlet_print;
mod quadlet_rm;
mod quadlet_start;
mod quadlet_sync;
mod rename;
mod restart;
mod rm;
mod rmi;
pub mod run;
mod save;
mod search;
mod secret_create;
mod secret_exists;
mod secret_inspect;
mod secret_ls;
mod secret_rm;
mod start;
mod stats;
mod stop;
mod system_check;
mod system_df;
mod system_migrate;
mod system_prune;
mod system_renumber;
mod system_reset;
mod tag;
mod top;
mod unpause;
mod unshare;
mod untag;
mod update;
mod version;
mod volume_create;
mod volume_exists;
mod volume_export;
mod volume_import;
mod volume_inspect;
mod volume_ls;
mod volume_mount;
mod volume_prune;
mod volume_reload;
mod volume_rm;
mod volume_unmount;
mod wait;
mod worker;

use anyhow::Result;
use auto_update_enable::disable as auto_update_disable;
use clap::{ArgMatches, Args as _, Command, FromArgMatches as _};
use quadlet_enable::disable as quadlet_disable;
use quadlet_start::{restart as quadlet_restart, stop as quadlet_stop};

use crate::flags;
use crate::globals::Globals;
use crate::invocation::Invocation;

/// A verb of the command line.
pub struct Verb {
    /// What it is called; the first name is its own, others are aliases.
    pub names: &'static [&'static str],
    /// What comes after its name in `Usage:`.
    pub usage: &'static str,
    /// Whether it may need the user namespace: then a zygote is forked before anything else. Others do not pay for one.
    pub zygote: bool,
    /// Whether it is for the engine itself, not for people.
    pub hidden: bool,
    /// Adds its flags.
    pub flags: fn(Command) -> Command,
    /// Does it.
    pub run: fn(&ArgMatches, &Invocation) -> Result<u8>,
}

/// Verbs below a noun: `container ls`.
pub struct Group {
    /// The noun.
    pub name: &'static str,
    /// What its help says.
    pub about: &'static str,
    /// Its verbs.
    pub verbs: &'static [Verb],
}

/// A verb's clap command, flags that every verb has included.
pub fn command(verb: &Verb) -> Command {
    let command = flags::as_podman_takes_them(Globals::beside(verb.flags).name(verb.names[0]));
    // `-h` is help where it is nothing else: `run` has it for the host's name.
    let taken = command.get_arguments().any(|arg| arg.get_short() == Some('h'));
    if taken { command } else { command.mut_arg("help", |arg| arg.short('h')) }
}

/// Runs a verb's future on a runtime of one thread.
fn block_on(future: impl Future<Output = Result<u8>>) -> Result<u8> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

macro_rules! verb {
    ($names:expr, $module:ident) => {
        verb!($names, $module, false)
    };
    ($names:expr, $module:ident, zygote) => {
        verb!($names, $module, true)
    };
    ($names:expr, $module:ident, $zygote:literal) => {
        Verb {
            names: &$names,
            usage: $module::USAGE,
            zygote: $zygote,
            hidden: false,
            flags: $module::Args::augment_args,
            run: |matches, invocation| block_on($module::run($module::Args::from_arg_matches(matches)?, invocation)),
        }
    };
}

/// The verbs.
pub static VERBS: &[Verb] = &[
    verb!(["attach"], attach),
    verb!(["auto-update"], auto_update, zygote),
    verb!(["completion"], completion),
    verb!(["commit"], commit, zygote),
    verb!(["cp"], cp, zygote),
    verb!(["create"], create, zygote),
    verb!(["diff"], diff, zygote),
    verb!(["events"], events),
    verb!(["exec"], exec),
    verb!(["history"], history),
    verb!(["export"], export, zygote),
    verb!(["images"], images),
    verb!(["import"], import, zygote),
    verb!(["info"], info),
    verb!(["init"], init, zygote),
    verb!(["inspect"], inspect),
    verb!(["kill"], kill, zygote),
    verb!(["load"], load, zygote),
    verb!(["login"], login),
    verb!(["logout"], logout),
    verb!(["logs"], logs),
    verb!(["mount"], container_mount, zygote),
    verb!(["pause"], pause, zygote),
    verb!(["port"], port),
    Verb { hidden: true, ..verb!(["manual"], manual) },
    verb!(["ps"], ps),
    verb!(["pull"], pull, zygote),
    verb!(["push"], push, zygote),
    verb!(["rename"], rename),
    verb!(["restart"], restart, zygote),
    verb!(["rm"], rm, zygote),
    verb!(["rmi"], rmi, zygote),
    verb!(["run"], run, zygote),
    verb!(["save"], save, zygote),
    verb!(["search"], search),
    verb!(["start"], start, zygote),
    verb!(["stats"], stats),
    verb!(["stop"], stop, zygote),
    verb!(["tag"], tag, zygote),
    verb!(["top"], top),
    verb!(["unmount", "umount"], container_unmount),
    verb!(["unpause"], unpause, zygote),
    Verb {
        names: &["unshare"],
        usage: unshare::USAGE,
        zygote: true,
        hidden: false,
        flags: unshare::Args::augment_args,
        run: |matches, invocation| unshare::run(&unshare::Args::from_arg_matches(matches)?, invocation),
    },
    verb!(["untag"], untag),
    verb!(["update"], update, zygote),
    verb!(["version"], version),
    verb!(["wait"], wait, zygote),
    Verb {
        names: &["worker"],
        usage: "",
        zygote: false,
        hidden: true,
        flags: |command| command,
        run: |_, _| worker::run(),
    },
];

/// The nouns with verbs of their own. One that is a verb as well has them below that verb.
pub static GROUPS: &[Group] = &[
    Group {
        name: "auto-update",
        about: "Auto update containers according to their auto-update policy",
        verbs: &[
            verb!(["apply"], auto_update_apply, zygote),
            verb!(["disable"], auto_update_disable),
            verb!(["enable"], auto_update_enable),
            verb!(["history"], auto_update_history),
            verb!(["hold"], auto_update_hold),
            Verb { hidden: true, ..verb!(["notice"], auto_update_notice, zygote) },
            verb!(["release"], auto_update_release),
            verb!(["rollback"], auto_update_rollback, zygote),
        ],
    },
    Group {
        name: "container",
        about: "Manage containers",
        verbs: &[
            verb!(["attach"], attach),
            Verb { hidden: true, ..verb!(["cleanup"], cleanup, zygote) },
            verb!(["clone"], container_clone, zygote),
            verb!(["checkpoint"], container_checkpoint),
            verb!(["commit"], commit, zygote),
            verb!(["cp"], cp, zygote),
            verb!(["create"], create, zygote),
            verb!(["diff"], diff, zygote),
            verb!(["exec"], exec),
            verb!(["exists"], container_exists),
            verb!(["export"], export, zygote),
            verb!(["init"], init, zygote),
            verb!(["inspect"], container_inspect),
            verb!(["kill"], kill, zygote),
            verb!(["list", "ls", "ps"], ps),
            verb!(["logs"], logs),
            verb!(["mount"], container_mount, zygote),
            verb!(["pause"], pause, zygote),
            verb!(["port"], port),
            verb!(["prune"], container_prune, zygote),
            verb!(["rename"], rename),
            verb!(["restart"], restart, zygote),
            verb!(["restore"], container_restore),
            verb!(["rm"], rm, zygote),
            verb!(["run"], run, zygote),
            verb!(["runlabel"], container_runlabel, zygote),
            verb!(["start"], start, zygote),
            verb!(["stats"], stats),
            verb!(["stop"], stop, zygote),
            verb!(["top"], top),
            verb!(["unmount", "umount"], container_unmount),
            verb!(["unpause"], unpause, zygote),
            verb!(["update"], update, zygote),
            verb!(["wait"], wait, zygote),
        ],
    },
    Group {
        name: "generate",
        about: "Generate units and specifications from what is there",
        verbs: &[
            verb!(["quadlet"], generate_quadlet),
            verb!(["spec"], generate_spec),
            verb!(["systemd"], generate_systemd),
        ],
    },
    Group {
        name: "healthcheck",
        about: "Manage health checks on containers",
        verbs: &[verb!(["run"], healthcheck_run)],
    },
    Group {
        name: "image",
        about: "Manage images",
        verbs: &[
            verb!(["diff"], image_diff, zygote),
            verb!(["exists"], image_exists),
            verb!(["history"], history),
            verb!(["import"], import, zygote),
            verb!(["inspect"], image_inspect),
            verb!(["list", "ls"], images),
            verb!(["load"], load, zygote),
            verb!(["mount"], image_mount),
            verb!(["prune"], image_prune, zygote),
            verb!(["pull"], pull, zygote),
            verb!(["push"], push, zygote),
            verb!(["rm"], rmi, zygote),
            verb!(["save"], save, zygote),
            verb!(["search"], search),
            verb!(["scp"], image_scp),
            verb!(["sign"], image_sign),
            verb!(["tag"], tag, zygote),
            verb!(["tree"], image_tree),
            verb!(["trust"], image_trust),
            verb!(["unmount", "umount"], image_unmount),
            verb!(["untag"], untag),
        ],
    },
    Group {
        name: "manifest",
        about: "Manipulate manifest lists and image indexes",
        verbs: &[
            verb!(["add"], manifest_add),
            verb!(["annotate"], manifest_annotate),
            verb!(["create"], manifest_create),
            verb!(["exists"], manifest_exists),
            verb!(["inspect"], manifest_inspect),
            verb!(["push"], manifest_push, zygote),
            verb!(["remove"], manifest_remove),
            verb!(["rm"], manifest_rm),
        ],
    },
    Group {
        name: "quadlet",
        about: "Manage units that systemd runs containers by",
        verbs: &[
            verb!(["check"], quadlet_check),
            verb!(["diff"], quadlet_diff),
            verb!(["disable"], quadlet_disable),
            verb!(["enable"], quadlet_enable),
            verb!(["from-compose"], quadlet_from_compose),
            verb!(["from-run"], quadlet_from_run),
            verb!(["install"], quadlet_install),
            verb!(["list", "ls"], quadlet_list),
            verb!(["print"], quadlet_print),
            verb!(["restart"], quadlet_restart),
            verb!(["rm"], quadlet_rm),
            verb!(["start"], quadlet_start),
            verb!(["stop"], quadlet_stop),
            verb!(["sync"], quadlet_sync),
        ],
    },
    Group {
        name: "secret",
        about: "Manage secrets",
        verbs: &[
            verb!(["create"], secret_create),
            verb!(["exists"], secret_exists),
            verb!(["inspect"], secret_inspect),
            verb!(["ls", "list"], secret_ls),
            verb!(["rm"], secret_rm),
        ],
    },
    Group {
        name: "volume",
        about: "Manage volumes",
        verbs: &[
            verb!(["create"], volume_create, zygote),
            verb!(["exists"], volume_exists),
            verb!(["export"], volume_export, zygote),
            verb!(["import"], volume_import, zygote),
            verb!(["inspect"], volume_inspect),
            verb!(["ls", "list"], volume_ls),
            verb!(["mount"], volume_mount),
            verb!(["prune"], volume_prune, zygote),
            verb!(["reload"], volume_reload),
            verb!(["rm", "remove"], volume_rm, zygote),
            verb!(["unmount", "umount"], volume_unmount),
        ],
    },
    Group {
        name: "system",
        about: "Manage the engine",
        verbs: &[
            verb!(["check"], system_check, zygote),
            verb!(["df"], system_df),
            verb!(["events"], events),
            verb!(["info"], info),
            verb!(["migrate"], system_migrate),
            verb!(["prune"], system_prune, zygote),
            verb!(["renumber"], system_renumber),
            verb!(["reset"], system_reset, zygote),
        ],
    },
];
