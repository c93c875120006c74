"""The area of interest, as people draw and save it: its grid, or one line that says what is wrong with the file."""

import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from loam.config.base import Grid
from loam.core.errors import LoamError
from loam.core.grid import target_grid
from loam.core.limits import MOST_PIXELS

AREA = box(10, 50, 10.05, 50.03)
SHAPE = (170, 182)  # of it, in pixels of 20 m of its UTM zone
BOW_TIE = Polygon([(10, 50), (10.05, 50.03), (10.05, 50), (10, 50.03)])
KML = """<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark>
<Polygon><outerBoundaryIs><LinearRing><coordinates>10,50,0 10.05,50,0 10.05,50.03,0 10,50.03,0 10,50,0</coordinates></LinearRing>
</outerBoundaryIs></Polygon></Placemark></Document></kml>"""


def grid_of(path: Path | str, crs: str = "utm", resolution_m: float = 20) -> GeoBox:
    return target_grid(Grid(aoi=str(path), crs=crs, resolution_m=resolution_m), None)


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., Path]:
    """Save geometries as GeoJSON, or as what the name's ending says."""

    def save(*geometries: Any, name: str = "a.geojson", crs: Any = 4326, **more: Any) -> Path:
        with warnings.catch_warnings(action="ignore"):
            geopandas.GeoDataFrame(geometry=list(geometries), crs=crs).to_file(
                tmp_path / name, **more
            )
        return tmp_path / name

    return save


# --- What is read ---


