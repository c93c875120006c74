"""A file comes whole or not at all, whatever the service does; nothing is asked for twice; no secret is told."""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from acquire.server import Shelf, cut, says, serving, silent
from helpers import REPOSITORY

from loam.acquire.transfer import Politeness, Receipt, Remote, bare, fetch, receipt_of
from loam.core.errors import LoamError

CONTENT = bytes(range(256)) * 4000  # a megabyte
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()
QUICK = Politeness(tries=4, first_wait_s=0.01, longest_wait_s=0.02, connect_s=2, silence_s=0.4)
SECRET = "sig=hush"


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with serving() as found:
        found.files["/a.tif"] = CONTENT
        yield found


def remote(shelf: Shelf, **changes: object) -> Remote:
    told = {"bytes": len(CONTENT), "checksum": MD5, "licence": "CC BY 4.0", "citation": "Us 2026"}
    return Remote(f"{shelf.address}/a.tif?{SECRET}", "shelf", **(told | changes))


def bring(shelf: Shelf, path: Path, **changes: object) -> Receipt:
    with requests.Session() as session:
        session.trust_env = False
        return fetch(remote(shelf, **changes), path, session, QUICK)


def offsets(shelf: Shelf) -> list[int]:
    """First byte of every request."""
    return [int(each.get("Range", "bytes=0-")[6:-1]) for each in shelf.asked]


def test_a_file_and_its_receipt_come_and_are_not_asked_for_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    receipt = bring(shelf, path)
    assert path.read_bytes() == CONTENT
    assert (receipt.bytes, receipt.checksum) == (len(CONTENT), MD5)
    assert receipt.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (receipt.licence, receipt.citation) == ("CC BY 4.0", "Us 2026")
    assert bring(shelf, path) == receipt and len(shelf.asked) == 1
    left = sorted(str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file())
    assert left == ["a.tif", "a.tif.receipt.json"]
    assert SECRET not in "".join(each.read_text() for each in tmp_path.glob("*.json"))


@pytest.mark.parametrize("told", [{}, {"bytes": None, "checksum": None}])
def test_a_connection_that_is_cut_goes_on_where_it_ended(
    shelf: Shelf, tmp_path: Path, told: dict[str, None]
) -> None:
    shelf.faults = [cut(600_000), cut(300_000)]
    bring(shelf, tmp_path / "a.tif", **told)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT
    assert offsets(shelf) == [0, 600_000, 900_000]
    assert shelf.sent == len(CONTENT)  # no byte twice


def test_cuts_without_end_are_no_failure_as_long_as_bytes_come(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.faults = [cut(50_000) for _ in range(20)]
    bring(shelf, tmp_path / "a.tif")
    assert shelf.sent == len(CONTENT)


def test_a_file_that_changed_meanwhile_begins_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults = [cut(600_000), says(404)]
    with pytest.raises(LoamError, match="search again"):
        bring(shelf, tmp_path / "a.tif")
    other = CONTENT[::-1]
    shelf.files["/a.tif"] = other
    new = {"checksum": "md5:" + hashlib.md5(other).hexdigest()}
    bring(shelf, tmp_path / "a.tif", **new)
    assert (tmp_path / "a.tif").read_bytes() == other


@pytest.mark.parametrize(("ranges", "tags"), [(False, True), (True, False)])
def test_a_server_that_cannot_resume_is_asked_for_all(
    shelf: Shelf, tmp_path: Path, ranges: bool, tags: bool
) -> None:
    shelf.ranges, shelf.tags, shelf.faults = ranges, tags, [cut(600_000)]
    bring(shelf, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == CONTENT


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_be_over_soon_is_tried_again(shelf: Shelf, tmp_path: Path, code: int) -> None:
    shelf.faults = [says(code), says(code)]
    bring(shelf, tmp_path / "a.tif")
    assert len(shelf.asked) == 3


@pytest.mark.parametrize("when", ["1", "date"])
def test_a_service_that_wants_to_be_left_alone_is_left_alone(
    shelf: Shelf, tmp_path: Path, when: str
) -> None:
    """By the service's own clock, which is a year off."""
    at = {"Date": "Sat, 27 Nov 2027 10:00:00 GMT"}
    wait = "Sat, 27 Nov 2027 10:00:01 GMT" if when == "date" else when

    def later(handler) -> bool:
        handler.send_response_only(429)
        handler.send_header("Date", at["Date"])
        handler.send_header("Retry-After", wait)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    shelf.faults = [later]
    start = time.monotonic()
    bring(shelf, tmp_path / "a.tif")
    assert 0.9 < time.monotonic() - start < 5


def test_silence_is_given_up_and_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults = [silent(2.0)]
    bring(shelf, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes() == CONTENT


def test_a_service_that_is_down_is_one_line(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults = [says(503)] * 20
    with pytest.raises(
        LoamError,
        match=r"/a.tif: shelf gives no answer since .* UTC \(status 503\); run the same command again later: it resumes",
    ):
        bring(shelf, tmp_path / "a.tif")
    assert len(shelf.asked) == QUICK.tries
    with (
        pytest.raises(
            LoamError, match=r"nobody gives no answer since .*\(ConnectionError\)"
        ) as gone,
        requests.Session() as session,
    ):
        fetch(Remote("http://127.0.0.1:9/x?" + SECRET, "nobody"), tmp_path / "x", session, QUICK)
    assert SECRET not in str(gone.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, r"does not know you \(status 401\); put your sign-in into ~/.netrc"),
        (403, r"refuses you this file \(status 403\); accept its licence"),
        (404, r"is no longer at shelf \(status 404\); search again"),
        (418, r"answers with status 418"),
    ],
)
def test_a_refusal_is_one_line_with_the_remedy(
    shelf: Shelf, tmp_path: Path, code: int, said: str
) -> None:
    shelf.faults = [says(code)]
    with pytest.raises(LoamError, match=said) as refused:
        bring(shelf, tmp_path / "a.tif")
    assert len(shelf.asked) == 1 and SECRET not in str(refused.value)
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            {"checksum": "md5:" + "0" * 32},
            "what came has md5 .*, but the catalogue of shelf tells 000",
        ),
        ({"bytes": 7}, "has 1024000 bytes, but the catalogue of shelf tells 7"),
        ({"checksum": "crc:1"}, "has crc unknown"),
    ],
)
def test_other_bytes_than_the_catalogue_tells_are_refused_and_the_earlier_file_stays(
    shelf: Shelf, tmp_path: Path, told: dict[str, object], said: str
) -> None:
    path = tmp_path / "a.tif"
    before = bring(shelf, path)
    with pytest.raises(LoamError, match=said):
        bring(shelf, path, **told)
    assert path.read_bytes() == CONTENT and receipt_of(path, remote(shelf)) == before


