"""Products are read in place, from folders and zips alike, and never from outside their own folder."""

import zipfile
from pathlib import Path

import pytest

from loam.core.errors import LoamError
from loam.sar.safe import Safe


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Build the least that is a SAFE folder."""
    safe = tmp_path / "S1A_TEST.SAFE"
    (safe / "annotation/calibration").mkdir(parents=True)
    (safe / "manifest.safe").write_text("<a><b>1</b></a>")
    (safe / "annotation/s1a-iw-grd-vv-1.xml").write_text("<vv/>")
    (safe / "annotation/calibration/noise-s1a-iw-grd-vv-1.xml").write_text("<broken")
    return safe


def zipped(folder: Path, extra: dict[str, str] | None = None) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, f"{folder.name}/{file.relative_to(folder)}")
        for name, text in (extra or {}).items():
            archive.writestr(name, text)
    return path


def test_a_zip_reads_as_its_folder_does(folder: Path) -> None:
    one, other = Safe(folder), Safe(zipped(folder))
    assert one.names == other.names
    assert one.read("manifest.safe") == other.read("manifest.safe")
    assert one.manifest.findtext("b") == other.manifest.findtext("b") == "1"
    assert (
        one.find("annotation", "", "vv", ".xml")
        == other.find("annotation", "", "vv", ".xml")
        == "annotation/s1a-iw-grd-vv-1.xml"
    )


@pytest.mark.parametrize(
    "name",
    ["../outside.xml", "S1A_TEST.SAFE/../../outside", "/etc/outside", "..\\outside", "C:/outside"],
)
def test_a_path_outside_its_folder_is_refused(folder: Path, name: str) -> None:
    path = zipped(folder, {name: "x"})
    with pytest.raises(LoamError, match="outside its folder; refused") as caught:
        Safe(path)
    assert str(path) in str(caught.value)


def test_half_a_zip_is_no_zip(folder: Path) -> None:
    path = zipped(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(LoamError, match="is no whole zip"):
        Safe(path)


def test_what_is_missing_or_broken_is_named(folder: Path) -> None:
    safe = Safe(folder)
    with pytest.raises(
        LoamError, match=r"annotation/calibration/calibration-\*-vv-\*.xml is missing"
    ):
        safe.find("annotation/calibration", "calibration-", "vv", ".xml")
    with pytest.raises(LoamError, match=r"noise-s1a-iw-grd-vv-1.xml is not XML"):
        safe.xml(safe.find("annotation/calibration", "noise-", "vv", ".xml"))
    (folder / "manifest.safe").unlink()
    with pytest.raises(LoamError, match=r"has no manifest.safe"):
        Safe(folder)
