"""A Google Cloud Storage small enough to write down, to which TensorFlow talks.

TensorFlow knows one address of the store. It reaches this one by the variables that it
and its HTTP library, curl, document: a proxy, a file of trusted certificates, a token.
"""

import contextlib
import datetime
import itertools
import json
import re
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HOSTS = "DNS:www.googleapis.com,DNS:storage.googleapis.com"
COMMAND = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes"]
COMMAND += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
COMMAND += ["-subj", "/CN=toy", "-addext", f"subjectAltName={HOSTS}"]
TOKEN = "toy"
OBJECT = r"/storage/v1/b/([^/]+)/o/([^/]+)"


@contextlib.contextmanager
def serving(folder, *buckets):
    """Yields a server with these buckets, and what the environment of a client needs.

    Nobody may use the bucket `closed`. The certificate and its key are made in the
    folder.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = [*COMMAND, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.context, server.lock = context, threading.Lock()
        server.buckets = {name: {} for name in buckets}
        server.sessions, server.numbers = {}, itertools.count(1)
        server.calls = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield (
                server,
                {
                    "https_proxy": f"http://127.0.0.1:{server.server_port}",
                    "CURL_CA_BUNDLE": str(certificate),
                    "GOOGLE_AUTH_TOKEN_FOR_TESTING": TOKEN,
                },
            )
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def write(self, bucket, name, data):
        """Puts an object into the store, in the place of an older one."""
        updated = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entry = {"size": str(len(data)), "updated": updated}
        entry["generation"] = str(next(self.numbers))
        self.buckets[bucket][name] = entry, data

    def handle_error(self, *_):
        """Says nothing of a connection that the client has given up; it tries again."""


class _Handler(BaseHTTPRequestHandler):
    """The calls of the store's JSON interface that TensorFlow makes."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        """Opens a connection to a host; that is this server itself, with TLS."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.context.wrap_socket(
            self.connection, server_side=True
        )
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def _served(self):
        url = urlsplit(self.path)
        self.query = {k: v[0] for k, v in parse_qs(url.query).items()}
        body = self._body()
        with self.server.lock:
            self.server.calls.append(f"{self.command} {unquote(self.path)}")
            is_known = self.headers["Authorization"] == f"Bearer {TOKEN}"
            if "/closed" in url.path or not is_known:
                self._answer(403 if is_known else 401)
                return
            for method, pattern, function in _CALLS:
                found = re.fullmatch(pattern, url.path)
                if method == self.command and found:
                    function(self, body, *map(unquote, found.groups()))
                    return
        self._answer(501)

    def _body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    do_GET = do_PUT = do_POST = do_DELETE = _served  # noqa: N815

    def _answer(self, status, values=None, data=b"", **headers):
        data = data if values is None else json.dumps(values).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Says nothing."""

    def _held(self, bucket, name):
        return self.server.buckets.get(bucket, {}).get(name)

    # --- calls ----------------------------------------------------------------------

    def bucket(self, _, bucket):
        self._answer(200 if bucket in self.server.buckets else 404, {})

    def stat(self, _, bucket, name):
        held = self._held(bucket, name)
        self._answer(200, held[0]) if held else self._answer(404)

    def read(self, _, bucket, name):
        held = self._held(bucket, name)
        if held is None:
            self._answer(404)
            return
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = held[1][int(first) : int(last) + 1]
        self._answer(206 if part else 416, data=part)

    def listed(self, _, bucket):
        if bucket not in self.server.buckets:
            self._answer(404)
            return
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter")
        items, prefixes = [], {}
        for name in sorted(self.server.buckets[bucket]):
            if name.startswith(prefix):
                head, sign, _ = name[len(prefix) :].partition(delimiter or "\0")
                if sign:
                    prefixes[prefix + head + sign] = None
                else:
                    items.append({"name": name})
        most = int(self.query.get("maxResults", 1000))
        found = {"items": items[:most], "prefixes": list(prefixes)[:most]}
        self._answer(200, {name: values for name, values in found.items() if values})

    def delete(self, _, bucket, name):
        held = self._held(bucket, name)
        if held:
            del self.server.buckets[bucket][name]
        self._answer(204 if held else 404)

    def upload(self, body, bucket):
        name = self.query["name"]
        if bucket not in self.server.buckets:
            self._answer(404)
        elif self.query["uploadType"] == "resumable":
            session = f"/session/{next(self.server.numbers)}"
            self.server.sessions[session] = bucket, name
            self._answer(200, Location=f"https://www.googleapis.com{session}")
        elif self._held(bucket, name) and "ifGenerationMatch" in self.query:
            self._answer(412)
        else:
            self.server.write(bucket, name, body)
            self._answer(200, {})

    def put(self, body):
        self.server.write(*self.server.sessions[self.path], body)
        self._answer(200, {})

    def rewrite(self, _, bucket, name, target, to):
        held = self._held(bucket, name)
        if held is None:
            self._answer(404)
            return
        self.server.write(target, to, held[1])
        self._answer(200, {"done": True})


_CALLS = (
    ("GET", "/storage/v1/b/([^/]+)", _Handler.bucket),
    ("GET", OBJECT, _Handler.stat),
    ("GET", "/storage/v1/b/([^/]+)/o", _Handler.listed),
    ("DELETE", OBJECT, _Handler.delete),
    ("POST", "/upload/storage/v1/b/([^/]+)/o", _Handler.upload),
    ("PUT", "/session/[0-9]+", _Handler.put),
    ("POST", rf"{OBJECT}/rewriteTo/b/([^/]+)/o/([^/]+)", _Handler.rewrite),
    # Of the other host, which has bucket and name in the path only.
    ("GET", "/([^/]+)/([^/]+)", _Handler.read),
)
