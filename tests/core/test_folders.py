"""A search of a folder ends, whatever lies in it."""

import os
from pathlib import Path

import pytest

from loam.core import folders
from loam.core.errors import LoamError
from loam.core.folders import regular_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data/b.txt", "data/deep/er/a.txt", "elsewhere/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path / "data"


def names(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in regular_files(folder)]


def test_regular_files_come_in_order_from_any_depth(folder: Path) -> None:
    assert names(folder) == ["b.txt", "deep/er/a.txt"]


def test_loops_pipes_and_dead_links_are_passed_by(folder: Path) -> None:
    (folder / "self").symlink_to(folder)
    (folder / "deep/up").symlink_to("..")
    (folder / "root").symlink_to("/")
    (folder / "nothing").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    assert names(folder) == ["b.txt", "deep/er/a.txt"]


def test_links_out_of_the_folder_are_followed_once(folder: Path) -> None:
    (folder / "archive").symlink_to(folder.parent / "elsewhere")
    (folder / "archive2").symlink_to(folder.parent / "elsewhere")
    (folder / "file").symlink_to(folder.parent / "elsewhere/c.txt")
    (folder.parent / "elsewhere/back").symlink_to(folder)
    assert len([name for name in names(folder) if name.endswith("c.txt")]) == 1
    assert "file" in names(folder)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert regular_files(tmp_path / "none") == ()


def test_there_is_a_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 1)
    with pytest.raises(LoamError, match="more than 1 files"):
        regular_files(folder)
