"""The configuration: what is accepted, and what a bad one says."""

import copy
import os
import typing
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import annotated_types
import pytest
import yaml
from helpers import REPOSITORY, merged
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from loam import config
from loam.config.base import Section
from loam.core.errors import LoamError
from loam.runtime import inputs, plan

CONFIGS = [
    "config/demo.yaml",
    "config/paper.yaml",
    "config/prince_georges.yaml",
    "tests/real/flanders_west.yaml",
]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_shipped_configuration_is_valid(
    name: str, default_raw: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAM_REAL_DATA", "/somewhere")
    overrides = yaml.safe_load((REPOSITORY / name).read_text())
    assert config.load(merged(default_raw, overrides)).learning.active


def test_every_default_is_explained() -> None:
    """Each setting of default.yaml has a comment beside it."""
    lines = (REPOSITORY / "config/default.yaml").read_text().splitlines()
    bare = [
        line
        for line in lines
        if line.startswith(" ")
        and ":" in line
        and not line.rstrip().endswith(":")
        and "#" not in line
    ]
    # Variable names of a file and the defaults of a kind, which their group explains.
    assert len(bare) <= 3, bare


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"learnin": {}}, "learnin: unknown key; did you mean 'learning'?"),
        (
            {"learning": {"train": {"epoch": 3}}},
            "learning.train.epoch: unknown key; did you mean 'epochs'?",
        ),
        (
            {"sources": {"ndvi": {"pth": "x"}}},
            "sources.ndvi.pth: unknown key; did you mean 'path'?",
        ),
        (
            {"learning": {"experiments": {"sequence": {"day": 1}}}},
            "learning.experiments.sequence.day: unknown key; did you mean 'days'?",
        ),
        (
            {"moisture": {"references": {"dry_percentile": 80}}},
            "moisture.references.dry_percentile = 80: input should be less than 50",
        ),
        (
            {"moisture": {"change": {"incidence_range_deg": [45, 20]}}},
            "incidence_range_deg: [45.0, 20.0] must be [lowest, highest]",
        ),
        (
            {"moisture": {"vegetation": {"mode": "ndvi"}}},
            "moisture.vegetation.mode = 'ndvi' needs NDVI; set sources.ndvi.path",
        ),
        (
            {"moisture": {"references": {"beta_fallback": "landcover"}}},
            "beta_fallback = 'landcover' needs land cover; set",
        ),
        (
            {"moisture": {"derived": {"volumetric": True}}},
            "moisture.derived.volumetric = true needs soil properties; set",
        ),
        (
            {"moisture": {"compute": {"scheduler": "distributed"}}},
            "moisture.compute: address is null; scheduler 'distributed' needs",
        ),
        (
            {"samples": {"splits": {"gap_days": -1}}},
            "samples.splits.gap_days = -1: input should be greater than or equal to 0",
        ),
        (
            {"samples": {"splits": {"test_share": 0.5}}},
            "train_share + validate_share + calibrate_share + test_share is 1.2; make it 1",
        ),
        (
            {"samples": {"patches": {"size_px": 64}}},
            "patches.size_px 64 must not exceed splits.block_px 32",
        ),
        (
            {"period": {"end": "2000-01-01"}},
            "period: end 2000-01-01 must be later than start 2021-01-01",
        ),
        ({"grid": {"aoi": [1, 2, 0, 3]}}, "must be [west, south, east, north] with west < east"),
        ({"grid": {"aoi": [0, 0, 1, 1], "crs": "utm"}}, "crs 'utm' needs an aoi in a polygon file"),
        (
            {"products": {"maps": {"experiment": "none"}}},
            "'none' is no experiment; name one of ['sequence']",
        ),
        (
            {"products": {"maps": {"dates": ["1999-01-01"]}}},
            "products.maps.dates: 1999-01-01 is outside the period",
        ),
        (
            {"sources": {"dem": {"path": "${LOAM_NOWHERE}/dem.tif"}}},
            "sources.dem.path: environment variable LOAM_NOWHERE is not set",
        ),
    ],
)
def test_a_bad_setting_is_named_in_one_line(overrides: dict, said: str, load) -> None:
    with pytest.raises(LoamError) as caught:
        load(**overrides)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_configuration_without_area_asks_for_one(default_raw: dict) -> None:
    with pytest.raises(LoamError, match=r"--configfile config/demo.yaml"):
        config.load(default_raw | {"area": None})


def test_nothing_can_be_changed_after_loading(cfg: config.Config) -> None:
    with pytest.raises(Exception, match="frozen"):
        cfg.learning.train.epochs = 1


