"""The configuration: what is accepted, and what a bad one says."""

import pytest
import yaml
from helpers import REPOSITORY, merged

from loam import config
from loam.errors import LoamError

CONFIGS = ["config/demo.yaml", "config/paper.yaml", "config/prince_georges.yaml", "tests/real/flanders_west.yaml"]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_shipped_configuration_is_valid(name: str, default_raw: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAM_REAL_DATA", "/somewhere")
    overrides = yaml.safe_load((REPOSITORY / name).read_text())
    assert config.load(merged(default_raw, overrides)).learning.active


def test_every_default_is_explained() -> None:
    """Each setting of default.yaml has a comment beside it."""
    lines = (REPOSITORY / "config/default.yaml").read_text().splitlines()
    bare = [line for line in lines if line.startswith(" ") and ":" in line and not line.rstrip().endswith(":") and "#" not in line]
    assert len(bare) <= 3, bare  # variable names of a file and the defaults of a kind, which their group explains


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"learnin": {}}, "learnin: unknown key; did you mean 'learning'?"),
        ({"learning": {"train": {"epoch": 3}}}, "learning.train.epoch: unknown key; did you mean 'epochs'?"),
        ({"sources": {"ndvi": {"pth": "x"}}}, "sources.ndvi.pth: unknown key; did you mean 'path'?"),
        ({"learning": {"experiments": {"sequence": {"day": 1}}}}, "learning.experiments.sequence.day: unknown key; did you mean 'days'?"),
        ({"moisture": {"references": {"dry_percentile": 80}}}, "moisture.references.dry_percentile = 80: input should be less than 50"),
        ({"moisture": {"change": {"incidence_range_deg": [45, 20]}}}, "incidence_range_deg: [45.0, 20.0] must be [lowest, highest]"),
        ({"moisture": {"vegetation": {"mode": "ndvi"}}}, "moisture.vegetation.mode = 'ndvi' needs NDVI; set sources.ndvi.path"),
        ({"moisture": {"references": {"beta_fallback": "landcover"}}}, "beta_fallback = 'landcover' needs land cover; set"),
        ({"moisture": {"derived": {"volumetric": True}}}, "moisture.derived.volumetric = true needs soil properties; set"),
        ({"moisture": {"compute": {"scheduler": "distributed"}}}, "moisture.compute: address is null; scheduler 'distributed' needs"),
        ({"learning": {"splits": {"gap_days": -1}}}, "learning.splits.gap_days = -1: input should be greater than or equal to 0"),
        ({"learning": {"splits": {"test_share": 0.5}}}, "train_share + validate_share + calibrate_share + test_share is 1.2; make it 1"),
        ({"learning": {"patches": {"size_px": 64}}}, "patches.size_px 64 must not exceed splits.block_px 32"),
        ({"period": {"end": "2000-01-01"}}, "period: end 2000-01-01 must be later than start 2021-01-01"),
        ({"grid": {"aoi": [1, 2, 0, 3]}}, "must be [west, south, east, north] with west < east"),
        ({"grid": {"aoi": [0, 0, 1, 1], "crs": "utm"}}, "crs 'utm' needs an aoi in a polygon file"),
        ({"products": {"maps": {"experiment": "none"}}}, "'none' is no experiment; name one of ['sequence']"),
        ({"products": {"maps": {"dates": ["1999-01-01"]}}}, "products.maps.dates: 1999-01-01 is outside the period"),
        ({"sources": {"dem": {"path": "${LOAM_NOWHERE}/dem.tif"}}}, "sources.dem.path: environment variable LOAM_NOWHERE is not set"),
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
    cfg = load(sources={"dem": {"path": "${LOAM_PLACE}/dem.tif"}, "ndvi": {"path": "${LOAM_ELSE:-/other}/ndvi.nc"}})
    assert (cfg.sources.path("dem"), cfg.sources.path("ndvi")) == ("/data/dem.tif", "/other/ndvi.nc")
    assert cfg.sources.path("weather") == "resources/here/input/weather.nc"


