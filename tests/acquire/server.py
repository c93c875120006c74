"""A file server on this machine that has the faults of real ones, told request by request."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[["Handler"], bool]  # true: it has answered


@dataclass
class Shelf:
    """What the server holds, what it does next, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)  # of the next requests, in order
    asked: list[dict[str, str]] = field(default_factory=list)
    sent: int = 0  # bytes of bodies
    ranges: bool = True
    tags: bool = True
    token: str | None = None
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers with ranges and entity tags, as object stores do."""

    shelf: Shelf
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Serve a file, or what the next fault says."""
        shelf = self.shelf
        shelf.asked.append({"path": self.path, **dict(self.headers.items())})
        fault = shelf.faults.pop(0) if shelf.faults else None
        if fault is not None and fault(self):
            return
        if shelf.token and self.headers.get("Authorization") != f"Bearer {shelf.token}":
            self.status(401)
            return
        content = shelf.files.get(self.path.partition("?")[0])
        if content is None:
            self.status(404)
        else:
            self.body(content)

    def status(self, code: int, **headers: str) -> None:
        """An answer without a body."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def body(self, content: bytes, cut: int | None = None, pause_s: float = 0) -> None:
        """The file or the part that is asked for; `cut`: the connection ends after so many bytes."""
        tag, asked = f'"{md5(content).hexdigest()}"', self.headers.get("Range")
        first = 0
        same = self.headers.get("If-Range") in (None, tag)
        if asked and self.shelf.ranges and same:
            first = int(asked.removeprefix("bytes=").split("-")[0])
            if first >= len(content):
                self.status(416, Content_Range=f"bytes */{len(content)}")
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - first))
        if self.shelf.tags:
            self.send_header("ETag", tag)
        self.end_headers()
        part = content[first:]
        part = part if cut is None else part[:cut]
        self.shelf.sent += len(part)
        time.sleep(pause_s)
        self.wfile.write(part)
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Quiet."""


def cut(after: int) -> Fault:
    """The connection ends in the middle."""

    def fault(handler: Handler) -> bool:
        handler.body(handler.shelf.files[handler.path.partition("?")[0]], cut=after)
        return True

    return fault


def says(code: int, **headers: str) -> Fault:
    """A status alone."""

    def fault(handler: Handler) -> bool:
        handler.status(code, **headers)
        return True

    return fault


def silent(seconds: float) -> Fault:
    """No byte for a while."""

    def fault(handler: Handler) -> bool:
        handler.body(handler.shelf.files[handler.path.partition("?")[0]], pause_s=seconds)
        return True

    return fault


class Quiet(ThreadingHTTPServer):
    """Clients that go in the middle are what is tested here."""

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Shelf]:
    """A server on a free port of this machine."""
    shelf = Shelf()
    handler = type("Of", (Handler,), {"shelf": shelf})
    with Quiet(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        shelf.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield shelf
        server.shutdown()
        thread.join()
