"""Files of the configuration, whatever is in them: settings, or one line that names the file, the place and the cause."""

import json
import os
from pathlib import Path

import pytest
import yaml
from helpers import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.config.yaml_file import MOST_BYTES, check_command_line, merged, over, read
from loam.core.errors import LoamError

BOMB = "a0: &a0 {}\n" + "".join(
    f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(9))}}}\n" for n in range(1, 10)
)
LIST_BOMB = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
BAD = {
    "year 0": (
        "period:\n  start: 0000-01-01",
        r"line 2: 0000-01-01 is no date \(year 0 is out of range\)",
    ),
    "no leap year": (
        "period: {start: 2021-02-29}",
        r"line 1: 2021-02-29 is no date \(day is out of range for month\)",
    ),
    "25 o'clock": (
        "start: 2021-01-01T25:00:00Z",
        r"line 1: 2021-01-01T25:00:00Z is no date \(hour must be in 0..23\)",
    ),
    "a number of 5000 digits": (
        f"members: {'9' * 5000}",
        r"line 1: 9{40} is no int \(Exceeds the limit",
    ),
    "itself": ("grid: &a {aoi: *a}", r"line 1: refers to itself by an alias \(\*\)"),
    "itself in a list": ("grid: &a [1, [*a]]", "line 1: refers to itself"),
    "a bomb of mappings": (
        BOMB,
        r"holds more than 100000 values, each alias \(\*\) counted as what it stands for",
    ),
    "a bomb of lists": (
        LIST_BOMB,
        r"holds more than 100000 values, each alias \(\*\) counted as what it stands for",
    ),
    "many brackets": (f"grid: {'[' * 5000}{']' * 5000}", "line 1: is nested deeper than 32 levels"),
    "a key twice": (
        "run: a\ngrid: {}\nrun: b",
        "line 3: key 'run' is given twice, first on line 1; keep one",
    ),
    "a key twice, within": (
        "grid: {crs: utm,\n 'crs': utm}",
        "line 2: key 'crs' is given twice, first on line 1",
    ),
    "a key twice, in JSON": (
        '{"run": "a", "grid": {"crs": 1, "crs": 2}}',
        "key 'crs' is given twice",
    ),
    "a list as key": ("? [a, b]\n: 1", "line 1: a key is a list or a mapping"),
    "a word that is no word": (
        "run: a\nyes: 1",
        "line 2: key yes is a bool in YAML; put it in quotes",
    ),
    "no key": ("~: 1", "line 1: key ~ is a null in YAML"),
    "a tab": ("grid:\n\tcrs: utm", "line 2: a tab; YAML is indented by blanks"),
    "an open bracket": ("grid: [1, 2", "line 1: cannot be read as YAML"),
    "an alias to nothing": ("run: a\ngrid: *b", "line 2: cannot be read as YAML .*undefined alias"),
    "a call": (
        "run: !!python/object/apply:os.system [ls]",
        "line 1: cannot be read as YAML .*constructor",
    ),
    "two documents": ("run: a\n---\nrun: b", "line 2: a second document begins"),
    "nothing": ("", "is empty; a configuration names at least area and run"),
    "a comment": ("# nothing\n", "is empty"),
    "a list": ("- a\n- b", "holds a list and no keys"),
    "a word": ("hello", "holds a single value and no keys"),
    "a sign that is no text": ("run: a\x07", r"line 1: character U\+0007 is no text"),
    "too much": (
        "a: 1\n#" + "x" * MOST_BYTES,
        r"has \d+ bytes, more than the \d+ of any configuration",
    ),
}


