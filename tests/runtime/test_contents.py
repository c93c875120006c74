"""What a user's files hold: touched, moved away and put back, or beside a stray file they are the same; changed they are not."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from loam.core import folders
from loam.core.errors import LoamError
from loam.runtime import contents


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    for name in ("A.SAFE/manifest.safe", "A.SAFE/measurement/vv.tiff", "deep/B.zip", "S1A.EOF"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode() * 50)
    return folder


def identity(folder: Path) -> str:
    for function in (contents._lines, contents._files):
        function.cache_clear()
    return contents.identity([str(folder)], contents.SCENES)


def moved_away_and_back(folder: Path) -> None:
    (folder / "A.SAFE").rename(folder.parent / "A.SAFE")
    identity(folder)
    (folder.parent / "A.SAFE").rename(folder / "A.SAFE")


def in_loops(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    (folder / "A.SAFE/up").symlink_to(folder.parent)
    (folder / "root").symlink_to("/")
    (folder / "nowhere.zip").symlink_to("nothing")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: os.utime(folder),
        lambda folder: os.utime(folder / "A.SAFE"),
        lambda folder: (folder / "A.SAFE/manifest.safe").touch(),  # small enough to be read
        lambda folder: (folder / "notes.txt").write_text("mine"),
        lambda folder: (folder / ".DS_Store").write_text(""),
        lambda folder: (folder / "A.SAFE/measurement/vv.tiff.aux.xml").write_text("statistics"),
        lambda folder: (folder / "empty").mkdir(),
        lambda folder: os.mkfifo(folder / "pipe.zip"),
        in_loops,
        moved_away_and_back,
    ],
)
def test_what_holds_no_data_changes_nothing(scenes: Path, change: Callable[[Path], object]) -> None:
    before = identity(scenes)
    change(scenes)
    assert identity(scenes) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "C.zip").write_text("new"),
        lambda folder: (folder / "deep/B.zip").write_text("cut"),
        lambda folder: (folder / "deep/B.zip").rename(folder / "B.zip"),
        lambda folder: (folder / "A.SAFE/manifest.safe").write_text("other"),
        lambda folder: (folder / "S1A.EOF").unlink(),
        lambda folder: (folder / "D.zip").symlink_to(folder / "deep/B.zip"),
    ],
)
def test_what_can_be_data_changes_it(scenes: Path, change: Callable[[Path], object]) -> None:
    before = identity(scenes)
    change(scenes)
    assert identity(scenes) != before


def test_a_file_that_is_named_is_known_by_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "area.geojson"
    path.write_text("{}")
    before = identity(path)
    os.utime(path, (0, 0))
    assert identity(path) == before
    path.write_text("[]")
    assert identity(path) != before
    path.unlink()
    assert identity(path) != before


def test_a_folder_of_too_many_files_is_refused(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    with pytest.raises(LoamError, match=r"scenes: holds more than 3 files"):
        identity(scenes)


def test_files_of_the_future_get_one_line(scenes: Path) -> None:
    contents._files.cache_clear()
    assert contents.dated_in_the_future([str(scenes)]) is None
    later = time.time() + 400 * 86400
    for name in ("S1A.EOF", "deep/B.zip"):
        os.utime(scenes / name, (later, later))
    line = contents.dated_in_the_future([str(scenes), str(scenes / "gone")])
    assert line is not None and line.count("\n") == 0
    assert (
        "(and 1 more): is dated 20" in line
        and "in the future; set its time right with: touch " in line
    )
