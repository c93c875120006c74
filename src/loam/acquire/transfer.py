"""One file from a service to the disk: resumed, verified, polite, and whole or not there at all.

The part that has come lies in `.partial/` beside the target, with what the server said of the file. Snakemake removes declared outputs of a
failed job; a partial file is not declared, so the same command resumes where the last one stopped.
"""

import email.utils
import hashlib
import json
import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from loam.core.atomic_write import full_disk
from loam.core.errors import LoamError

PARTIAL = ".partial"
CHUNK_BYTES = 2**18
# A try that brought bytes is not counted: a slow link that is cut every minute comes to an end all the same.
TRIES = 6
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 120.0
LONGEST_RETRY_AFTER_S = 900.0
PASSING = {408, 425, 429, 500, 502, 503, 504}
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Remote:
    """A file of a service, as its catalogue tells it."""

    address: str
    service: str  # name of the service, for messages and limits
    bytes: int | None = None  # where the catalogue says so
    checksum: str | None = None  # 'md5:…' or 'sha256:…', where the catalogue says so
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True)
class Receipt:
    """What was fetched: the proof that a file is whole, and what the report says of the data."""

    address: str  # without its query, which may hold a signature
    service: str
    bytes: int
    sha256: str
    checksum: str | None  # of the catalogue, as verified; None: it tells none
    fetched: str  # UTC
    licence: str
    citation: str


@dataclass(frozen=True)
class Politeness:
    """How a service is asked."""

    tries: int = TRIES
    first_wait_s: float = FIRST_WAIT_S
    longest_wait_s: float = LONGEST_WAIT_S
    connect_s: float = 20.0
    silence_s: float = 60.0  # without a byte, after which the connection is given up


class Passing(Exception):
    """Something that may be over at the next try; its text holds no address."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.wait_s = wait_s


def bare(address: str) -> str:
    """An address without query, fragment and sign-in, as it may be printed."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def fetch(
    remote: Remote,
    path: Path,
    session: requests.Session,
    politeness: Politeness | None = None,
) -> Receipt:
    """Bring a file to its place. One that is there with its receipt is not asked for again.

    Args:
        remote: what to fetch.
        path: where to. Its receipt lies beside, as `<name>.receipt.json`.
        session: signed in where the service wants it.
        politeness: how often and how long to try.

    Raises:
        LoamError: the service refuses, does not answer, or sends other bytes than its catalogue tells; the disk is full.
    """
    if (receipt := receipt_of(path, remote)) is not None:
        return receipt
    polite = politeness or Politeness()
    partial = path.parent / PARTIAL / path.name
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        _bring(remote, partial, session, polite)
        return _settle(remote, partial, path)
    except OSError as error:
        if full_disk(error) is None:
            raise
        msg = f"{path}: the disk is full; what has come stays in {partial.parent}: make room and run the same command again"
        raise LoamError(msg) from None


def receipt_of(path: Path, remote: Remote) -> Receipt | None:
    """Receipt of a file that is there whole and is still what the catalogue tells; None otherwise.

    Args:
        path: of the file.
        remote: what the catalogue tells of it now.
    """
    try:
        receipt = Receipt(**json.loads(_receipt_path(path).read_text()))
        same = path.stat().st_size == receipt.bytes
    except (OSError, ValueError, TypeError):
        return None
    changed = (remote.bytes not in (None, receipt.bytes)) or (
        remote.checksum not in (None, receipt.checksum)
    )
    return receipt if same and not changed else None


def _receipt_path(path: Path) -> Path:
    return path.with_name(path.name + ".receipt.json")


def _bring(remote: Remote, partial: Path, session: requests.Session, polite: Politeness) -> None:
    """Fill the partial file, as often as it takes."""
    patiently(
        lambda: _ask(remote, partial, session, polite),
        f"{bare(remote.address)}: {remote.service}",
        polite,
        lambda: _size(partial),
    )


