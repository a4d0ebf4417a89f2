# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Registries that lead nowhere, change their mind half-way, and say things that are not so (beside those of cli/test_registry.py)."""

import gzip
import json
import threading

from cli.test_registry import RegistryTest, kept
from registry import Image, Registry, digest, layer, refusal, tar
from session import DATA, wait_until


class Pull(RegistryTest):
    """What is fetched."""

    def setUp(self):
        super().setUp()
        self.app = Image(layer("one"), layer("two", 3_000_000))
        self.name = self.registry.add("app", self.app)
        self.blob = self.app.packed[1]

    def test_redirects_that_never_end_are_given_up(self):
        def again(handler):
            handler.say(307, Location=handler.path)

        def pingpong(handler):
            handler.say(302, Location=handler.path.partition("?")[0] + ("" if "?" in handler.path else "?back"))

        for what in ("manifests/latest", f"blobs/{digest(self.blob)}"):
            for answer in (again, pingpong):
                self.registry.answers = {what: answer, what + "?back": answer}
                self.assertRegex(self.refused(self.name), "(?i)redirect")
                with self.registry.lock:
                    self.assertLess(len(self.registry.asked), 60)
                    self.registry.asked.clear()

    def test_a_redirect_to_nowhere_is_an_error(self):
        # A port of a server that has ended.
        gone = Registry(self)
        gone.server.shutdown()
        gone.server.server_close()
        for place in (f"http://{gone.host}/blob", "ftp://127.0.0.1/blob", "file:///etc/passwd", "http://"):
            self.registry.answers = {f"blobs/{digest(self.blob)}": lambda handler, place=place: handler.say(307, Location=place)}
            self.assertIn(digest(self.blob), self.refused(self.name))
        self.registry.answers = {f"blobs/{digest(self.blob)}": lambda handler: handler.say(307)}
        self.assertIn(digest(self.blob), self.refused(self.name))

    def test_a_blob_comes_from_elsewhere_and_no_password_goes_there(self):
        other, given = Registry(self), []
        other.answers = {"elsewhere": lambda handler: (given.append(handler.headers.get("Authorization")), handler.say(200, self.blob))}
        self.registry.password = "me:secret"
        self.registry.answers = {f"blobs/{digest(self.blob)}": lambda handler: handler.say(307, Location=f"http://{other.host}/elsewhere")}
        self.pull(self.name, arguments=["--creds", "me:secret"])
        self.assertEqual(given, [None])

    def test_a_body_without_a_length_arrives_and_one_that_is_cut_does_not(self):
        cut = []

        def in_chunks(handler):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            for start in range(0, len(self.blob), 1000):
                piece = self.blob[start:start + 1000]
                if cut and start:
                    handler.close_connection = True
                    return
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            handler.wfile.write(b"0\r\n\r\n")

        self.registry.answers = {f"blobs/{digest(self.blob)}": in_chunks}
        cut.append(True)
        self.assertIn(digest(self.blob), self.refused(self.name))
        cut.clear()
        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")

    def test_a_body_that_ends_with_its_connection_arrives(self):
        def until_the_end(handler):
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(self.blob)
            handler.close_connection = True

        self.registry.answers = {f"blobs/{digest(self.blob)}": until_the_end}
        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")

    def test_a_body_that_never_ends_is_cut_at_what_it_was_said_to_be(self):
        def for_ever(handler):
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            piece = b"x" * 65536
            while True:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

        for what in (f"blobs/{digest(self.blob)}", f"blobs/{digest(self.app.config)}", "manifests/latest"):
            self.registry.answers = {what: for_ever}
            self.refused(self.name, timeout=60)

    def test_a_blob_is_what_its_bytes_are_whatever_its_type_is_said_to_be(self):
        for kind in ("text/html", "application/json", "application/vnd.oci.image.layer.v1.tar", "", "nonsense"):
            self.registry.answers = {f"blobs/{digest(self.blob)}": lambda handler, kind=kind: handler.say(200, self.blob, kind)}
            self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")
            self.haulout("rmi", self.name)

    def test_a_page_that_says_sign_in_is_no_manifest(self):
        """What a hotel's network answers to everything."""
        self.registry.answers = {"manifests/latest": lambda handler: handler.say(200, b"<html><body>Welcome, please sign in</body></html>", "text/html")}
        self.assertIn(self.name.rpartition(":")[0], self.refused(self.name))

    def test_a_manifest_of_another_type_than_it_says_is_taken_for_what_it_is_or_refused(self):
        data = json.dumps(self.app.document()).encode()
        for kind in ("application/json", "text/plain", "application/vnd.docker.distribution.manifest.v2+json"):
            self.registry.answers = {"manifests/latest": lambda handler, kind=kind: handler.say(200, data, kind)}
            done = self.pull(self.name, status=None)
            if done.returncode == 0:
                self.assertEqual(done.stdout, self.app.id + "\n")
                self.haulout("rmi", self.name)
            else:
                self.assertRegex(done.stderr, r"\S")
                self.assertEqual(kept(), self.before)

    def test_a_digest_that_names_other_bytes_is_refused(self):
        name = f"{self.name.rpartition(':')[0]}@sha256:{'0' * 64}"
        data = json.dumps(self.app.document()).encode()
        self.registry.answers = {"0" * 64: lambda handler: handler.say(200, data, "application/vnd.oci.image.manifest.v1+json")}
        self.assertRegex(self.refused(name), "(?i)digest")

    def test_a_layer_that_unpacks_to_more_than_it_is_is_refused(self):
        """A bomb: what its digest is of is told when it is unpacked, and it need not be unpacked to its end."""
        bomb = gzip.compress(b"\0" * (64 << 20))
        name = self.registry.add("bomb", Image(bomb, pack=bytes, diff_ids=[digest(b"other")]))
        self.refused(name)
        # Its file is said to be larger than any disk.
        entry = bytearray(tar({"huge": b""})[:512])
        entry[124:136] = b"77777777777\0"
        entry[148:156] = b" " * 8
        entry[148:156] = b"%06o\0 " % sum(entry)
        name = self.registry.add("huge", Image(gzip.compress(bytes(entry)), pack=bytes))
        self.refused(name)

    def test_a_token_that_ends_half_way_is_fetched_again(self):
        self.registry.token, answer, expired = "first", self.registry.answer, []

        def expire(handler):
            if "/blobs/" in handler.path and not expired:
                expired.append(True)
                self.registry.token = "second"
            return answer(handler)

        self.registry.answer = expire
        self.assertEqual(self.pull(self.name).stdout, self.app.id + "\n")

    def test_a_server_of_tokens_that_fails_is_quoted(self):
        self.registry.token = "t"
        for status, body in ((500, b"oops"), (200, b"no json"), (200, b"{}"), (403, refusal("DENIED", "go away")), (200, b'{"token": 5}')):
            self.registry.give_token = lambda handler, status=status, body=body: handler.say(status, body)
            self.assertRegex(self.refused(self.name), r"\S")

    def test_a_challenge_that_makes_no_sense_is_no_way_in(self):
        for challenge in ("", "Bearer", "Bearer realm=", 'Bearer realm="not a url"', "Negotiate", 'Bearer realm="http://[::1"', "Basic realm=" + "x" * 5000):
            self.registry.answers = {"manifests/latest": lambda handler, challenge=challenge: handler.say(401, b"", WWW_Authenticate=challenge)}
            self.assertRegex(self.refused(self.name), r"\S")

    def test_a_list_of_tags_that_goes_on_for_ever_comes_to_an_end(self):
        def more(handler):
            handler.say(200, json.dumps({"name": "app", "tags": []}).encode(), Link=f'<{handler.path}>; rel="next"')

        self.registry.answers = {"tags/list": more}
        done = self.pull(self.name.rpartition(":")[0], status=125, arguments=["--all-tags"], timeout=60)
        self.assertRegex(done.stderr, r"\S")


