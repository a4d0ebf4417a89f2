# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a container's network is with options of pasta's and with slirp4netns is as with Podman."""

import time
import urllib.request
from pathlib import Path

from peers.peers import BUSYBOX, PeerTest, normal, run

SEE = """
ip -o -4 addr | grep -v ' lo ' | cut -d' ' -f2-8; ip -o link | grep -v lo: | grep -o 'mtu [0-9]*'; ip route | grep default
cat /etc/resolv.conf; tail -2 /etc/hosts | cut -f1
"""


class Network(PeerTest):
    def alike(self, network, *words, script=SEE, env=None, stderr=True):
        said = []
        for program in ("podman", "haulout"):
            done = run(program, "run", "--rm", *words, "--network", network, BUSYBOX, "sh", "-c", script, env=env)
            said.append((done.returncode, normal(done.stdout + (done.stderr if stderr else ""))))
        with self.subTest(network=network, words=words):
            self.assertEqual(said[1], said[0])
        return said[1]

    def conf(self, text):
        path = self.temporary_folder() / "containers.conf"
        path.write_text(text)
        return {"CONTAINERS_CONF_OVERRIDE": str(path)}

    def fetched(self, port):
        """What a server in the container sends, once it is there."""
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html", timeout=10) as answer:
                    return answer.read()
            except OSError:
                time.sleep(0.1)
        self.fail(f"port {port} does not answer")

    def test_slirp4netns_is_what_its_options_say(self):
        for option in ["", ":mtu=1400", ":cidr=10.3.0.0/24", ":enable_ipv6=false", ":mtu=1400,mtu=1300", ":outbound_addr=127.0.0.1"]:
            status, said = self.alike(f"slirp4netns{option}")
            self.assertEqual(status, 0, said)
        self.alike("slirp4netns", "--dns", "1.1.1.1", script="cat /etc/resolv.conf")
        self.alike("slirp4netns", "--userns=keep-id", script="ip -o -4 addr | grep -o 'inet 10.*brd'")

    def test_an_option_that_is_none_is_refused_in_the_same_words(self):
        for option in [
            "foo", "foo=bar", "", "mtu=x", "mtu=10", "cidr=x", "cidr=10.3.0.0", "cidr=10.0.2.0/33", "cidr=fd00::/64",
            "enable_ipv6=x", "allow_host_loopback", "allow_host_loopback=x", "port_handler=foo", "outbound_addr=x", "outbound_addr6=x",
        ]:
            status, _ = self.alike(f"slirp4netns:{option}", script="true")
            self.assertEqual(status, 126)
        self.same("create", "--network", "slirp4netns", "--network", "slirp4netns", BUSYBOX)
        self.same("create", "--network", "slirp4netns", "--ip", "10.0.2.9", BUSYBOX)

    def test_settings_choose_slirp4netns(self):
        env = self.conf('[network]\ndefault_rootless_network_cmd="slirp4netns"\n[engine]\nnetwork_cmd_options=["mtu=1300"]\n')
        for network in ["private", "slirp4netns:mtu=1200", "pasta"]:
            self.alike(network, env=env)
        for program in ("podman", "haulout"):
            run(program, "create", "--name", "c", BUSYBOX, env=env)
        self.same("inspect", "c", "--format", "{{.HostConfig.NetworkMode}} {{len .NetworkSettings.Networks}}")
        self.alike("slirp4netns", env=self.conf('[engine]\nnetwork_cmd_options=["foo"]\n'))
        missing = self.conf('[engine]\nnetwork_cmd_path="/nowhere"\n')
        self.assertIn("/nowhere", run("haulout", "run", "--rm", "--network", "slirp4netns", BUSYBOX, "true", env=missing).stderr)

    def test_slirp4netns_forwards_the_published_ports_and_goes_with_the_container(self):
        network = "slirp4netns:port_handler=slirp4netns"
        ports = ["-p", "17780-17782:80-82", "-p", "127.0.0.1:17784:84", "-p", "17783:83/udp"]
        serve = "echo hello > /index.html; for p in 80 82 84; do httpd -p $p -h /; done; sleep 100"
        self.haulout("run", "-d", "--name", "c", *ports, "--network", network, BUSYBOX, "sh", "-c", serve)
        for port in (17780, 17782, 17784):
            self.assertEqual(self.fetched(port), b"hello\n")
        self.assertIn(":17783 ", run("ss", "-Hlnu").stdout)
        self.haulout("restart", "-t", "0", "c")
        self.assertEqual(self.fetched(17780), b"hello\n")
        taken = self.haulout("run", "--rm", "-p", "17780:80", "--network", network, BUSYBOX, "true", status=126).stderr
        podman = run("podman", "run", "--rm", "-p", "17780:80", "--network", network, BUSYBOX, "true")
        self.assertEqual(podman.returncode, 126)
        self.assertIn(podman.stderr.strip().removeprefix("Error: "), taken)
        self.assertIn("address already in use", taken)
        self.haulout("rm", "-f", "-t", "0", "c")
        running = [path.read_text() for path in Path("/proc").glob("[0-9]*/comm") if path.exists()]
        self.assertNotIn("slirp4netns\n", running)
        self.haulout("run", "--rm", "-p", "17780:80", "--network", network, BUSYBOX, "true")

    def test_options_of_pasta_are_seen_in_hosts_and_resolv_conf(self):
        for options in [
            "--dns-forward,10.1.1.1", "--dns-forward,fd00::1", "--map-guest-addr,10.5.5.5", "--map-gw", "-4",
            "--map-gw,--map-guest-addr,10.5.5.5", "-a,10.9.9.9,-n,24,-g,10.9.9.1", "--address,10.9.9.9", "-I,foo0", "-m,1400", "-T,auto",
        ]:
            status, said = self.alike(f"pasta:{options}")
            self.assertEqual(status, 0, said)
        self.alike("pasta:--map-guest-addr,none", script="grep -c internal /etc/hosts")