def patiently(
    ask: Callable[[], Answer],
    whom: str,
    polite: Politeness,
    progress: Callable[[], int] = lambda: 0,
) -> Answer:
    """Ask until an answer comes, ever more seldom, or as the service says.

    Args:
        ask: one request; it raises what `require_answer` and requests raise.
        whom: address and name of the service, for messages.
        polite: how often and how long to try.
        progress: bytes that have come; a try that brought some is not counted.

    Raises:
        LoamError: the service does not answer.
    """
    failures, since = 0, datetime.now(UTC)
    while True:
        before = progress()
        try:
            return ask()
        except (
            Passing,
            requests.exceptions.RequestException,
            urllib3.exceptions.HTTPError,
        ) as error:
            # A library's text holds the address with its query.
            what = str(error) if isinstance(error, Passing) else type(error).__name__
            asked_for = error.wait_s if isinstance(error, Passing) else None
        failures = 0 if progress() > before else failures + 1
        if failures >= polite.tries:
            msg = f"{whom} gives no answer since {since:%Y-%m-%d %H:%M} UTC ({what}); run the same command again later: it resumes"
            raise LoamError(msg)
        wait = _wait_s(failures, polite) if asked_for is None else asked_for
        log.info("%s: %s; again in %.0f s", whom, what, wait)
        time.sleep(wait)


def _wait_s(failures: int, polite: Politeness) -> float:
    """Longer with each failure, and never for all clients the same."""
    longest = min(polite.first_wait_s * 2 ** max(failures - 1, 0), polite.longest_wait_s)
    return longest * random.uniform(0.5, 1.0)


def _ask(remote: Remote, partial: Path, session: requests.Session, polite: Politeness) -> None:
    """One request, for all or for what is missing."""
    known, offset = _state(partial, remote), _size(partial)
    headers = {"Accept-Encoding": "identity"}
    if offset and (known is None or not known.get("validator")):
        partial.unlink()  # whether the file is still the same, nothing would tell
        offset = 0
    if offset and known is not None:
        if known["bytes"] == offset:
            return
        headers |= {"Range": f"bytes={offset}-", "If-Range": known["validator"]}
    limits = (polite.connect_s, polite.silence_s)
    with session.get(remote.address, headers=headers, stream=True, timeout=limits) as answer:
        require_answer(answer, remote.address, remote.service)
        another = answer.status_code == 206 and _first_byte(answer) != offset
        if answer.status_code == 416 or another:
            partial.unlink(missing_ok=True)
            what = "the server has another part than was asked for"
            raise Passing(what, 0.0)
        offset = offset if answer.status_code == 206 else 0
        total = _total(answer, offset, remote)
        _remember(partial, remote, answer, total)
        _write(answer, partial, offset, total)
    if total is not None and _size(partial) < total:
        what = f"the connection ended after {_size(partial)} of {total} bytes"
        raise Passing(what)


def require_answer(answer: requests.Response, address: str, service: str) -> None:
    """Stop, or say that a later try may help, where a service has answered with no content.

    Args:
        answer: to a request.
        address: that was asked for.
        service: name of the service.

    Raises:
        Passing: a later try may help.
        LoamError: it will not.
    """
    status, address = answer.status_code, bare(address)
    if status in PASSING:
        what = f"status {status}"
        raise Passing(what, _retry_after_s(answer) if status in {429, 503} else None)
    faults = {
        401: f"{service} does not know you (status 401); put your sign-in into ~/.netrc or the environment",
        403: f"{service} refuses you this file (status 403); accept its licence once in a browser, signed in as the same user",
        404: f"is no longer at {service} (status 404); search again: give acquire.as_of another date",
        410: f"is no longer at {service} (status 410); search again: give acquire.as_of another date",
    }
    if status not in {200, 206, 416}:
        other = f"{service} answers with status {status}; look at the address in a browser"
        msg = f"{address}: {faults.get(status, other)}"
        raise LoamError(msg)


