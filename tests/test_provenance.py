"""A real edit changes a step's fingerprint; a comment or a docstring does not."""

import shutil

import pytest
from helpers import REPOSITORY

from loam import provenance


@pytest.fixture
def package(tmp_path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(REPOSITORY / "src/loam", tmp_path / "loam")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "loam")

    def fingerprint(step: str) -> str:
        provenance._tree.cache_clear()
        provenance._code.cache_clear()
        return provenance.fingerprint(step)

    yield tmp_path / "loam", fingerprint
    provenance._tree.cache_clear()
    provenance._code.cache_clear()


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_edit_of_a_function_it_uses_counts(package) -> None:
    folder, fingerprint = package
    before = {step: fingerprint(step) for step in ("detect_change", "prepare_static")}
    edit(folder / "moisture/backscatter.py", "(pixel_m / speckle_cell_m) ** 2", "(pixel_m / speckle_cell_m) ** 3")
    assert fingerprint("detect_change") != before["detect_change"]
    assert fingerprint("prepare_static") == before["prepare_static"]


def test_an_imported_helper_counts_for_all_who_use_it(package) -> None:
    folder, fingerprint = package
    before = {step: fingerprint(step) for step in ("detect_change", "prepare_static")}
    edit(folder / "raster.py", "COMPRESSION_LEVEL = 3", "COMPRESSION_LEVEL = 4")
    assert all(fingerprint(step) != value for step, value in before.items())


def test_comments_docstrings_and_layout_do_not_count(package) -> None:
    folder, fingerprint = package
    before = fingerprint("detect_change")
    edit(folder / "moisture/scale.py", "    level, variance = (", "    # why\n\n    level, variance = (")
    edit(folder / "moisture/scale.py", '"""Where backscatter lies', '"""Tell where backscatter lies')
    assert fingerprint("detect_change") == before


def test_the_configurations_text_does_not_count(package) -> None:
    """What a step reads of the configuration reaches it as parameters, which Snakemake watches by itself."""
    folder, fingerprint = package
    before = fingerprint("detect_change")
    edit(folder / "config.py", "edge of a spatial block [pixel]", "edge of a block [pixel]")
    assert fingerprint("detect_change") == before


def test_every_rule_has_a_fingerprint() -> None:
    from loam.__main__ import COMMANDS

    assert len({provenance.fingerprint(command.replace("-", "_")) for command in COMMANDS}) > len(COMMANDS) // 2