def says(path: Path, reason: str) -> str:
    with pytest.raises(LoamError, match=reason) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()  # one line
    return str(caught.value)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_one_line_with_the_place_and_the_cause(kind: str, tmp_path: Path) -> None:
    text, reason = BAD[kind]
    (tmp_path / "a.yaml").write_text(text)
    assert len(says(tmp_path / "a.yaml", reason)) < 400


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("run: a\n".encode("utf-16"), "is UTF-16; save the configuration as text in UTF-8"),
        ("run: a\n".encode("utf-16-le"), "is UTF-16; save"),
        ("run: a\n".encode("utf-32"), "is UTF-"),
        ("run: a\ndem: Köln".encode("latin-1"), r"is no UTF-8 \(byte 0xf6 on line 2\)"),
        (bytes(range(256)), "is a binary file"),
        (b"PK\x03\x04\x14\x00\x08\x00", "is a binary file|is UTF-16"),
    ],
)
def test_what_is_no_text_in_utf8_is_named(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    says(tmp_path / "a.yaml", reason)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    says(tmp_path, "is a folder; name the configuration file itself")
    says(tmp_path / "nowhere.yaml", r"cannot be read as YAML \(No such file or directory\)")
    os.mkfifo(tmp_path / "pipe.yaml")  # opened, it would hang
    says(tmp_path / "pipe.yaml", "is no regular file")


@pytest.mark.parametrize("name", ["default", "demo", "paper", "prince_georges"])
def test_good_files_are_read_as_before(name: str) -> None:
    path = REPOSITORY / f"config/{name}.yaml"
    assert read(path) == yaml.safe_load(path.read_text())


def test_anchors_merges_json_and_a_byte_order_mark_are_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\nd: *a\n", encoding="utf-8-sig"
    )
    assert read(tmp_path / "a.yaml") == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": {"x": 1, "y": 2},
        "d": {"x": 1, "y": 2},
    }
    (tmp_path / "a.json").write_text(json.dumps({"run": "a", "grid": {"aoi": [1, 2]}}, indent="\t"))
    assert read(tmp_path / "a.json") == {"run": "a", "grid": {"aoi": [1, 2]}}


def test_later_files_are_merged_over_earlier_ones(tmp_path: Path) -> None:
    for name, text in {"a": "run: a\ngrid: {crs: utm, aoi: x}", "b": "grid: {aoi: y}"}.items():
        (tmp_path / name).write_text(text)
    assert merged([tmp_path / "a", tmp_path / "b"]) == {
        "run": "a",
        "grid": {"crs": "utm", "aoi": "y"},
    }
    assert over({"a": {"b": 1}}, {"a": None}) == {"a": None}


def test_snakemakes_command_line_is_looked_at_first(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("run: a")
    bad.write_text("start: 0000-01-01")
    rest = [
        "--cores",
        "2",
        "-n",
        "--config",
        "run=b",
        "grid={crs: utm}",
        "dem=*.tif",
        "a=",
        "--rerun-triggers",
        "mtime",
        "--",
        "all",
    ]
    check_command_line(["--configfile", str(good), *rest])
    for option in ("--configfile", "--configfiles"):
        with pytest.raises(LoamError, match=r"bad.yaml: line 1: 0000-01-01 is no date"):
            check_command_line([option, str(good), str(bad), *rest])
    with pytest.raises(LoamError, match=r"^--config grid: line 1: key 'crs' is given twice"):
        check_command_line(["--config", "grid={crs: a, crs: b}"])
    with pytest.raises(LoamError, match=r"^--config grid: is no setting; write name=value"):
        check_command_line(["--config", "grid"])
    check_command_line(["--configfile"])  # Snakemake says that a file is missing


PIECES = "a¦b: ¦c: ¦- ¦\n¦  ¦\t¦{¦}¦[¦]¦,¦&x ¦*x¦<<: ¦? ¦!!int ¦!!float¦!x ¦|"
PIECES += "\n¦>¦'¦\"¦#¦---\n¦%¦@¦2021-02-30¦0000-00-00¦1e999¦.nan¦0o9¦1:60¦~"
PIECES += "¦\0¦\u2028¦é¦=¦yes"


@settings(max_examples=150, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from(PIECES.split("¦")), max_size=20).map(
            lambda parts: "".join(parts).encode()
        ),
    )
)
def test_whatever_the_file_the_answer_is_settings_or_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    try:
        assert isinstance(read(path), dict)
    except LoamError as error:
        assert str(error).isprintable()
        assert str(error).startswith(f"{path}: ")
