"""Products in every layout that mirrors and download programs leave, and hostile ones: each is read, or has its line in rejected.csv."""

import gzip
import io
import os
import re
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from sar.ground import Ground

from loam.config.base import Period
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.sar import safe as safe_module
from loam.sar.annotation import StateVectors, read_annotation
from loam.sar.image import BORDER_STEP_PX, Image
from loam.sar.orbit import find_orbit_file, read_orbit_file
from loam.sar.product import read_product
from loam.sar.safe import Safe
from loam.sar.scenes import Wanted, candidates, orbit_files, search


@pytest.fixture
def wanted(hills: Ground) -> Wanted:
    return Wanted(
        target_grid(hills.grid, None),
        Period(start=date(2022, 1, 1), end=date(2022, 12, 31)),
        ("vv", "vh"),
        0.2,
        False,
    )


def short_names(product: Path) -> None:
    """As AWS and the Planetary Computer have them; the manifest says what it said."""
    for file in sorted(product.rglob("*")):
        if file.is_file() and file.name != "manifest.safe":
            polarisation = "vv" if "-vv-" in file.name else "vh"
            kind = (
                f"{file.name.split('-')[0]}-"
                if file.name.startswith(("noise", "calibration"))
                else ""
            )
            file.rename(file.with_name(f"{kind}iw-{polarisation}{file.suffix}"))


def cog(product: Path) -> None:
    """As CDSE's _COG.SAFE: other names, which the manifest follows, and overviews of mean power."""
    for file in sorted([*product.rglob("*.xml"), *product.rglob("*.tiff")]):
        target = file.with_name(f"{file.stem}-cog{file.suffix}")
        if file.suffix == ".xml":
            file.rename(target)
            continue
        with rasterio.open(file) as source, MemoryFile() as memory:
            gcps, crs = source.gcps
            profile = {
                "driver": "GTiff",
                "dtype": "uint16",
                "count": 1,
                "height": source.height,
                "width": source.width,
            }
            with memory.open(**profile, gcps=gcps, crs=crs) as out:
                out.write(source.read(1), 1)
            with memory.open() as out:
                copy(
                    out,
                    target,
                    driver="COG",
                    compress="ZSTD",
                    blocksize=128,
                    overview_resampling="rms",
                    overview_count=4,
                )
        with target.open("ab") as tail:
            tail.write(gzip.compress(b"footer"))
        file.unlink()
    manifest = product / "manifest.safe"
    text = re.sub(
        r'href="\./((?:annotation|measurement)[^"]*)\.(xml|tiff)"',
        r'href="./\1-cog.\2"',
        manifest.read_text(),
    )
    manifest.write_text(text)


def nested(product: Path) -> None:
    inner = product.parent / "inner"
    product.rename(inner)
    product.mkdir()
    inner.rename(product / product.name)


def without_suffix(product: Path) -> None:
    product.rename(product.with_suffix(""))


def other_name(product: Path) -> None:
    product.rename(product.with_name("january first"))


def zipped(product: Path, prefix: str = "some folder/inside") -> None:
    with zipfile.ZipFile(product.with_name("product.ZIP"), "w") as archive:
        for file in product.rglob("*"):
            if file.is_file():
                archive.write(file, f"{prefix}/{file.relative_to(product)}")
    shutil.rmtree(product)


def linked(product: Path) -> None:
    elsewhere = product.parent.parent / "archive"
    product.rename(elsewhere)
    product.symlink_to(elsewhere)


LAYOUTS = [short_names, cog, nested, without_suffix, other_name, zipped, linked]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_same_digits_are_found_in_every_layout(
    copied: Path, hills: Ground, wanted: Wanted, layout: Callable[[Path], None]
) -> None:
    plain = copied.parent.parent / "plain.SAFE"
    shutil.copytree(copied, plain)
    layout(copied)
    found = search(candidates(copied.parent), wanted)
    assert [len(slices) for slices in found.passes] == [1], found.rejected
    assert not found.rejected
    images = [
        Image(product, ("vv", "vh"), None, thermal_noise=False, border_noise=False)
        for product in (found.passes[0][0], read_product(plain))
    ]
    window = (100, 200, 150, 170)
    for image in images:
        image.prepare(window)
    np.testing.assert_array_equal(*(image.read(window) for image in images))