def test_files_of_a_source_may_be_a_list_or_a_glob(load, tmp_path) -> None:
    for name in ("n38.tif", "n39.tif", "notes.txt"):
        (tmp_path / name).touch()
    tiles = [str(tmp_path / "n38.tif"), str(tmp_path / "n39.tif")]
    assert load(sources={"dem": {"path": f"{tmp_path}/n*.tif"}}).sources.files("dem") == tiles
    assert load(sources={"dem": {"path": tiles[::-1]}}).sources.files("dem") == tiles[::-1]
    assert load(sources={"dem": {"path": f"{tmp_path}/none_*.tif"}}).sources.files("dem") == [f"{tmp_path}/none_*.tif"]
    assert load(sources={"soil": {"kind": "polaris", "path": str(tmp_path)}}).sources.imported("soil")
    assert not load(sources={"soil": {"path": str(tmp_path)}}).sources.imported("soil")


def test_a_glob_without_files_is_named_as_missing(load, tmp_path) -> None:
    there = tmp_path / "there.tif"
    there.touch()
    paths = {name: {"path": str(there)} for name in ("backscatter", "weather")}
    cfg = load(
        grid={"aoi": [0, 0, 1, 1], "crs": "EPSG:32618"}, sources=paths | {"dem": {"path": [str(there), "gone.tif"], "geoid": "ellipsoid"}}
    )
    assert config.missing_inputs(cfg) == "missing input: gone.tif (sources.dem.path); put each file there, or set its key to where it is"


def test_a_legend_gives_the_codes_and_a_strange_one_is_named(load) -> None:
    assert load().sources.landcover.water == (80, 200)
    nlcd = load(sources={"landcover": {"legend": "nlcd"}}).sources.landcover
    assert (nlcd.water, nlcd.built_up, nlcd.forest) == ((11,), (22, 23, 24), (41, 42, 43, 90))
    mine = {"legend": "mine", "legends": {"mine": {"water": [1], "built_up": [2], "forest": [3]}}}
    assert load(sources={"landcover": mine}).sources.landcover.forest == (3,)
    with pytest.raises(LoamError, match=r"sources.landcover: legend 'corine' is none of legends; name one of nlcd, worldcover"):
        load(sources={"landcover": {"legend": "corine"}})


def test_a_source_is_absent_when_it_or_its_path_is_null(load) -> None:
    assert load(sources={"ndvi": None}).sources.path("ndvi") is None
    assert load(sources={"ndvi": {"path": None}}).sources.path("ndvi") is None
    assert load(sources={"ndvi": "null"}).sources.path("ndvi") is None  # as it comes from Snakemake's --config


def test_map_days_are_the_listed_and_the_last(load) -> None:
    cfg = load(products={"maps": {"dates": ["2022-05-01", "2023-12-31"], "last_days": 2}})
    assert [str(day) for day in cfg.map_days] == ["2022-05-01", "2023-12-30", "2023-12-31"]


def test_an_experiment_set_to_null_is_off(load) -> None:
    two_day = {"architecture": "convlstm", "form": "aggregate", "days": 2, "past_labels": False}
    cfg = load(learning={"experiments": {"sequence": None, "two_day": two_day}}, products={"maps": {"experiment": "two_day"}})
    assert list(cfg.learning.active) == ["two_day"]
    assert cfg.learning.longest_window == 2


def test_missing_inputs_are_one_line_that_says_where_they_belong(cfg: config.Config) -> None:
    line = config.missing_inputs(cfg)
    assert line is not None
    assert "\n" not in line
    for key, path in (
        ("sources.backscatter.path", "scenes"),
        ("sources.weather.path", "weather.nc"),
        ("sources.dem.path", "dem.tif"),
    ):
        assert f"resources/here/input/{path} ({key})" in line


def test_what_the_twin_will_make_is_not_missing(load) -> None:
    twin = {name: {"path": f"<resources>/twin/{name}"} for name in ("backscatter", "weather", "dem")}
    twin["dem"]["geoid"] = "ellipsoid"
    assert config.missing_inputs(load(sources=twin, grid={"aoi": [0, 0, 1000, 1000], "crs": "EPSG:32618"})) is None


def test_settings_survive_the_way_to_a_step(cfg: config.Config) -> None:
    text = config.as_json({"cfg": cfg})
    assert config.Config.model_validate_json(text[len('{"cfg":') : -1]) == cfg
