# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Surroundings that are not as they mostly are: no rights of one's own, a reader that goes, a runtime folder of a program's own."""

import os
import shutil
import signal
import subprocess
import time

from session import BUSYBOX, DATA, Process, SessionTest, run, wait_until


class Surroundings(SessionTest):
    def shell(self, script, **options):
        """A script for bash, and how it ended."""
        return run("bash", "-c", script, **options)

    def test_an_umask_takes_no_right_from_oneself(self):
        done = self.shell(f"umask 777; haulout run --name one --detach {BUSYBOX} sleep 100")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.haulout("ps")
        self.haulout("exec", "one", "true")

    def test_a_reader_that_goes_ends_an_archive_quietly(self):
        self.haulout("run", "--detach", "--name", "one", BUSYBOX, "sleep", "100")
        for words in (f"save {BUSYBOX}", "export one", "cp one:/bin -"):
            done = self.shell(f"haulout {words} | head -c 10 | wc -c; echo ${{PIPESTATUS[0]}}")
            self.assertEqual(done.stdout.split(), ["10", str(128 + signal.SIGPIPE)], words)
            self.assertNotIn("Error", done.stderr, words)

    def test_what_cannot_be_written_is_said_without_numbers(self):
        self.haulout("run", "--detach", "--name", "one", BUSYBOX, "sh", "-c", "echo said; sleep 100")
        for words in ("export one", "cp one:/bin -", "logs one", "ps"):
            done = self.shell(f"haulout {words} > /dev/full")
            self.assertEqual(done.returncode, 125, words)
            self.assertRegex(done.stderr.lower(), "writ.*: no space left on device\n$", words)

    def test_too_many_processes_are_an_error_and_no_panic(self):
        done = self.shell("ulimit -u 1; exec haulout ps")
        self.assertEqual(done.returncode, 125, done.stderr)
        self.assertRegex(done.stderr, r"^Error: .*[Rr]esource temporarily unavailable.*\n$")

    def test_what_runs_is_seen_from_another_runtime_folder(self):
        self.haulout("run", "--detach", "--name", "one", BUSYBOX, "sleep", "100")
        other = self.temporary_folder()
        elsewhere = {"XDG_RUNTIME_DIR": str(other)}
        self.assertEqual(self.haulout("ps", "--format", "{{.Names}}", env=elsewhere).stdout, "one\n")
        self.haulout("exec", "one", "true", env=elsewhere)
        self.haulout("rm", "one", status=2, env=elsewhere)
        # Who says where is told why not.
        refused = self.haulout("--runroot", other, "rm", "-f", "one", status=125)
        self.assertIn("does not match our run root", refused.stderr)
        self.assertIn("database configuration mismatch", refused.stderr)
        self.haulout("stop", "-t0", "one", env=elsewhere)
        # Nothing runs any more: then it may run there.
        self.haulout("start", "one", env=elsewhere)
        self.assertEqual(self.haulout("ps", "--format", "{{.Names}}").stdout, "one\n")
        self.haulout("rm", "-f", "-t0", "one")
        self.haulout("ps", "--all")

    def test_a_runtime_folder_that_goes_leaves_no_process(self):
        for program in (None, self.other_binaries()):
            folder = self.temporary_folder()
            elsewhere = {"XDG_RUNTIME_DIR": str(folder)}
            file = folder / "haulout/anchor"
            if program:
                # Without the small program that sleeps the command line itself does.
                elsewhere["PATH"] = f"{program}:{os.environ['PATH']}"
            self.check(0, *(["env", "haulout"] if program else ["haulout"]), "unshare", "true", env=elsewhere)
            holder = Process(int(file.read_text().split()[0]))
            # What happens beside it is no matter, nor that the file is touched or written anew.
            (folder / "haulout/other").write_text("")
            os.utime(file)
            file.with_suffix(".copy").write_text(file.read_text())
            file.with_suffix(".copy").rename(file)
            self.check(0, "env", "haulout", "unshare", "true", env=elsewhere)
            self.assertEqual(Process(int(file.read_text().split()[0])).start_time, holder.start_time)
            self.assertTrue(holder.is_alive())
            shutil.rmtree(folder)
            wait_until(lambda: not holder.is_alive(), "it ends with its folder")

    def other_binaries(self):
        """A folder with the command line alone."""
        folder = self.temporary_folder()
        shutil.copy(shutil.which("haulout"), folder)
        return folder

    def test_who_holds_the_user_namespace_ends_when_another_does(self):
        folder = self.temporary_folder()
        elsewhere = {"XDG_RUNTIME_DIR": str(folder)}
        self.haulout("unshare", "true", env=elsewhere)
        file = folder / "haulout/anchor"
        holder = Process(int(file.read_text().split()[0]))
        inside = self.spawn("haulout", "unshare", "sh", "-c", "echo in; read x; id -u; cat /proc/self/uid_map", env=elsewhere, stdin=subprocess.PIPE)
        self.assertEqual(inside.stdout.readline(), "in\n")
        file.unlink()
        self.haulout("unshare", "true", env=elsewhere)
        wait_until(lambda: not holder.is_alive(), "it ends with its name")
        # Who is in there stays there.
        said, _ = inside.communicate("\n")
        self.assertEqual(said.split()[:4], ["0", "0", str(os.getuid()), "1"])
        other = Process(int(file.read_text().split()[0]))
        self.assertTrue(other.is_alive())
        # A name that goes to somebody else, as when two have made one at once.
        file.with_suffix(".copy").write_text("1 1")
        file.with_suffix(".copy").rename(file)
        wait_until(lambda: not other.is_alive(), "it ends when its name is another's")

    def test_an_import_says_what_it_is_and_what_is_none(self):
        tar = self.shell("tar c -C /etc hostname | haulout import - imported:1")
        self.addCleanup(run, "haulout", "rmi", "imported:1")
        layers = self.haulout("image", "inspect", "imported:1", "--format", "{{range .RootFS.Layers}}{{.}}{{end}}").stdout
        self.assertIn(f"Copying blob {layers}", tar.stderr)
        for garbage in ("/etc/passwd", "/bin/true"):
            done = self.haulout("import", garbage, status=125)
            self.assertRegex(done.stderr, r"Error: unpacking the tar: the layer is no tar\n$")
        self.assertEqual(list(DATA.glob("layers/.staging*")), [])

    def test_a_proxy_that_refuses_is_named(self):
        done = run("haulout", "pull", "--retry", "0", "registry.invalid/x", env={"HTTPS_PROXY": "http://user:secret@localhost:1"})
        self.assertEqual(done.returncode, 125)
        self.assertIn("by HTTPS_PROXY: connection refused", done.stderr)
        self.assertNotIn("secret", done.stderr)

    def test_an_export_is_in_its_place_when_it_is_whole(self):
        self.haulout("run", "--name", "one", BUSYBOX, "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=200")
        folder = self.temporary_folder()
        (folder / "old").write_text("as it was")
        for name in ("new", "old"):
            done = self.shell(f"ulimit -f 1000; trap '' XFSZ; haulout export one --output {folder}/{name}")
            self.assertEqual(done.returncode, 125, done.stderr)
        self.assertEqual([path.name for path in folder.iterdir()], ["old"])
        self.assertEqual((folder / "old").read_text(), "as it was")
        (folder / "link").symlink_to("old")
        self.haulout("export", "one", "--output", folder / "link")
        self.assertTrue((folder / "link").is_symlink())
        self.assertGreater((folder / "old").stat().st_size, 200 << 20)
        self.assertIn("is a directory", self.haulout("export", "one", "--output", folder, status=125).stderr)

    def test_what_is_not_there_yet_is_said_to_be_so(self):
        for verb in ("build", "pod", "network", "compose"):
            self.assertIn("Haulout does not have it yet", self.haulout(verb, "x", status=125).stderr)

    def test_docker_s_index_is_asked_for_what_docker_has(self):
        # Nobody can be reached from here; who would have been asked is said.
        done = self.haulout("search", "docker.io/x", env={"HTTPS_PROXY": "http://localhost:1"}, status=125)
        self.assertIn('Get "https://index.docker.io/v1/search?', done.stderr)

    def test_thousands_of_variables_are_no_matter(self):
        folder = self.temporary_folder()
        (folder / "env").write_text("".join(f"V{number}=x\n" for number in range(20_000)))
        begin = time.monotonic()
        done = self.haulout("run", "--rm", "--env-file", folder / "env", BUSYBOX, "sh", "-c", "env | grep -c ^V")
        self.assertEqual(done.stdout, "20000\n")
        self.assertLess(time.monotonic() - begin, 10)

    def test_why_a_folder_is_not_there_is_said_once(self):
        link = self.temporary_folder() / "link"
        link.symlink_to("/nope")
        done = self.haulout("run", "--rm", "--volume", f"{link}:/x", BUSYBOX, "true", status=125)
        self.assertEqual(done.stderr, f"Error: statfs {link}: no such file or directory\n")

    def test_what_stays_holds_no_file_of_the_callers(self):
        folder = self.temporary_folder()
        lock = folder / "lock"
        script = f"exec 9>{lock}; flock 9; haulout run -d --name one {BUSYBOX} sleep 100; haulout exec -d one sleep 100; exec 9>&-; flock -n {lock} true"
        done = self.shell(script)
        self.assertEqual(done.returncode, 0, done.stderr)