def test_a_file_without_its_receipt_or_cut_short_is_fetched_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    bring(shelf, path)
    path.write_bytes(CONTENT[:-1])
    bring(shelf, path)
    (tmp_path / "a.tif.receipt.json").write_text("{")
    bring(shelf, path)
    assert path.read_bytes() == CONTENT and len(shelf.asked) == 3


def test_a_token_is_not_sent_to_another_host(shelf: Shelf, tmp_path: Path) -> None:
    shelf.token = "hush"
    with serving() as other:
        other.files["/a.tif"] = CONTENT
        elsewhere = other.address.replace("127.0.0.1", "localhost") + "/a.tif"
        shelf.faults = [says(302, Location=elsewhere)]
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = "Bearer hush"
            fetch(remote(shelf), tmp_path / "a.tif", session, QUICK)
        assert shelf.asked[0]["Authorization"] == "Bearer hush"
        assert "Authorization" not in other.asked[0]


def test_no_signature_reaches_the_log(
    shelf: Shelf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.faults = [says(500), cut(1000)]
    with caplog.at_level(logging.DEBUG, logger="loam"):
        bring(shelf, tmp_path / "a.tif")
    assert "status 500; again in" in caplog.text and SECRET not in caplog.text
    assert (
        bare("https://me:secret@example.org:8443/a/b.tif?sig=1#x")
        == "https://example.org:8443/a/b.tif"
    )


CHILD = """
import sys, requests
from pathlib import Path
from loam.acquire.transfer import Remote, fetch
fetch(Remote(sys.argv[1], "shelf", int(sys.argv[3]), sys.argv[4]), Path(sys.argv[2]), requests.Session())
"""


def test_a_fetch_that_is_killed_asks_for_the_rest_alone(shelf: Shelf, tmp_path: Path) -> None:
    def stalled(handler) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.send_header("ETag", f'"{hashlib.md5(CONTENT).hexdigest()}"')
        handler.end_headers()
        handler.wfile.write(CONTENT[:921_600])
        time.sleep(30)
        return True

    shelf.faults = [stalled]
    path, partial = tmp_path / "a.tif", tmp_path / ".partial/a.tif"
    arguments = [f"{shelf.address}/a.tif", str(path), str(len(CONTENT)), MD5]
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *arguments],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while (
        not partial.exists() or partial.stat().st_size < 786_432
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    there = partial.stat().st_size
    assert there >= 786_432 and not path.exists()
    shelf.sent = 0
    bring(shelf, path)
    assert path.read_bytes() == CONTENT and shelf.sent == len(CONTENT) - there


def test_a_full_disk_is_one_line_and_what_has_come_stays(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loam.acquire import transfer

    def full(answer, partial: Path, offset: int, total: int) -> None:
        partial.write_bytes(answer.raw.read(1000))
        raise OSError(28, "No space left on device", str(partial))

    with monkeypatch.context() as patch:
        patch.setattr(transfer, "_write", full)
        with pytest.raises(
            LoamError, match=r"a.tif: the disk is full; what has come stays in .*\.partial"
        ):
            bring(shelf, tmp_path / "a.tif")
    shelf.sent = 0
    bring(shelf, tmp_path / "a.tif")
    assert shelf.sent == len(CONTENT) - 1000


def test_a_state_that_is_damaged_or_of_another_file_is_not_gone_on_with(
    shelf: Shelf, tmp_path: Path
) -> None:
    folder = tmp_path / ".partial"
    folder.mkdir()
    for state in (
        "{",
        "[]",
        json.dumps({"address": "http://else", "validator": '"x"', "bytes": 9}),
    ):
        (folder / "a.tif").write_bytes(b"something else")
        (folder / "a.tif.json").write_text(state)
        (tmp_path / "a.tif").unlink(missing_ok=True)
        bring(shelf, tmp_path / "a.tif")
        assert (tmp_path / "a.tif").read_bytes() == CONTENT