class Push(RegistryTest):
    """What is sent."""

    def setUp(self):
        super().setUp()
        self.app = Image(layer("one"), layer("two", 3_000_000))
        self.name = self.registry.add("app", self.app)
        self.pull(self.name)
        self.other = Registry(self)
        self.target = f"{self.other.host}/copy:1"

    def push(self, *arguments, status=0, **options):
        return self.haulout("push", "--tls-verify=false", "--retry=0", *arguments, self.name, self.target, status=status, **options)

    def refused(self, **options):
        done = self.push(status=125, **options)
        self.assertEqual(self.other.manifests, {})
        return done.stderr.splitlines()[-1]

    def expire(self, method):
        """Has the other registry's token end when it is first asked for something by that method. None ends as soon as it is given: both
        layers were looked for with it."""
        self.other.token, expired, checked, answer = "first", [], set(), self.other.answer

        def expire(handler):
            if handler.command == method and not expired:
                expired.append(True)
                wait_until(lambda: len(checked) >= 2, lambda: checked)
                self.other.token = "second"
            answer(handler)
            if handler.command == "HEAD" and "Authorization" in handler.headers:
                checked.add(handler.path)

        self.other.answer = expire

    def test_a_token_that_ends_half_way_is_fetched_again(self):
        self.expire("POST")
        self.push()
        self.assertIn("copy/manifests/1", self.other.manifests)

    def test_a_token_that_ends_while_a_layer_is_on_its_way_is_fetched_for_it_again(self):
        self.expire("PATCH")
        self.push()
        self.assertIn("copy/manifests/1", self.other.manifests)

    def test_every_request_that_fails_is_told(self):
        for end in ("blobs/uploads/", "?state=x", "manifests/1"):
            for status in (401, 403, 404, 405, 429, 500, 507):
                def fail(handler, status=status):
                    handler.body()
                    handler.say(status, refusal("X", "this is why") if status < 500 else b"oops")

                self.other.answers = {end: fail}
                self.assertRegex(self.refused(), r"this is why|oops|unexpected HTTP status|(?i:unauthorized|denied)")

    def test_an_upload_that_leads_nowhere_is_an_error(self):
        for place in (None, "", "http://", "ftp://x/", "/v2/copy/uploading/99?state=x", "http://127.0.0.1:1/upload"):
            headers = {} if place is None else {"Location": place}
            self.other.answers = {"blobs/uploads/": lambda handler, headers=headers: handler.say(202, **headers)}
            self.assertRegex(self.refused(timeout=60), r"\S")

    def test_redirects_that_never_end_are_given_up(self):
        for end in ("blobs/uploads/", "manifests/1"):
            self.other.answers = {end: lambda handler: (handler.body(), handler.say(307, Location=handler.path))}
            self.refused(timeout=60)

    def test_a_blob_that_is_said_to_be_there_and_is_of_another_length_is_sent(self):
        data = self.app.packed[1]
        self.other.answers = {f"copy/blobs/{digest(data)}": lambda handler: handler.say(200, b"x")}
        self.push()
        self.assertTrue(any(call.startswith("PATCH") for call in self.other.calls))

    def test_one_that_stalls_is_left_by_who_is_interrupted(self):
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def stall(_handler):
            stalled.set()
            go_on.wait(60)

        for end in ("blobs/uploads/", "manifests/1"):
            stalled.clear()
            self.other.answers = {end: stall}
            pushing = self.spawn("haulout", "push", "--tls-verify=false", self.name, self.target)
            self.assertTrue(stalled.wait(60))
            pushing.send_signal(2)
            pushing.communicate(timeout=30)
            self.assertNotEqual(pushing.returncode, 0)
        self.assertEqual([path for path in (DATA / "layers").iterdir() if path.name.startswith((".garbage", ".staging"))], [])
