"""A real edit changes a step's fingerprint; a comment or a docstring does not."""

import shutil

import pytest
from helpers import REPOSITORY

from loam.runtime import fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(REPOSITORY / "src/loam", tmp_path / "loam")
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path / "loam")

    def forget() -> None:
        for function in (
            fingerprint._imports,
            fingerprint._pieces,
            fingerprint._settings,
        ):
            function.cache_clear()

    def current(step: str) -> str:
        forget()
        return fingerprint.fingerprint(step)

    yield tmp_path / "loam", current
    forget()


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_an_edit_of_a_function_it_uses_counts(package) -> None:
    folder, fingerprint = package
    before = {step: fingerprint(step) for step in ("detect_change", "prepare_static")}
    edit(
        folder / "moisture/backscatter.py",
        "(pixel_m / speckle_cell_m) ** 2",
        "(pixel_m / speckle_cell_m) ** 3",
    )
    assert fingerprint("detect_change") != before["detect_change"]
    assert fingerprint("prepare_static") == before["prepare_static"]


def test_an_imported_helper_counts_for_all_who_use_it(package) -> None:
    folder, fingerprint = package
    before = {step: fingerprint(step) for step in ("detect_change", "prepare_static")}
    edit(folder / "core/raster.py", "COMPRESSION_LEVEL = 3", "COMPRESSION_LEVEL = 4")
    assert all(fingerprint(step) != value for step, value in before.items())


def test_comments_docstrings_and_layout_do_not_count(package) -> None:
    folder, fingerprint = package
    before = fingerprint("detect_change")
    edit(
        folder / "moisture/scale.py",
        "    level, variance = (",
        "    # why\n\n    level, variance = (",
    )
    edit(
        folder / "moisture/scale.py", '"""Where backscatter lies', '"""Tell where backscatter lies'
    )
    assert fingerprint("detect_change") == before


def test_the_configurations_text_does_not_count(package) -> None:
    """What a step reads of the configuration reaches it as parameters, which Snakemake watches by itself."""
    folder, fingerprint = package
    before = fingerprint("detect_change")
    edit(folder / "config/samples.py", "Two-pass patch sampling.", "Patches, in two passes.")
    assert fingerprint("detect_change") == before


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("core/raster.py", "cannot be read as NetCDF or Zarr", "is no NetCDF and no Zarr"),
        (
            "core/raster.py",
            "a folder that is no Zarr",
            "not a Zarr",
        ),  # a variable that only a message has
        (
            "core/errors.py",
            '.partition(" in any of")[0][:100]',
            '.partition(" in any")[0][:90]',
        ),  # a function that only a message calls
        (
            "sar/stack.py",
            "sees nothing of the area; left out of the stack",
            "does not see the area",
        ),  # of the log
        (
            "learning/training.py",
            "training starts from the beginning",
            "training begins from nothing",
        ),
        ("learning/device.py", "PyTorch finds no GPU", "there is no GPU"),
    ],
)
def test_the_wording_of_a_message_does_not_count(package, path: str, old: str, new: str) -> None:
    folder, fingerprint = package
    before = {step: fingerprint(step) for step in ("detect_change", "stack_scenes", "train")}
    edit(folder / path, old, new)
    assert {step: fingerprint(step) for step in before} == before


def test_what_a_section_of_settings_does_counts_for_who_uses_it(package) -> None:
    folder, fingerprint = package
    before = {
        step: fingerprint(step)
        for step in ("detect_change", "collect_samples", "train", "prepare_static")
    }
    config = folder / "config/sources.py"
    water = config.read_text().partition("def codes(self)")[2]
    statement = water[water.index("return ") :].partition("\n")[0]
    edit(config, statement, statement + " + (0,)")
    changed = {step for step, value in before.items() if fingerprint(step) != value}
    assert changed == {"detect_change", "collect_samples"}


def test_texts_that_are_results_count(package) -> None:
    folder, fingerprint = package
    before = fingerprint("predict")
    edit(
        folder / "learning/prediction.py", "0 dry to 1 wet, predicted", "from dry to wet, predicted"
    )
    assert fingerprint("predict") != before


SOURCE = '''
"""Says what it is."""
import logging
LIMIT = 3.50  # a comment
def _told(value): return f"{value!r:>{4}} is" " wrong"
class Point:
    """A point."""
    x: float = 0.
    def norm(self, *more, scale=1e-3, **named):
        """Length."""
        message = _told(self.x)
        if self.x is None or b"\\x00" in more:
            raise ValueError(f"{message}: {self.x:.2f}")
        logging.getLogger(__name__).warning("norm of %s", message)
        match more:
            case [first, *_] if first > LIMIT: return -first
        return [y ** 2 for y in more if y not in (1, 2)][::-1], f"{self.x}" f" {scale:.{2}f} m", lambda a, /, b=None: a @ b
async def later():
    async with later() as it: yield it
'''


def test_a_fingerprint_is_the_same_under_every_python() -> None:
    """The digest was made under Python 3.11; trees differ between versions in fields that are empty or say nothing."""
    import ast
    import hashlib

    text = fingerprint.plain(ast.parse(SOURCE))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "7d31c4d614aa1111"
    assert "wrong" not in text and "norm of" not in text and "_told" not in text
    odd = ast.parse(SOURCE)
    for node in ast.walk(odd):  # as later versions have it
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.type_params = []
        if isinstance(node, ast.Constant):
            node.kind = None
    assert fingerprint.plain(odd) == text


def test_every_rule_has_a_fingerprint() -> None:
    from loam.runtime.commands import COMMANDS

    assert (
        len({fingerprint.fingerprint(command.replace("-", "_")) for command in COMMANDS})
        > len(COMMANDS) // 2
    )
