"""A server of files on this machine that can be slow, broken or wrong."""

import contextlib
import dataclasses
import http.server
import re
import socket
import threading
from collections.abc import Iterator


@dataclasses.dataclass
class Served:
    """A file, and what is wrong with its server.

    `cuts` are the numbers of bytes after which the next answers end; `statuses` are
    those of the next answers.
    """

    content: bytes
    ranges: bool = True
    etag: str | None = '"1"'
    cuts: list[int] = dataclasses.field(default_factory=list)
    statuses: list[int] = dataclasses.field(default_factory=list)
    is_silent: bool = False
    has_length: bool = True


@dataclasses.dataclass
class Server:
    """The files by path, and the requests that came: path and range."""

    address: str
    files: dict[str, Served]
    requests: list[tuple[str, str | None]]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the `files` of its server; its `over` ends the silent answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        self.close_connection = True
        file = self.server.files.get(self.path)
        if file is None:
            self.send_error(404)
        elif file.is_silent:
            self.server.over.wait(30)
        elif file.statuses:
            self.send_error(file.statuses.pop(0))
        else:
            self._send(file)

    def _send(self, file):
        start, total = self._start(file), len(file.content)
        if start is not None and start >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        rest = file.content[start or 0 :]
        headers = {"Connection": "close"}
        if start is not None:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        if file.has_length:
            headers["Content-Length"] = str(len(rest))
        if file.etag:
            headers["ETag"] = file.etag
        self.send_response(200 if start is None else 206)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest[: file.cuts.pop(0) if file.cuts else len(rest)])

    def _start(self, file):
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        expected = self.headers.get("If-Range")
        if not (asked and file.ranges) or (expected and expected != file.etag):
            return None
        return int(asked[1])

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(files: dict[str, Served]) -> Iterator[Server]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.files, server.asked, server.over = files, [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Server(f"http://127.0.0.1:{server.server_port}", files, server.asked)
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_address() -> str:
    """An address on this machine at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
