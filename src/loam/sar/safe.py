"""Sentinel-1 products as ESA delivers them: a SAFE folder or a zip of one, read in place and never unpacked."""

import zipfile
import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from loam.errors import LoamError

# What Python's zip reader raises for damage, encryption, and methods it does not know.
UNREADABLE = (OSError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)


class Safe:
    """The files of one product, by their names relative to the SAFE folder."""

    def __init__(self, path: Path) -> None:
        """Look into a SAFE folder or a zip.

        Args:
            path: folder with a manifest.safe, or zip of such a folder.

        Raises:
            LoamError: the zip is damaged, names a path outside its folder, or there is no manifest.
        """
        self.path = path
        self._prefix = ""
        if path.is_dir():
            self.names = sorted(str(PurePosixPath(file.relative_to(path))) for file in path.rglob("*") if file.is_file())
        else:
            self._prefix, self.names = _zip_names(path)
        if "manifest.safe" not in self.names:
            msg = f"{path}: has no manifest.safe; download the product again"
            raise LoamError(msg)

    def read(self, name: str) -> bytes:
        """Content of one file.

        Raises:
            LoamError: it cannot be read.
        """
        try:
            if self.path.is_dir():
                return (self.path / name).read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self._prefix + name)
        except UNREADABLE as error:
            msg = f"{self.path}: {name} cannot be read ({error}); download the product again"
            raise LoamError(msg) from None

    def xml(self, name: str) -> ElementTree.Element:
        """One file as XML.

        Raises:
            LoamError: it is not XML.
        """
        try:
            return ElementTree.fromstring(self.read(name))
        except ElementTree.ParseError as error:
            msg = f"{self.path}: {name} is not XML ({error}); download the product again"
            raise LoamError(msg) from None

    @cached_property
    def manifest(self) -> ElementTree.Element:
        """The manifest."""
        return self.xml("manifest.safe")

    def find(self, folder: str, start: str, polarisation: str, suffix: str) -> str:
        """Name of the one file of a polarisation in a folder of the product.

        Args:
            folder: such as annotation/calibration.
            start: of the file's name, such as noise-; may be empty.
            polarisation: vv or vh.
            suffix: such as .xml.

        Raises:
            LoamError: it is not there.
        """
        for name in self.names:
            parent, _, file = name.rpartition("/")
            if parent == folder and file.startswith(start) and f"-{polarisation}-" in file and file.endswith(suffix):
                return name
        msg = f"{self.path}: {folder}/{start}*-{polarisation}-*{suffix} is missing; download the product again"
        raise LoamError(msg)

    def raster(self, polarisation: str) -> str:
        """Where GDAL finds the measurement of a polarisation."""
        name = self.find("measurement", "", polarisation, ".tiff")
        return str(self.path / name) if self.path.is_dir() else f"/vsizip/{self.path.absolute()}/{self._prefix}{name}"


def _zip_names(path: Path) -> tuple[str, list[str]]:
    """Prefix of the SAFE folder in the zip, and the names below it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except UNREADABLE as error:
        msg = f"{path}: is no whole zip ({error}); download it again"
        raise LoamError(msg) from None
    _refuse_escapes(path, names)
    manifests = [name for name in names if PurePosixPath(name).name == "manifest.safe"]
    if len(manifests) > 1:
        msg = f"{path}: holds {len(manifests)} products; unpack it, or zip each by itself"
        raise LoamError(msg)
    prefix = manifests[0].removesuffix("manifest.safe") if manifests else ""
    return prefix, sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix) and not name.endswith("/"))


def _refuse_escapes(path: Path, names: Sequence[str]) -> None:
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or ":" in "".join(parts.parts[:1]):
            msg = f"{path}: holds '{name}', a path outside its folder; refused: remove this zip, and look where it came from"
            raise LoamError(msg)
