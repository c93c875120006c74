"""What runs again in a user's own area: jobs counted, in a finished run whose inputs are files that Loam did not make."""

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from helpers import merged
from small_scene import COVARIATES, LABELS, LEARNING, PATCHES, SMALL, House

DATES = {"predict_date": 1, "write_maps": 1}
TARGETS = {"all", "total", "maps", "figures"}


class Area(House):
    """A finished run of an area whose inputs lie in `data/`."""

    def jobs(self, *arguments: str) -> Counter[str]:
        """Jobs that a dry run would run, by rule."""
        done = self.run("--configfile", "config/demo.yaml", "mine.yaml", "-n", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        table = re.search(
            r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", done.stdout + done.stderr, re.S
        )
        rows = [line.split() for line in table.group(1).splitlines()] if table else []
        return Counter({name: int(count) for name, count in rows if name not in TARGETS})


def polygon(folder: Path, east: float) -> None:
    west, south, north = 330000, 4290000, 4291280
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (folder / "data/area.geojson").write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32618"}},
                "features": [
                    {
                        "type": "Feature",
                        "properties": {},
                        "geometry": {"type": "Polygon", "coordinates": [ring]},
                    }
                ],
            }
        )
    )


@pytest.fixture(scope="module")
def area(house: House, tmp_path_factory: pytest.TempPathFactory) -> Area:
    """A copy of the finished run that takes the twin's files as the user's; Snakemake is told that all is up to date."""
    area = Area(tmp_path_factory.mktemp("area"))
    shutil.copytree(
        house.folder, area.folder, dirs_exist_ok=True, symlinks=True, copy_function=shutil.copy2
    )
    (area.folder / "resources/small/twin").rename(area.folder / "data")
    polygon(area.folder, 331280)
    files = {
        "backscatter": "scenes",
        "weather": "weather.nc",
        "dem": "dem.tif",
        "ndvi": "ndvi.nc",
        "landcover": "landcover.tif",
    }
    mine = {
        "grid": {"aoi": "data/area.geojson"},
        "sources": {
            name: {"path": f"data/{file}"} for name, file in (files | {"soil": "soil.nc"}).items()
        },
        "evaluation": {"truth": "data/truth.zarr"},
    }
    (area.folder / "mine.yaml").write_text(yaml.safe_dump(merged(SMALL, mine)))
    table = area.folder / "resources/small/scenes.csv"
    table.write_text(table.read_text().replace("resources/small/twin", "data"))
    done = area.run("--configfile", "config/demo.yaml", "mine.yaml", "--touch")
    assert done.returncode == 0, done.stdout + done.stderr
    assert area.jobs() == Counter()
    return area


def test_an_untouched_touched_or_littered_folder_reruns_nothing(area: Area) -> None:
    scenes = area.folder / "data/scenes"
    os.utime(scenes)
    for path in (scenes, *scenes.glob("*.SAFE"), *scenes.rglob("manifest.safe")):
        os.utime(path)
    (scenes / "notes.txt").write_text("mine")
    (scenes / "loop").symlink_to(scenes)
    first = min(scenes.glob("*.SAFE"))
    first.rename(area.folder / "away")
    (area.folder / "away").rename(first)
    for name in ("weather.nc", "dem.tif", "area.geojson"):
        os.utime(area.folder / "data" / name)
    assert area.jobs() == Counter()


def test_another_area_reruns_what_lies_on_its_grid(area: Area) -> None:
    polygon(area.folder, 331920)
    try:
        planned = area.jobs()
    finally:
        polygon(area.folder, 331280)
    # The rest of backscatter is known when find_scenes has run.
    backscatter = {"find_scenes", "stack_scenes", "draw_scenes"}
    assert (
        planned.keys() == backscatter | {"make_splits"} | COVARIATES | LABELS | PATCHES | LEARNING
    )
    assert area.jobs() == Counter()


def test_one_more_day_is_predicted_and_written_alone(area: Area) -> None:
    planned = area.jobs("--config", 'products={"maps": {"last_days": 3}}')
    assert planned == Counter(DATES | {"draw_maps": 1})


def test_a_message_in_other_words_reruns_nothing_and_a_property_who_uses_it(area: Area) -> None:
    area.edit(
        "src/loam/learning/prediction.py", "no pixel has a prediction on", "nothing is predicted on"
    )
    assert area.jobs() == Counter()
    config = (area.folder / "src/loam/config/sources.py").read_text()
    statement = config.partition("def codes(self)")[2]
    statement = statement[statement.index("return ") :].partition("\n")[0]
    area.edit("src/loam/config/sources.py", statement, statement + " + (0,)")
    planned = area.jobs()
    area.edit("src/loam/config/sources.py", statement + " + (0,)", statement)
    assert (
        planned.keys() == {"detect_change", "collect_samples", "draw_moisture"} | PATCHES | LEARNING
    )


def test_other_content_reruns_who_reads_it(area: Area) -> None:
    path = area.folder / "data/landcover.tif"
    before = path.read_bytes()
    path.write_bytes(before + b"\0")
    planned = area.jobs()
    path.write_bytes(before)
    assert {"detect_change", "collect_samples", "train"} <= planned.keys()
    assert not planned.keys() & (
        {"find_scenes", "flatten_scenes"}
        | COVARIATES
        | LABELS - {"detect_change", "draw_moisture", "fit_references"}
    )