def test_every_nth_pixel_is_the_same_whether_there_are_overviews_or_not(copied: Path) -> None:
    plain = copied.parent.parent / "plain.SAFE"
    shutil.copytree(copied, plain)
    cog(copied)
    images = [
        Image(read_product(path), ("vv",), None, thermal_noise=False, border_noise=True)
        for path in (plain, copied)
    ]
    digits = [image._numbers("vv", (3, 700), (5, 600), step=BORDER_STEP_PX) for image in images]
    np.testing.assert_array_equal(*digits)
    np.testing.assert_array_equal(
        digits[0], images[0]._numbers("vv", (3, 700), (5, 600))[::BORDER_STEP_PX, ::BORDER_STEP_PX]
    )


def test_two_files_that_could_be_one_are_refused(copied: Path) -> None:
    short_names(copied)
    (copied / "annotation/iw-vv-copy.xml").write_text((copied / "annotation/iw-vv.xml").read_text())
    with pytest.raises(
        LoamError, match=r"iw-vv-copy.xml and annotation/iw-vv.xml could all be its vv file"
    ):
        read_annotation(Safe(copied), "vv")


# --- What cannot be read has a reason, in bounded time ---


def reasons(folder: Path, wanted: Wanted) -> dict[str, str]:
    found = search(candidates(folder), wanted)
    assert not found.passes
    return {path.name: reason for path, reason in found.rejected}


def test_halves_of_products_and_archives_have_their_line(copied: Path, wanted: Wanted) -> None:
    (copied / "manifest.safe").unlink()
    bare = copied.parent / "no suffix"
    shutil.copytree(copied, bare)
    (copied.parent / "empty.SAFE").mkdir()
    with zipfile.ZipFile(copied.parent / "windows.zip", "w") as archive:
        archive.writestr("A.SAFE\\manifest.safe", "")
    with tarfile.open(copied.parent / "S1A_IW_GRDH.tar.gz", "w:gz") as archive:
        archive.add(copied, copied.name)
    assert reasons(copied.parent, wanted) == {
        copied.name: "has no manifest.safe; download the product again",
        "no suffix": "has no manifest.safe; download the product again",
        "S1A_IW_GRDH.tar.gz": "is an archive that Loam does not read; unpack it",
        "empty.SAFE": "has no manifest.safe; download the product again",
        "windows.zip": "its names have backslashes, as some programs of Windows write them; zip the product again, or unpack it",
    }


def test_loops_pipes_and_links_to_everything_are_passed_by(copied: Path, wanted: Wanted) -> None:
    folder = copied.parent
    (folder / "again").symlink_to(folder)
    (copied / "measurement/up").symlink_to("../..")
    (folder / "root").symlink_to("/")
    (folder / "dead.zip").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.zip")
    os.mkfifo(copied / "annotation/pipe.xml")
    found = search(candidates(folder), wanted)
    assert [one.path for slices in found.passes for one in slices] == [copied]
    assert not found.rejected