def _retry_after_s(answer: requests.Response) -> float | None:
    """Seconds that a service wants to be left alone, by its own clock; None where it does not say."""
    text = answer.headers.get("Retry-After", "")
    if text.isdigit():
        return min(float(text), LONGEST_RETRY_AFTER_S)
    try:
        until = email.utils.parsedate_to_datetime(text)
        now = email.utils.parsedate_to_datetime(answer.headers["Date"])
        return min(max((until - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)
    except (ValueError, KeyError, TypeError):
        return None


def _first_byte(answer: requests.Response) -> int | None:
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else None


def _total(answer: requests.Response, offset: int, remote: Remote) -> int | None:
    """Bytes of the whole file, by the server, else by the catalogue; the two must agree."""
    span = answer.headers.get("Content-Range", "").rpartition("/")[2]
    length = answer.headers.get("Content-Length", "")
    said = int(span) if span.isdigit() else offset + int(length) if length.isdigit() else None
    if said is not None and remote.bytes is not None and said != remote.bytes:
        msg = (
            f"{bare(remote.address)}: has {said} bytes, but the catalogue of {remote.service} tells {remote.bytes}; "
            "search again: give acquire.as_of another date"
        )
        raise LoamError(msg)
    return remote.bytes if said is None else said


def _write(answer: requests.Response, partial: Path, offset: int, total: int | None) -> None:
    """Append what comes, or start from the beginning where the server sends all of it."""
    with (
        partial.open("ab" if offset else "wb") as file,
        tqdm(
            desc=partial.name,
            initial=offset,
            total=total,
            unit="B",
            unit_scale=True,
            disable=None,  # a bar on a terminal alone
        ) as bar,
    ):
        # What is there, not whole chunks: of a connection that is cut, no byte that has come is lost.
        while chunk := answer.raw.read1(CHUNK_BYTES):
            file.write(chunk)
            bar.update(len(chunk))


def _state(partial: Path, remote: Remote) -> dict[str, Any] | None:
    """What the server said of the file whose part is there; None where it is of another file."""
    try:
        known: dict[str, Any] = json.loads(_state_path(partial).read_text())
    except (OSError, ValueError):
        return None
    same = isinstance(known, dict) and known.get("address") == bare(remote.address)
    return known if same and {"validator", "bytes"} <= known.keys() else None


def _remember(partial: Path, remote: Remote, answer: requests.Response, total: int | None) -> None:
    etag = answer.headers.get("ETag", "")
    # A weak tag promises the same meaning, not the same bytes (RFC 9110, 13.1.5).
    strong = "" if etag.startswith("W/") else etag
    known = {
        "address": bare(remote.address),
        "validator": strong or answer.headers.get("Last-Modified", ""),
        "bytes": total,
    }
    _state_path(partial).write_text(json.dumps(known))


def _state_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".json")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _settle(remote: Remote, partial: Path, path: Path) -> Receipt:
    """Verify what has come, give it its name, and write the receipt."""
    size, sums = _size(partial), _checksums(partial)
    if remote.bytes is not None and size != remote.bytes:
        _forget(partial)
        msg = f"{bare(remote.address)}: {size} bytes came, but the catalogue tells {remote.bytes}; run the same command again"
        raise LoamError(msg)
    kind, _, expected = (remote.checksum or "").partition(":")
    if remote.checksum and sums.get(kind) != expected.lower():
        _forget(partial)
        msg = (
            f"{bare(remote.address)}: what came has {kind} {sums.get(kind, 'unknown')}, but the catalogue of {remote.service} "
            f"tells {expected}; run the same command again, and tell the service if it stays so"
        )
        raise LoamError(msg)
    receipt = Receipt(
        bare(remote.address),
        remote.service,
        size,
        sums["sha256"],
        remote.checksum,
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        remote.licence,
        remote.citation,
    )
    _receipt_path(path).unlink(missing_ok=True)  # an older one must not stand for a newer file
    partial.replace(path)
    written = partial.with_name(path.name + ".receipt")
    written.write_text(json.dumps(asdict(receipt), indent=1) + "\n")
    written.replace(_receipt_path(path))
    _forget(partial)
    return receipt


def _checksums(path: Path) -> Mapping[str, str]:
    """MD5, SHA-1 and SHA-256 of a file in one reading; the first two are what catalogues tell, and guard against accidents alone."""
    sums = {name: hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha1", "sha256")}
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            for each in sums.values():
                each.update(chunk)
        os.fsync(file.fileno())
    return {name: each.hexdigest() for name, each in sums.items()}


def _forget(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    _state_path(partial).unlink(missing_ok=True)