@pytest.mark.parametrize(
    "name",
    ["a.geojson", "a.gpkg", "a.shp", "a.fgb", "a.parquet", "a.kml", "a.kmz", "a.zip", "a.gdb"],
)
def test_every_format_gives_the_same_grid(
    name: str, drawn: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / name
    if name == "a.kml":
        path.write_text(KML)
    elif name == "a.kmz":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("doc.kml", KML)
    elif name == "a.zip":
        drawn(AREA, name="b.shp")
        with zipfile.ZipFile(path, "w") as file:
            for end in ("shp", "shx", "dbf", "prj"):
                file.write(tmp_path / f"b.{end}", f"b.{end}")
    elif name == "a.parquet":
        geopandas.GeoDataFrame(geometry=[AREA], crs=4326).to_parquet(path)
    else:
        drawn(AREA, name=name, **({"driver": "OpenFileGDB"} if name == "a.gdb" else {}))
    grid = grid_of(path)
    assert (grid.crs.epsg, tuple(grid.shape)) == (32632, SHAPE)


@pytest.mark.parametrize(
    "geometries",
    [
        [shapely.force_3d(AREA, 7.0)],
        [
            Polygon(AREA.exterior.coords, [[(10.01, 50.01), (10.02, 50.01), (10.02, 50.02)]])
        ],  # a hole
        [MultiPolygon([box(10, 50, 10.01, 50.03), box(10.04, 50, 10.05, 50.03)])],
        [box(10, 50, 10.03, 50.03), box(10.02, 50, 10.05, 50.03)],  # overlapping features
        [
            GeometryCollection(
                [box(10, 50, 10.01, 50.03), MultiPolygon([box(10.01, 50, 10.05, 50.03)])]
            )
        ],
        [AREA, None, Polygon()],  # features without geometry
        [
            Polygon(
                [(10, 50), (10.05, 50), (10.02, 50.01), (10.05, 50.03), (10, 50.03), (10.02, 50.01)]
            )
        ],  # touches itself in a point
        [shapely.segmentize(AREA, 1e-5)],  # 16 000 corners
        [AREA.reverse()],
    ],
)
def test_any_polygons_give_the_grid_around_them(
    geometries: list, drawn: Callable[..., Path]
) -> None:
    assert tuple(grid_of(drawn(*geometries)).shape) == SHAPE


def test_a_slip_of_the_pen_is_told_and_mended(
    drawn: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    slip = Polygon(
        [
            (10, 50),
            (10.05, 50),
            (10.05, 50.015),
            (10.0499, 50.0151),
            (10.05, 50.0151),
            (10.0499, 50.015),
            (10.05, 50.03),
            (10, 50.03),
        ]
    )
    assert not slip.is_valid
    assert tuple(grid_of(drawn(slip)).shape) == SHAPE
    assert "a ring crosses itself at 10.0" in caplog.text


def test_longitudes_count_from_minus_180_or_from_0(drawn: Callable[..., Path]) -> None:
    assert grid_of(drawn(box(283, 38.9, 283.05, 38.95))) == grid_of(
        drawn(box(-77, 38.9, -76.95, 38.95))
    )
    across = (
        [box(-0.1, 50, 0.1, 50.1)],
        [box(359.9, 50, 360.1, 50.1)],
        [box(359.9, 50, 360, 50.1), box(0, 50, 0.1, 50.1)],
    )
    first, *others = [grid_of(drawn(*boxes)) for boxes in across]
    assert first.crs.epsg in {32630, 32631}
    assert all(other.crs == first.crs and other.shape == first.shape for other in others)


def test_an_area_across_the_antimeridian_is_one_area(drawn: Callable[..., Path]) -> None:
    halves = box(179.9, -17, 180, -16.9), box(-180, -17, -179.9, -16.9)
    for geometries in (
        [MultiPolygon(halves)],
        halves,
        [box(179.9, -17, 180.1, -16.9)],
        [box(-180.1, -17, -179.9, -16.9)],
    ):
        grid = grid_of(drawn(*geometries))
        assert grid.crs.epsg in {32760, 32701}
        # 0.2 degrees are 21.3 km there, seen slantwise.
        assert grid.shape[1] == pytest.approx(1076, abs=2)


def test_a_layer_is_named_as_qgis_does(drawn: Callable[..., Path]) -> None:
    drawn(Point(10, 50), name="a.gpkg", layer="gauges")
    path = drawn(AREA, name="a.gpkg", layer="catchment")
    says(
        path,
        r"has several layers: gauges \(Point\), catchment \(Polygon\); name the area's as grid.aoi: .*a.gpkg\|layername=catchment",
    )
    assert tuple(grid_of(f"{path}|layername=catchment").shape) == SHAPE
    with pytest.raises(
        LoamError, match=r"a.gpkg: has no layer 'basin'; name one of gauges, catchment"
    ):
        grid_of(f"{path}|layername=basin")


def test_a_table_of_styles_and_an_empty_layer_are_no_candidates(drawn: Callable[..., Path]) -> None:
    import pyogrio

    path = drawn(AREA, name="a.gpkg", layer="catchment")
    drawn(name="a.gpkg", layer="sketches", engine="pyogrio", geometry_type="Polygon")
    pyogrio.write_dataframe(pd.DataFrame({"style": ["red"]}), path, layer="layer_styles")
    assert tuple(grid_of(path).shape) == SHAPE


# --- What is refused ---


def says(path: Path | str, reason: str, **grid: Any) -> None:
    with pytest.raises(LoamError, match=reason) as caught:
        grid_of(path, **grid)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 450


@pytest.mark.parametrize(
    ("geometries", "reason"),
    [
        (
            [AREA, Point(11, 51)],
            "holds 1 Point beside 1 Polygon, the first at 11, 51; keep the polygons",
        ),
        (
            [AREA, LineString([(10, 50), (11, 51)])],
            "holds 1 LineString beside 1 Polygon, the first at 10, 50",
        ),
        ([GeometryCollection([AREA, Point(11, 51)])], "holds 1 Point beside 1 Polygon"),
        ([LineString(AREA.exterior.coords)], "holds 1 LineString and no polygon"),
        ([None], "holds no polygon"),
        ([Polygon()], "holds no polygon"),
        ([BOW_TIE], "a ring crosses itself at 10.025, 50.015; mend the polygon"),
        ([AREA, BOW_TIE], "a ring crosses itself at 10.025, 50.015"),
        (
            [Polygon(AREA.exterior.coords, [[(11, 50), (11.1, 50), (11.1, 50.1)]])],
            "Hole lies outside shell",
        ),
        (
            [Polygon([(10, 50), (10.05, 50), (10, 50)])],
            "a polygon has no area, from 10, 50 to 10.05, 50",
        ),
        (
            [Polygon([(10, 50), (10.05, 50), (10.02, 50)])],
            "a polygon has no area, from 10, 50 to 10.05, 50",
        ),
        (
            [box(570000, 5540000, 575000, 5545000)],
            "coordinates from 570000, 5.54e.06 .* look like metres, but its CRS is EPSG:4326",
        ),
        ([box(50, 120, 50.1, 120.1)], "latitude and longitude look swapped"),
        ([box(38.9, -97, 38.95, -96.9)], "latitude and longitude look swapped"),
        ([box(-170, 89, -169, 95)], "lie outside the globe"),
        ([box(-200, 10, 200, 20)], "lie outside the globe"),
        (
            [box(-180, -90, 180, 90)],
            r"40030 km x 20015 km are 2e\+12 pixels of grid.resolution_m = 20, too large .* at most 1e\+09",
        ),
        (
            [box(-10, 35, 30, 70)],
            r"are 3.54e\+10 pixels of grid.resolution_m = 20, too large for one grid",
        ),
        (
            [Polygon([(179.9, -17), (-179.9, -17), (-179.9, -16.9), (179.9, -16.9)])],
            "runs more than half around the globe; .* split it there",
        ),
        (
            [box(10, 88, 20, 89)],
            "lies at 88.5 degrees, and UTM ends at -80 and 84; name a CRS of the north pole, as EPSG:3413",
        ),
        ([box(10, -89, 20, -88)], "a CRS of the south pole, as EPSG:3031"),
        (
            [box(10, 50, 10.0001, 50.03)],
            "are less than a pixel of grid.resolution_m = 1000; make the area larger",
        ),
    ],
)
def test_what_cannot_be_an_area_is_named_with_the_true_cause(
    geometries: list, reason: str, drawn: Callable[..., Path]
) -> None:
    says(drawn(*geometries), reason, resolution_m=1000 if "= 1000" in reason else 20)


def test_the_crs_has_to_fit_the_coordinates(drawn: Callable[..., Path]) -> None:
    says(drawn(AREA, crs=None, name="a.shp"), "has no CRS; write it with one")
    says(
        drawn(AREA, crs=32632, name="b.gpkg"),
        "coordinates from 10, 50 to 10.05, 50.03 look like degrees, but its CRS is EPSG:32632",
    )
    says(
        drawn(box(570000, 5540000, 575000, 5545000), crs=5703, name="c.gpkg"),
        "its CRS, NAVD88 height, has neither degrees nor a projection",
    )
    assert grid_of(drawn(box(10, 85, 11, 85.2)), crs="EPSG:3413", resolution_m=100).crs.epsg == 3413
    says(
        drawn(box(-10, 35, 30, 70)),
        r"is too large for grid.crs = 'utm': 1000 m of the map are \d+ m at",
        resolution_m=1000,
    )
    with pytest.raises(
        LoamError, match=r"^grid.crs = 'EPSG:3031': 1000 of its units are 121 m here"
    ):
        grid_of(drawn(AREA), crs="EPSG:3031")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.geojson", "", r"is empty \(0 bytes\)"),
        ("a.gpkg", "", r"is empty \(0 bytes\)"),
        ("a.geojson", "<html>404</html>", "cannot be read as polygons .*not recognized"),
        ("a.kml", "<kml", "cannot be read as polygons"),
        ("a.geojson", '{"type": "FeatureCollection", "features": []}', "holds no polygon"),
        (
            "a.geojson",
            '{"type": "FeatureCollection", "features": [{"type": "Feature", "geom',
            "cannot be read as polygons",
        ),
        (
            "a.geojson",
            '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1]]]}',
            "do not form a closed linestring",
        ),
        (
            "a.geojson",
            '{"type": "Polygon", "coordinates": [[[0, 0], [1e400, 0], [1, 1], [0, 0]]]}',
            "a coordinate that is no number",
        ),
        ("a.csv", "a,b\n1,2\n", "is a table without geometries"),
        ("a.csv", 'id,WKT\n1,"POLYGON((10 50,10.1 50,10.1 50.1,10 50))"\n', "has no CRS"),
    ],
)
def test_a_file_that_is_no_map_is_named(name: str, text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    says(tmp_path / name, reason)


def test_a_folder_and_a_pipe_are_no_file(drawn: Callable[..., Path], tmp_path: Path) -> None:
    drawn(AREA)
    says(tmp_path, "is a folder with a.geojson; set grid.aoi to the file itself")
    os.mkfifo(tmp_path / "pipe")  # opened, it would hang
    says(tmp_path / "pipe", "is no regular file")


@pytest.mark.parametrize(
    ("bounds", "crs", "reason"),
    [
        (
            (-77, 38.6, -76.9, 38.7),
            "EPSG:32618",
            "0.1 m x 0.1 m are less than a pixel .* bounds are in metres of EPSG:32618, not in degrees",
        ),
        (
            (9e8, 9e8, 9e8 + 1000, 9e8 + 1000),
            "EPSG:32618",
            "reaches beyond what grid.crs = 'EPSG:32618' can map",
        ),
        ((0, 0, 100, 100), "EPSG:4978", "is geographic; name a projected CRS"),
        ((0, 0, 100, 100), "EPSG:5703", "is geographic; name a projected CRS"),
    ],
)
def test_bounds_that_cannot_be_are_named(bounds: tuple, crs: str, reason: str) -> None:
    with pytest.raises(LoamError, match=reason):
        target_grid(Grid(aoi=bounds, crs=crs, resolution_m=20), None)


# --- Whatever is drawn ---

NUMBER = st.one_of(
    st.floats(),
    st.floats(-180, 180),
    st.floats(170, 190),
    st.floats(80, 90),
    st.integers(-1000, 1000),
    st.just(10.0),
    st.just(50.0),
)
POSITION = st.lists(NUMBER, min_size=1, max_size=3)
RING = st.lists(POSITION, max_size=6).map(lambda ring: [*ring, *ring[:1]])
DRAWN = st.one_of(
    st.fixed_dictionaries({"type": st.just("Polygon"), "coordinates": st.lists(RING, max_size=2)}),
    st.fixed_dictionaries(
        {
            "type": st.just("MultiPolygon"),
            "coordinates": st.lists(st.lists(RING, max_size=2), max_size=2),
        }
    ),
    st.fixed_dictionaries({"type": st.just("Point"), "coordinates": POSITION}),
    st.fixed_dictionaries(
        {"type": st.just("LineString"), "coordinates": st.lists(POSITION, max_size=3)}
    ),
    st.none(),
)
BOX = st.tuples(st.floats(-180, 360), st.floats(-90, 90), st.floats(0, 2), st.floats(0, 1)).map(
    lambda each: {
        "type": "Polygon",
        "coordinates": [
            list(
                map(
                    list,
                    box(each[0], each[1], each[0] + each[2], each[1] + each[3]).exterior.coords,
                )
            )
        ],
    }
)


@settings(max_examples=60, deadline=None)
@given(
    geometries=st.lists(DRAWN, max_size=2) | st.lists(BOX, min_size=1, max_size=2),
    crs=st.sampled_from(
        ["utm", "EPSG:3857", "EPSG:32632", "EPSG:3413", "EPSG:3035", "EPSG:4326", "EPSG:2154"]
    ),
    resolution_m=st.sampled_from([1, 20, 1000]),
)
def test_whatever_is_drawn_gives_a_grid_or_one_line(
    geometries: list, crs: str, resolution_m: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.geojson"
    features = [{"type": "Feature", "properties": {}, "geometry": each} for each in geometries]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    answer(path, crs, resolution_m)


@settings(max_examples=40, deadline=None)
@given(
    content=st.binary(max_size=80),
    start=st.sampled_from(
        [b"", b'{"type":"Feature', b"SQLite format 3\0", b"PK\x03\x04", b"<?xml", b"fgb\x03fgb\0"]
    ),
    name=st.sampled_from(
        ["a.geojson", "a.gpkg", "a.kml", "a.kmz", "a.shp", "a.fgb", "a.parquet", "a.zip", "a"]
    ),
)
def test_whatever_is_in_the_file_the_answer_is_one_line(
    content: bytes, start: bytes, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(start + content)
    answer(path, "utm", 20)


def answer(path: Path, crs: str, resolution_m: float) -> None:
    try:
        grid = grid_of(path, crs, resolution_m)
        assert 1 <= np.prod(grid.shape) <= 1.01 * MOST_PIXELS
    except LoamError as error:
        assert str(error).isprintable()
        assert str(error).startswith((str(path), "grid."))
        assert len(str(error)) < 600
