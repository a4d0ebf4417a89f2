# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A registry for tests, in the test's own process: it holds what it is given, counts what it is asked for, and misbehaves
where it is told to.
"""

import base64
import gzip
import hashlib
import http.server
import io
import itertools
import json
import ssl
import tarfile
import threading
import urllib.parse

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar(files):
    """A tar of files by name, the same bytes every time."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def layer(name, size=1000):
    """The tar of a layer with one file that nobody else has."""
    return tar({name: (name.encode() * size)[:size]})


def refusal(code, message=""):
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


class Image:
    """The documents of an image of those layers (tars), and its blobs."""

    def __init__(self, *layers, diff_ids=None, pack=gzip.compress, **config):
        self.packed = [pack(data) if pack is not gzip.compress else gzip.compress(data, mtime=0) for data in layers]
        self.config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": "2024-01-01T00:00:00Z",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest(data) for data in layers]},
            }
        ).encode()
        self.id = digest(self.config).removeprefix("sha256:")

    def document(self):
        """The manifest, to be changed and dumped."""
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.descriptor(CONFIG, self.config),
            "layers": [self.descriptor(LAYER, data) for data in self.packed],
        }

    @staticmethod
    def descriptor(media_type, data):
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


class Registry:
    """See the module. With a `certificate` (PEM, its key beside it) it speaks TLS. `answers[path]` is a function that answers instead: it gets the handler of one request."""

    def __init__(self, test, certificate=None):
        self.blobs, self.manifests, self.answers, self.asked = {}, {}, {}, []
        # What was pushed: blobs by repository, and uploads that go on; what was asked for with its method.
        self.repositories, self.uploads, self.calls = {}, {}, []
        self.numbers = itertools.count()
        self.mounts = True
        self.password = self.token = None
        self.lock = threading.Lock()
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)

            do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

            def parse_request(self):
                self.sent = None
                return super().parse_request()

            def body(self):
                """What was sent, however often that is wanted."""
                if self.sent is None:
                    self.sent = self.whole_body()
                return self.sent

            def whole_body(self):
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                data = b""
                while length := int(self.rfile.readline(), 16):
                    data += self.rfile.read(length)
                    self.rfile.readline()
                self.rfile.readline()
                return data

            def log_message(self, *_arguments):
                pass

            def say(self, status, body=b"", media_type="application/json", length=None, **headers):
                # As proxies before registries do (lingering close): what is left of a request would be taken for the next one, and the
                # connection reset before the answer is read.
                self.body()
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, _request, _address):
                """Whoever asked has gone: what tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        test.addCleanup(self.server.server_close)
        test.addCleanup(self.server.shutdown)

    def add(self, name, image, tag="latest", document=None):
        """Holds an image; its full name."""
        for data in [image.config, *image.packed]:
            self.blobs[digest(data)] = data
        return self.add_manifest(name, tag, image.document() if document is None else document)

    def add_manifest(self, name, tag, document, media_type=MANIFEST):
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.manifests[f"{name}/manifests/{tag}"] = self.manifests[f"{name}/manifests/{digest(data)}"] = (data, media_type)
        return f"{self.host}/{name}:{tag}"

    def instead(self, data):
        """The decorator of a function that answers when the blob of `data` is asked for."""

        def take(function):
            self.answers[f"blobs/{digest(data)}"] = function
            return function

        return take

    def times_asked(self, data):
        """How often the blob of `data` was asked for."""
        with self.lock:
            return sum(path.endswith(digest(data)) for path in self.asked)

    def answer(self, handler):
        path = handler.path.removeprefix("/v2/")
        with self.lock:
            if handler.command == "GET":
                self.asked.append(path)
            self.calls.append(f"{handler.command} {path}")
        if path.startswith("/token"):
            return self.give_token(handler)
        if (self.password or self.token) and not self.is_welcome(handler):
            challenge = 'Basic realm="test"'
            if self.token:
                challenge = f'Bearer realm="http://{self.host}/token",service="test",scope="repository:app:pull"'
            return handler.say(401, refusal("UNAUTHORIZED", "authentication required"), WWW_Authenticate=challenge)
        for end, answer in list(self.answers.items()):
            if path.endswith(end):
                return answer(handler)
        if handler.command in ("POST", "PATCH", "PUT", "DELETE"):
            return self.take(handler, path)
        if path == "":
            return handler.say(200, b"{}")
        if path in self.manifests:
            return handler.say(200, *self.manifests[path])
        if path.endswith("/tags/list"):
            name = path.removesuffix("/tags/list")
            tags = [key.rpartition("/")[2] for key in self.manifests if key.startswith(name + "/") and "sha256:" not in key]
            return handler.say(200, json.dumps({"name": name, "tags": sorted(tags)}).encode())
        repository, _, blob = path.rpartition("/blobs/")
        data = self.blobs.get(blob, self.repositories.get(repository, {}).get(blob))
        if data is not None:
            first = handler.headers.get("Range", "").removeprefix("bytes=").rstrip("-")
            if first:
                span = f"bytes {first}-{len(data) - 1}/{len(data)}"
                return handler.say(206, data[int(first):], "application/octet-stream", Content_Range=span)
            return handler.say(200, data, "application/octet-stream")
        return handler.say(404, refusal("MANIFEST_UNKNOWN", "manifest unknown"))

    def take(self, handler, path):
        """A push: uploads, mounts and manifests."""
        path, _, query = path.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        if path.endswith("/blobs/uploads/"):
            repository = path.removesuffix("/blobs/uploads/")
            data = self.repositories.get(query.get("from"), {}).get(query.get("mount"))
            if data is not None and self.mounts:
                self.repositories.setdefault(repository, {})[query["mount"]] = data
                return handler.say(201)
            number = str(next(self.numbers))
            self.uploads[number] = b""
            return handler.say(202, Location=f"/v2/{repository}/uploading/{number}?state=x")
        if "/uploading/" in path:
            repository, _, number = path.partition("/uploading/")
            if handler.command == "DELETE":
                self.uploads.pop(number, None)
                return handler.say(204)
            self.uploads[number] += handler.body()
            if handler.command == "PATCH":
                return handler.say(202, Location=f"/v2/{repository}/uploading/{number}?state=y")
            data = self.uploads.pop(number)
            if digest(data) != query["digest"]:
                return handler.say(400, refusal("DIGEST_INVALID", "provided digest did not match uploaded content"))
            self.repositories.setdefault(repository, {})[query["digest"]] = data
            return handler.say(201)
        if "/manifests/" in path and handler.command == "PUT":
            data, media_type = handler.body(), handler.headers["Content-Type"]
            name = path.partition("/manifests/")[0]
            self.manifests[path] = self.manifests[f"{name}/manifests/{digest(data)}"] = (data, media_type)
            return handler.say(201)
        return handler.say(405, refusal("UNSUPPORTED"))

    def is_welcome(self, handler):
        given = handler.headers.get("Authorization", "")
        if self.token:
            return given == f"Bearer {self.token}"
        return given == "Basic " + base64.b64encode(self.password.encode()).decode()

    def give_token(self, handler):
        if self.password:
            expected = "Basic " + base64.b64encode(self.password.encode()).decode()
            if handler.headers.get("Authorization") != expected:
                return handler.say(401, refusal("UNAUTHORIZED", "incorrect username or password"))
        return handler.say(200, json.dumps({"token": self.token}).encode())
