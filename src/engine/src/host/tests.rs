// SPDX-License-Identifier: Apache-2.0 OR MIT

use super::*;

/// A made-up machine that lacks nothing.
struct Made {
    folder: tempfile::TempDir,
    machine: Machine,
}

impl Made {
    fn whole() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self {
            machine: Machine {
                root: folder.path().to_owned(),
                path: vec!["/usr/local/bin".into(), "/usr/bin".into()],
                owner: Owner { name: "sam".to_owned(), uid: 1000 },
                runtime_folder: Some("/run/user/1000".into()),
                runtime: "crun".to_owned(),
                data: vec!["/usr/local/share".into(), "/usr/share".into()],
            },
            folder,
        };
        for (program, mode) in [("newuidmap", 0o4755), ("newgidmap", 0o4755), ("crun", 0o755), ("pasta", 0o755)] {
            made.write(&format!("usr/bin/{program}"), "");
            made.set_mode(&format!("usr/bin/{program}"), mode);
        }
        for (file, text) in [
            ("etc/subuid", "sam:100000:65536\n"),
            ("etc/subgid", "sam:100000:65536\n"),
            ("etc/os-release", "ID=debian\n"),
            ("proc/sys/user/max_user_namespaces", "15000\n"),
            ("proc/sys/kernel/osrelease", "6.12.1-amd64\n"),
            ("proc/filesystems", "nodev\tproc\nnodev\toverlay\n"),
            ("run/user/1000/bus", ""),
            ("run/systemd/system/x", ""),
            ("dev/net/tun", ""),
        ] {
            made.write(file, text);
        }
        made
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn set_mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.folder.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.folder.path().join(path)).unwrap();
    }

    /// The only thing that it lacks.
    fn one(&self) -> Missing {
        let mut missing = self.machine.missing();
        assert_eq!(missing.len(), 1, "{missing:?}");
        missing.remove(0)
    }
}

#[test]
fn a_whole_machine_lacks_nothing() {
    assert_eq!(Made::whole().machine.missing(), []);
}

#[test]
fn each_piece_is_missed_by_itself_with_what_mends_it() {
    /// What breaks it, what is missed then, whether that is fatal, and what mends it.
    type Case = (&'static dyn Fn(&Made), Piece, bool, Option<&'static str>);
    let cases: [Case; 13] = [
        (&|made| made.remove("usr/bin/newgidmap"), Piece::IdMappers, true, Some("sudo apt install uidmap")),
        (
            &|made| made.set_mode("usr/bin/newuidmap", 0o755),
            Piece::IdMappersPrivilege,
            true,
            Some("sudo chmod u+s /usr/bin/newuidmap"),
        ),
        (
            &|made| made.write("etc/subgid", "eve:100000:65536\nbob:165536:65536\n"),
            Piece::SubordinateIds,
            true,
            Some("sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 sam"),
        ),
        (
            &|made| {
                made.remove("etc/subuid");
                made.remove("etc/subgid");
            },
            Piece::SubordinateIds,
            true,
            Some("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 sam"),
        ),
        (&|made| made.write("etc/subuid", "sam:100000:65536\neve:1\n"), Piece::SubordinateIdFiles, true, None),
        (&|made| made.remove("usr/bin/crun"), Piece::Runtime, true, Some("sudo apt install crun")),
        (&|made| made.set_mode("usr/bin/crun", 0o644), Piece::Runtime, true, Some("sudo apt install crun")),
        (&|made| made.remove("usr/bin/pasta"), Piece::Network, false, Some("sudo apt install passt")),
        (&|made| made.remove("dev/net/tun"), Piece::Tunnel, false, Some("sudo modprobe tun")),
        (
            &|made| made.write("proc/sys/user/max_user_namespaces", "0\n"),
            Piece::UserNamespaces,
            true,
            Some(
                "echo user.max_user_namespaces=15000 | sudo tee /etc/sysctl.d/60-haulout.conf && sudo sysctl --system",
            ),
        ),
        (
            &|made| made.write("proc/sys/kernel/unprivileged_userns_clone", "0\n"),
            Piece::UnprivilegedUserNamespaces,
            true,
            Some(
                "echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/60-haulout.conf && sudo sysctl --system",
            ),
        ),
        (&|made| made.write("proc/filesystems", "nodev\tproc\n"), Piece::Overlay, true, Some("sudo modprobe overlay")),
        (&|made| made.write("proc/sys/kernel/osrelease", "5.4.0-1-amd64\n"), Piece::Overlay, true, None),
    ];
    for (break_it, piece, fatal, command) in cases {
        let made = Made::whole();
        break_it(&made);
        let missing = made.one();
        assert_eq!((missing.piece, missing.fatal, missing.command.as_deref()), (piece, fatal, command), "{missing:?}");
        assert!(missing.why.ends_with('.') && !missing.name.is_empty());
    }
}

#[test]
fn ubuntus_restriction_is_mended_by_our_profile_where_it_is_shipped() {
    let made = Made::whole();
    made.write("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    assert!(made.one().command.unwrap().contains("apparmor_restrict_unprivileged_userns=0"));
    made.write("usr/share/haulout/apparmor/haulout", "");
    let missing = made.one();
    assert_eq!(missing.piece, Piece::AppArmor);
    assert!(missing.command.unwrap().starts_with("sudo install -m 644 /usr/share/haulout/apparmor/haulout"));
    made.write("etc/apparmor.d/haulout", "");
    assert_eq!(made.machine.missing(), []);
}

#[test]
fn a_module_that_is_not_loaded_yet_is_no_lack() {
    let made = Made::whole();
    made.write("proc/filesystems", "nodev\tproc\n");
    made.write("usr/lib/modules/6.12.1-amd64/kernel/fs/overlayfs/overlay.ko.xz", "");
    assert_eq!(made.machine.missing(), []);
}

#[test]
fn a_session_without_systemd_is_said_but_not_fatal() {
    let made = Made::whole();
    made.remove("run/user/1000/bus");
    let missing = made.one();
    assert_eq!((missing.piece, missing.fatal), (Piece::UserManager, false));
    assert_eq!(missing.command.as_deref(), Some("sudo loginctl enable-linger sam"));
    fs::remove_dir(made.folder.path().join("run/user/1000")).unwrap();
    assert_eq!(made.one().piece, Piece::RuntimeFolder);
    fs::remove_dir_all(made.folder.path().join("run/systemd")).unwrap();
    assert_eq!(made.one().command, None);
}

#[test]
fn root_needs_no_user_namespace() {
    let mut made = Made::whole();
    made.machine.owner = Owner { name: "root".to_owned(), uid: 0 };
    for file in ["usr/bin/newuidmap", "etc/subuid", "run/user/1000/bus"] {
        made.remove(file);
    }
    made.write("proc/sys/user/max_user_namespaces", "0\n");
    assert_eq!(made.machine.missing(), []);
}

#[test]
fn the_gravest_comes_first_and_an_unknown_distribution_gets_no_guess() {
    let made = Made::whole();
    for file in ["usr/bin/pasta", "usr/bin/crun", "etc/os-release"] {
        made.remove(file);
    }
    let missing = made.machine.missing();
    let pieces: Vec<_> = missing.iter().map(|missing| (missing.piece, missing.command.clone())).collect();
    assert_eq!(pieces, [(Piece::Runtime, None), (Piece::Network, None)]);
}