def test_bombs_have_their_line(
    copied: Path, wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe_module, "LARGEST_METADATA", 2**20)
    monkeypatch.setattr(safe_module, "MOST_NAMES", 500)
    folder, manifest = copied.parent / "bombs", (copied / "manifest.safe").read_text()
    folder.mkdir()
    with zipfile.ZipFile(folder / "zeros.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("A.SAFE/manifest.safe", b"\0" * 2**22)
    with zipfile.ZipFile(folder / "names.zip", "w") as archive:
        for number in range(501):
            archive.writestr(f"{number}", "")
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    contents = {
        "entities": f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a>&e29;</a>',
        "escape": re.sub(r'href="\./annotation', 'href="./../../etc', manifest, count=1),
    }
    for name, text in contents.items():
        shutil.copytree(copied, folder / name)
        (folder / name / "manifest.safe").write_text(text)
    start = time.perf_counter()
    found = reasons(folder, wanted)
    assert time.perf_counter() - start < 20
    for name, reason in {
        "zeros.zip": "more than 1 MB, which is no metadata",
        "names.zip": "holds 501 files, a product has some 30",
        "entities": "defines entities, which no product of ESA's does",
        "escape": "a path outside the product",
    }.items():
        assert reason in found[name]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_whatever_is_damaged_the_product_is_used_or_has_one_line(
    copied: Path, wanted: Wanted, data: st.DataObject
) -> None:
    """Files cut, overwritten, emptied or gone, in a folder and in a zip."""
    folder = copied.parent / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(copied, folder / copied.name)
    files = sorted(path for path in (folder / copied.name).rglob("*") if path.is_file())
    as_zip = data.draw(st.booleans())
    if as_zip:
        zipped(folder / copied.name, copied.name)
        files = list(folder.iterdir())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(files))
        content = path.read_bytes() if path.exists() else b""
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        how = data.draw(st.sampled_from(["cut", "overwrite", "empty", "gone", "text"]))
        if how == "gone":
            path.unlink(missing_ok=True)
        elif how == "text" and path.suffix in {".xml", ".safe"}:
            text = re.sub(
                r">[^<>]+<",
                data.draw(st.sampled_from([">nan<", "><", ">-1<", ">1e999<", ">NaT<"])),
                content.decode(errors="replace"),
                count=place % 90,
            )
            path.write_text(text)
        else:
            with io.BytesIO(content) as buffer:
                buffer.seek(place)
                buffer.write(data.draw(st.binary(max_size=40)))
                path.write_bytes({"cut": content[:place], "empty": b""}.get(how, buffer.getvalue()))
    found = search(candidates(folder), wanted)
    assert len(found.passes) + len(found.rejected) <= 1
    for path, reason in found.rejected:
        assert "\n" not in reason and reason
        assert path.is_relative_to(folder)


# --- Orbit files ---

NAME = "S1A_OPER_AUX_POEORB_OPOD_20220122T121551_V20211231T225942_20220102T005942.EOF"


def orbit_text(vectors: StateVectors, mission: str = "Sentinel-1A") -> str:
    names = ("X", "Y", "Z", "VX", "VY", "VZ")
    rows = "".join(
        f"<OSV><UTC>UTC={str(at)[:26]}</UTC>"
        + "".join(f"<{n}>{value:.6f}</{n}>" for n, value in zip(names, (*p, *v), strict=True))
        + "</OSV>"
        for at, p, v in zip(vectors.times, vectors.position_m, vectors.velocity_ms, strict=True)
    )
    header = f"<Earth_Explorer_Header><Fixed_Header><Mission>{mission}</Mission></Fixed_Header></Earth_Explorer_Header>"
    return f"<Earth_Explorer_File>{header}<Data_Block><List_of_OSVs>{rows}</List_of_OSVs></Data_Block></Earth_Explorer_File>"


def test_an_orbit_file_is_the_same_in_its_zip(copied: Path, tmp_path: Path) -> None:
    product = read_product(copied)
    text = orbit_text(read_annotation(Safe(copied), "vv").orbit)
    plain, deep = tmp_path / "plain" / NAME, tmp_path / "zipped/POEORB/S1A/2022/01" / f"{NAME}.zip"
    for path in (plain, deep):
        path.parent.mkdir(parents=True)
    plain.write_text(text)
    with zipfile.ZipFile(deep, "w") as archive:
        archive.writestr(f"folder/{NAME}", text)
    read = []
    for folder in (tmp_path / "plain", tmp_path / "zipped"):
        path = find_orbit_file(orbit_files(folder), "S1A", product.start, product.stop)
        assert path is not None
        read.append(read_orbit_file(path, "S1A", product.start, product.stop))
    np.testing.assert_array_equal(read[0].position_m, read[1].position_m)
    assert read[0].source == read[1].source == "precise"


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_an_orbit_files_zip_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / f"{NAME}.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing")
    else:
        path.write_bytes(content)
    with pytest.raises(LoamError, match="cannot be read as an orbit file") as caught:
        read_orbit_file(path, "S1A", np.datetime64("2022-01-01"), np.datetime64("2022-01-01"))
    assert "\n" not in str(caught.value)