def test_variables_and_folders_in_paths_are_replaced(load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAM_PLACE", "/data")
    cfg = load(
        sources={
            "dem": {"path": "${LOAM_PLACE}/dem.tif"},
            "ndvi": {"path": "${LOAM_ELSE:-/other}/ndvi.nc"},
        }
    )
    assert (cfg.sources.dem.path, cfg.sources.ndvi.path) == (
        "/data/dem.tif",
        "/other/ndvi.nc",
    )
    assert cfg.sources.weather.path == "resources/here/input/weather.nc"


def test_files_of_a_source_may_be_a_list_or_a_glob(load, tmp_path) -> None:
    for name in ("n38.tif", "n39.tif", "notes.txt"):
        (tmp_path / name).touch()
    tiles = [str(tmp_path / "n38.tif"), str(tmp_path / "n39.tif")]
    assert (
        inputs.source_files(load(sources={"dem": {"path": f"{tmp_path}/n*.tif"}}), "dem") == tiles
    )
    assert inputs.source_files(load(sources={"dem": {"path": tiles[::-1]}}), "dem") == tiles[::-1]
    assert inputs.source_files(
        load(sources={"dem": {"path": f"{tmp_path}/none_*.tif"}}), "dem"
    ) == [f"{tmp_path}/none_*.tif"]
    assert inputs.is_imported(
        load(sources={"soil": {"kind": "polaris", "path": str(tmp_path)}}), "soil"
    )
    assert not inputs.is_imported(load(sources={"soil": {"path": str(tmp_path)}}), "soil")


def test_a_glob_that_matches_far_too_many_files_is_named(
    load, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / name).touch()
    monkeypatch.setattr("loam.core.paths.MOST_FILES", 2)
    with pytest.raises(
        LoamError, match=r"/\*: matches more than 2 files; name the folder of the data itself"
    ):
        inputs.source_files(load(sources={"dem": {"path": f"{tmp_path}/*"}}), "dem")


def test_a_glob_without_files_is_named_as_missing(load, tmp_path) -> None:
    there = tmp_path / "there.tif"
    there.touch()
    paths = {name: {"path": str(there)} for name in ("backscatter", "weather")}
    cfg = load(
        grid={"aoi": [0, 0, 1, 1], "crs": "EPSG:32618"},
        sources=paths | {"dem": {"path": [str(there), "gone.tif"], "geoid": "ellipsoid"}},
    )
    assert (
        inputs.missing_inputs(cfg)
        == "missing input: gone.tif (sources.dem.path); put each file there, or set its key to where it is"
    )


def test_a_legend_gives_the_codes_and_a_strange_one_is_named(load) -> None:
    assert load().sources.landcover.codes.water == (80, 200)
    nlcd = load(sources={"landcover": {"legend": "nlcd"}}).sources.landcover.codes
    assert (nlcd.water, nlcd.built_up, nlcd.forest) == ((11,), (22, 23, 24), (41, 42, 43, 90))
    mine = {"legend": "mine", "legends": {"mine": {"water": [1], "built_up": [2], "forest": [3]}}}
    assert load(sources={"landcover": mine}).sources.landcover.codes.forest == (3,)
    with pytest.raises(
        LoamError,
        match=r"sources.landcover: legend 'corine' is none of legends; name one of nlcd, worldcover",
    ):
        load(sources={"landcover": {"legend": "corine"}})


def test_a_source_is_absent_when_it_or_its_path_is_null(load) -> None:
    assert load(sources={"ndvi": None}).sources.uses("ndvi") is False
    assert load(sources={"ndvi": {"path": None}}).sources.uses("ndvi") is False
    # As it comes from Snakemake's --config.
    assert load(sources={"ndvi": "null"}).sources.uses("ndvi") is False


def test_map_days_are_the_listed_and_the_last(load) -> None:
    cfg = load(products={"maps": {"dates": ["2022-05-01", "2023-12-31"], "last_days": 2}})
    assert [str(day) for day in cfg.map_days] == ["2022-05-01", "2023-12-30", "2023-12-31"]


def test_an_experiment_set_to_null_is_off(load) -> None:
    two_day = {
        "architecture": "convlstm",
        "form": "aggregate",
        "days": 2,
        "antecedent_labels": False,
    }
    cfg = load(
        learning={"experiments": {"sequence": None, "two_day": two_day}},
        products={"maps": {"experiment": "two_day"}},
    )
    assert list(cfg.learning.active) == ["two_day"]
    assert cfg.learning.longest_window == 2


def test_missing_inputs_are_one_line_that_says_where_they_belong(cfg: config.Config) -> None:
    line = inputs.missing_inputs(cfg)
    assert line is not None
    assert "\n" not in line
    for key, path in (
        ("sources.backscatter.path", "scenes"),
        ("sources.weather.path", "weather.nc"),
        ("sources.dem.path", "dem.tif"),
    ):
        assert f"resources/here/input/{path} ({key})" in line


def test_what_the_twin_will_make_is_not_missing(load) -> None:
    twin = {
        name: {"path": f"<resources>/twin/{name}"} for name in ("backscatter", "weather", "dem")
    }
    twin["dem"]["geoid"] = "ellipsoid"
    assert (
        inputs.missing_inputs(
            load(sources=twin, grid={"aoi": [0, 0, 1000, 1000], "crs": "EPSG:32618"})
        )
        is None
    )


def test_settings_survive_the_way_to_a_step(cfg: config.Config) -> None:
    text = config.as_json({"cfg": cfg})
    assert config.Config.model_validate_json(text[len('{"cfg":') : -1]) == cfg


# --- Whatever the values are ---


def numbers(annotation: Any, metadata: list, key: str) -> Iterator[tuple[str, list]]:
    """Every number in the annotation of a setting, with what bounds it."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        for name, field in annotation.model_fields.items():
            yield from numbers(field.annotation, field.metadata, f"{key}.{name}")
    elif annotation in (int, float):
        yield (
            key,
            [
                bound
                for each in metadata
                for bound in (each.metadata if isinstance(each, FieldInfo) else [each])
            ],
        )
    elif typing.get_origin(annotation) is typing.Annotated:
        inner, *more = typing.get_args(annotation)
        yield from numbers(inner, [*metadata, *more], key)
    elif typing.get_origin(annotation) is not typing.Literal:
        union = type(None) in typing.get_args(annotation)
        for part in typing.get_args(annotation):
            yield from numbers(part, metadata if union else [], key)


def test_every_number_has_a_lower_and_an_upper_bound() -> None:
    """Without one, a slip of the finger asks for terabytes or for years."""
    low, high = (annotated_types.Ge, annotated_types.Gt), (annotated_types.Le, annotated_types.Lt)
    found = list(numbers(config.Config, [], ""))
    assert len(found) > 80
    open_ended = [
        key
        for key, bounds in found
        for kind in (low, high)
        if not any(isinstance(each, kind) for each in bounds)
    ]
    assert open_ended == []


def leaves(raw: Any, key: tuple = ()) -> Iterator[tuple]:
    """Keys of every setting that is no section."""
    if isinstance(raw, dict) and raw:
        for name, value in raw.items():
            yield from leaves(value, (*key, name))
    else:
        yield key


def with_value(raw: dict, key: tuple, value: Any) -> dict:
    out = copy.deepcopy(raw)
    part = out
    for name in key[:-1]:
        part = part[name]
    part[key[-1]] = value
    return out


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_no_setting_is_infinite_or_no_number(value: float, default_raw: dict) -> None:
    for key in leaves(default_raw):
        with pytest.raises(LoamError) as caught:
            config.load(with_value(default_raw, key, value))
        line = str(caught.value)
        assert line.startswith(".".join(map(str, key[:3]))), line
        assert len(line) < 250, line  # key and value, and not all the rest


TEXTS = [
    "~",
    "~nobody/x",
    "/**/**x",
    "[",
    "*[",
    "a\0b",
    "${X",
    "${NO_VARIABLE}",
    "<resources>",
    "null",
    "x" * 5000,
    "\n",
    "20210101",
    "",
]
NUMBERS = st.floats() | st.integers() | st.integers(-(10**400), 10**400) | st.booleans() | st.none()
LISTS = st.lists(st.floats() | st.text(max_size=3) | st.booleans(), max_size=5)
OTHERS = (
    st.dates() | st.datetimes() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
VALUES = st.one_of(NUMBERS, LISTS, OTHERS, st.text(max_size=20), st.sampled_from(TEXTS))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_a_value_is_the_answer_is_a_plan_or_one_line(
    data: st.DataObject, default_raw: dict
) -> None:
    key = data.draw(st.sampled_from(list(leaves(default_raw))))
    raw = with_value(default_raw, key, data.draw(VALUES))
    try:
        cfg = config.load(raw)
        assert plan.lines(cfg)
        assert len(cfg.map_days) < 60_000
        inputs.missing_inputs(cfg)
    except LoamError as error:
        assert str(error).isprintable()
        assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"grid": {"resolution_m": 1e-9}},
            "grid.resolution_m = 1e-09: input should be greater than or equal to 1",
        ),
        (
            {"grid": {"aoi": [0, 0, 1e6, 1e6], "crs": "EPSG:32618"}},
            "is 2.5e+09 pixels of resolution_m = 20, too large",
        ),
        (
            {"products": {"maps": {"last_days": 1_000_000}}},
            "maps.last_days = 1000000: input should be less than or equal to 36525",
        ),
        (
            {"products": {"maps": {"last_days": 2000}}},
            "products.maps.last_days = 2000: the period has 1095 days; give at most as many",
        ),
        (
            {"sources": {"dem": {"geoid": 1e6}}},
            "sources.dem.geoid = 1000000.0: input should be less than or equal to 200",
        ),
        (
            {"sources": {"dem": {"geoid": "1e6"}}},
            "sources.dem.geoid = 1000000.0: input should be less than or equal to 200",
        ),
        (
            {"sources": {"dem": {"geoid": float("nan")}}},
            "sources.dem.geoid = nan: input should be a finite number",
        ),
        (
            {"sources": {"dem": {"geoid": "-.inf"}}},
            "sources.dem.geoid = -inf: input should be a finite number",
        ),
        (
            {"period": {"start": 20210101}},
            "period.start: 20210101 is no day; write it as 2021-12-31",
        ),
        (
            {"period": {"start": date(1500, 1, 1)}},
            "period.start = 1500-01-01: input should be greater than or equal to 1950-01-01",
        ),
        (
            {"learning": {"members": True}},
            "learning: members = true: is yes or no, as YAML reads yes, no, on and off; give a value",
        ),
        ({"learning": {"experiments": {1: None}}}, "learning.experiments.1"),
        ({1: 2}, "1: unknown key; remove it"),
        (
            {"sources": {"weather": {"path": "a\0b"}}},
            r"sources.weather.path: holds a character without a sign (U+0000)",
        ),
        ({"a\nb": 1}, "a b: unknown key; remove it"),
        ({"area": "x" * 300}, "area = "),
    ],
)
def test_a_value_out_of_bounds_is_named_in_one_line(
    overrides: dict, said: str, default_raw: dict
) -> None:
    with pytest.raises(LoamError) as caught:
        config.load(merged(default_raw, overrides))
    assert said in str(caught.value)
    assert str(caught.value).isprintable()


def test_several_faults_are_one_line(load) -> None:
    with pytest.raises(LoamError) as caught:
        load(learning={"members": 0, "antecedent_days": 0}, learnin={}, grid={"aoi": 5})
    assert str(caught.value).endswith("; and 2 faults more")
    assert "grid.aoi = 5: input should be a valid string" in str(caught.value)


def test_settings_without_end_are_refused(default_raw: dict) -> None:
    itself: dict = {}
    itself["grid"] = itself
    bomb: Any = 1
    for _ in range(20):
        bomb = [bomb] * 9
    for raw in (default_raw | itself, default_raw | {"grid": bomb}):
        with pytest.raises(
            LoamError,
            match="refers to itself, is deeper than 32 levels or holds more than 100000 values",
        ):
            config.load(raw)
    for raw in (None, [], "area"):
        with pytest.raises(LoamError, match="a configuration is a section with keys, not"):
            config.load(raw)


def test_faults_without_number_are_few_words(load) -> None:
    with pytest.raises(LoamError) as caught:
        load(products={"maps": {"dates": ["x"] * 2000}}, **{"y" * 10_000: 1})
    assert str(caught.value).startswith(
        "products.maps.dates.0: 'x' is no day; write it as 2021-12-31; products.maps.dates.1: "
    )
    assert str(caught.value).endswith("; and 1998 faults more")
    assert len(str(caught.value)) < 400


# --- Paths ---


def with_files(load, folder: Path, **places: Any) -> config.Config:
    """A configuration of a cube whose inputs are there, but for those that are given."""
    (folder / "there").touch()
    sources = {name: {"path": str(folder / "there")} for name in ("weather", "dem")}
    sources["backscatter"] = {"kind": "cube", "path": str(folder / "there")}
    return load(
        grid={"aoi": "source", "crs": "source"} | places.pop("grid", {}),
        sources=merged(sources, places),
    )


def test_a_missing_input_says_why_it_cannot_be_read(load, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    assert inputs.missing_inputs(with_files(load, tmp_path)) is None
    reasons = {
        "link": f": a link to {tmp_path}/gone, which is not there",
        "loop": ": too many levels of symbolic links",
        "pipe": ": neither a file",
        "*.tif": ": no file matches",
        "x" * 300: ": file name too long",
        "there/x": ": not a directory",
    }
    assert (
        inputs.missing_inputs(with_files(load, tmp_path, soil={"path": "dem/**x*"})) or ""
    ).startswith("dem/**x*: cannot be searched (")
    for name, reason in reasons.items():
        line = inputs.missing_inputs(
            with_files(load, tmp_path, soil={"path": str(tmp_path / name)})
        )
        assert line is not None
        assert f"{tmp_path}/{name} (sources.soil.path{reason}" in line


def test_a_folder_where_a_file_is_wanted_is_named(load, tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    for key in ("dem", "landcover"):
        line = inputs.missing_inputs(
            with_files(load, tmp_path, **{key: {"path": f"{tmp_path}/tiles"}})
        )
        assert f"{tmp_path}/tiles (sources.{key}.path: a folder; name the file in it)" in (
            line or ""
        )
    (tmp_path / "tiles/hdr.adf").touch()  # an Esri grid is a folder
    assert (
        inputs.missing_inputs(with_files(load, tmp_path, dem={"path": f"{tmp_path}/tiles"})) is None
    )
    assert inputs.missing_inputs(with_files(load, tmp_path, soil={"path": str(tmp_path)})) is None


def test_marks_of_a_pattern_in_the_name_of_a_file_that_is_there_are_its_name(
    load, tmp_path: Path
) -> None:
    (tmp_path / "dem[1].tif").touch()
    (tmp_path / "dem1.tif").touch()
    assert inputs.source_files(
        load(sources={"dem": {"path": f"{tmp_path}/dem[1].tif"}}), "dem"
    ) == [f"{tmp_path}/dem[1].tif"]


def test_the_home_folder_may_be_a_tilde(load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert load(sources={"dem": {"path": "~/dem.tif"}}).sources.dem.path == "/home/someone/dem.tif"
    assert load(sources={"dem": {"path": "dem~1.tif"}}).sources.dem.path == "dem~1.tif"


@pytest.mark.parametrize(
    "place",
    ["results", "results/now", "results/now/logs", "resources/here", "resources/here/gamma0"],
)
def test_a_folder_of_loams_own_that_is_no_folder_is_named(
    place: str, load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = with_files(load, tmp_path)
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    Path(place).touch()
    assert (
        inputs.missing_inputs(cfg)
        == f"{place}: is no folder, and Loam writes into a folder of this name; move it away"
    )
    Path(place).unlink()
    Path(place).symlink_to("nowhere")
    assert (
        inputs.missing_inputs(cfg)
        == f"{place}: is a link to nowhere, which is not there; make that folder, or remove the link"
    )
    Path(place).unlink()
    (tmp_path / "elsewhere").mkdir()
    Path(place).symlink_to(tmp_path / "elsewhere")  # a disk with more room
    assert inputs.missing_inputs(cfg) is None


def test_files_of_the_area_are_all_that_its_content_depends_on(load, tmp_path: Path) -> None:
    for name in ("a[1].shp", "a[1].dbf", "a[1].prj", "a1.dbf", "a.gpkg"):
        (tmp_path / name).touch()
    assert inputs.aoi_files(load(grid={"aoi": f"{tmp_path}/a[1].shp"})) == [
        f"{tmp_path}/a[1].{end}" for end in ("dbf", "prj", "shp")
    ]
    assert inputs.aoi_files(load(grid={"aoi": f"{tmp_path}/a.gpkg|layername=x"})) == [
        f"{tmp_path}/a.gpkg"
    ]
    assert inputs.aoi_files(load(grid={"aoi": [0, 0, 1000, 1000], "crs": "EPSG:32618"})) == []


def test_labels_with_every_source_are_still_no_whole_run(load, tmp_path: Path) -> None:
    """Volumetric labels read all sources, and yet need neither weather nor the truth that scores are taken against."""
    given = with_files(load, tmp_path, soil={"path": f"{tmp_path}/there"}).model_dump(mode="json")
    given["sources"]["weather"]["path"] = None
    given["moisture"]["derived"]["volumetric"] = True
    given["evaluation"]["truth"] = "nowhere.zarr"
    cfg = config.load(given)
    assert len(inputs.sources_of(["moisture"], cfg)) == len(type(cfg.sources).model_fields)
    assert "sources.weather.path: not set" in (inputs.missing_inputs(cfg) or "")
    assert not (inputs.missing_inputs(cfg, ["moisture"]) or "").startswith("sources.weather")
    assert "nowhere.zarr" not in (inputs.missing_inputs(cfg, ["moisture"]) or "")
