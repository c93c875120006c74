"""Where pixels lie: every form of axis that providers write is brought into one, or refused with the reason."""

import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.transform import Affine

from loam.core.axes import even_axes
from loam.core.errors import LoamError
from loam.core.raster import open_dataset, open_raster
from loam.core.tiles import joined_tiles

UTM = {"crs_wkt": CRS(32618).to_wkt()}
FILE = Path("w.nc")
TRANSFORM = "330000 20 0 4290000 0 -20"


def field(
    y, x, units=("degrees_north", "degrees_east"), names=("lat", "lon"), mapping=None, **extra
) -> xr.Dataset:
    """Values that name their row and column."""
    y, x = np.asarray(y), np.asarray(x)
    values = 1000.0 * np.arange(y.size)[:, None] + np.arange(x.size)
    coords = {
        names[0]: (names[0], y, {"units": units[0]}),
        names[1]: (names[1], x, {"units": units[1]}),
    }
    data = xr.Dataset({"v": (names, values, {"units": "1"})}, coords=coords)
    return data if mapping is None else data.assign(crs=((), 0, mapping | extra))


@pytest.fixture
def opened(tmp_path):
    number = itertools.count()

    def through_a_file(data: xr.Dataset) -> xr.Dataset:
        path = tmp_path / f"w{next(number)}.nc"
        data.to_netcdf(path)
        return open_dataset(path).load()

    return through_a_file


LAT, LON = 50 - 0.1 * np.arange(6), 10 + 0.1 * np.arange(8)


@pytest.mark.parametrize(
    "units",
    [
        "degrees_north",
        "degree_north",
        "degree_N",
        "degrees_N",
        "degreeN",
        "degreesN",
        "Degrees_North",
    ],
)
def test_every_spelling_of_degrees_is_latitude(opened, units: str) -> None:
    got = opened(
        field(LAT, LON, (units, units.replace("orth", "ast").replace("N", "E").replace("n", "e")))
    )
    assert got.sizes == {"y": 6, "x": 8}
    assert got.odc.crs.epsg == 4326


def test_axes_are_known_by_standard_name_axis_or_name(opened) -> None:
    data = field(
        4290000 - 20.0 * np.arange(6),
        330000 + 20.0 * np.arange(8),
        ("m", "m"),
        ("rows", "columns"),
        UTM,
    )
    data["rows"].attrs["standard_name"], data["columns"].attrs["axis"] = (
        "projection_y_coordinate",
        "X",
    )
    assert opened(data)["v"].dims == ("y", "x")
    assert opened(field(LAT, LON, names=("Latitude", "LONGITUDE")))["v"].dims == ("y", "x")


def test_rows_run_south_and_columns_east(opened) -> None:
    got = opened(field(LAT[::-1], LON[::-1]))
    np.testing.assert_allclose(got["y"], LAT)
    np.testing.assert_allclose(got["x"], LON)
    assert got["v"].values[0, 0] == 1000 * 5 + 7


def test_rounded_coordinates_do_not_drift(opened) -> None:
    exact = 38.9 - np.arange(3000) / 5400
    for rounded in (
        exact.astype(np.float32),
        exact.round(5),
        exact.astype(np.float32).astype(np.float64),
    ):
        got = opened(field(rounded, -76.9 + np.arange(5) / 5400))
        assert np.abs(got["y"].values - exact).max() * 5400 < 0.05  # pixels
        box = got.odc.geobox
        assert abs((box.transform.f + box.transform.e * 2999.5) - exact[-1]) * 5400 < 0.05


def test_rows_that_are_left_out_are_there_without_values(opened, caplog) -> None:
    keep = np.array([0, 1, 2, 4, 5])
    got = opened(field(LAT[keep], LON))
    np.testing.assert_allclose(got["y"], LAT)
    assert np.isnan(got["v"].values[3]).all()
    np.testing.assert_array_equal(got["v"].values[keep][:, 0] / 1000, np.arange(5))
    assert "1 of 6 rows are left out" in caplog.text


def test_rows_in_any_order_are_sorted(opened) -> None:
    got = opened(field(LAT[[3, 0, 5, 1, 4, 2]], LON))
    np.testing.assert_allclose(got["y"], LAT)
    assert got["v"].values[0, 0] == 1000


def test_kilometres_become_metres(opened) -> None:
    got = opened(
        field(4290 - 0.02 * np.arange(6), 330 + 0.02 * np.arange(8), ("km", "km"), ("y", "x"), UTM)
    )
    np.testing.assert_allclose(got["x"][:2], [330000, 330020])


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.arange(0, 360, 30.0), np.arange(-150, 181, 30.0)),
        (np.arange(0, 361, 30.0), np.arange(-150, 181, 30.0)),  # one meridian twice
        (282 + 0.25 * np.arange(9), -78 + 0.25 * np.arange(9)),
        (350 + 1.0 * np.arange(20), -10 + 1.0 * np.arange(20)),
    ],
)
def test_longitudes_of_0_to_360_are_turned(opened, x: np.ndarray, expected: np.ndarray) -> None:
    got = opened(field(LAT, x))
    np.testing.assert_allclose(got["x"], expected)
    place = int(np.flatnonzero(x == 30)[0]) if 30 in x else 3
    turned = (x[place] + 180) % 360 - 180
    assert float(got["v"].sel(x=turned)[0]) == place


def test_pixels_placed_by_corners_move_by_half(opened, caplog) -> None:
    at = {"y": 4290000 - 20.0 * np.arange(6), "x": 330000 + 20.0 * np.arange(8)}
    for shift, moved in ((0, True), (10, False)):
        data = field(
            at["y"] - shift, at["x"] + shift, ("m", "m"), ("y", "x"), UTM, GeoTransform=TRANSFORM
        )
        got = opened(data)
        np.testing.assert_allclose([got["x"][0], got["y"][0]], [330010, 4289990])
        assert ("corners of pixels" in caplog.text) == moved
        caplog.clear()


def test_a_geotransform_left_from_before_a_cut_or_thinning_means_nothing(opened) -> None:
    full = field(
        4290000 - 10 - 20.0 * np.arange(6),
        330010 + 20.0 * np.arange(8),
        ("m", "m"),
        ("y", "x"),
        UTM,
        GeoTransform=TRANSFORM,
    )
    for part in (
        full.isel(x=slice(2, None), y=slice(1, None)),
        full.isel(x=slice(None, None, 2)),
        full.isel(y=slice(None, None, -1)),
    ):
        np.testing.assert_allclose(np.sort(opened(part)["x"]), np.sort(part["x"]))


def test_pixels_without_coordinates_lie_where_gdal_says(opened) -> None:
    data = field(
        np.arange(6.0), np.arange(8.0), ("m", "m"), ("y", "x"), UTM, GeoTransform=TRANSFORM
    ).drop_vars(["x", "y"])
    got = opened(data)
    np.testing.assert_allclose([got["x"][0], got["y"][0], got["y"][-1]], [330010, 4289990, 4289890])


def curved() -> xr.Dataset:
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    return xr.Dataset(
        {"v": (("south_north", "west_east"), lat)},
        {
            "XLAT": (("south_north", "west_east"), lat, {"units": "degree_north"}),
            "XLONG": (("south_north", "west_east"), lon),
        },
    )


def replaced(data: xr.Dataset, axis: str, values, units: str = "") -> xr.Dataset:
    return data.assign_coords({axis: (axis, values, {"units": units or data[axis].attrs["units"]})})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            curved(),
            r"XLAT \('south_north', 'west_east'\) gives a latitude to every pixel, and there are no axes",
        ),
        (
            replaced(field(LAT, LON), "lat", 90 * np.sin(np.linspace(1, 0.2, 6))),
            "coordinate y is not evenly spaced",
        ),
        (replaced(field(LAT, LON), "lat", LAT[[0, 1, 2, 3, 4, 4]]), "more than once"),
        (
            replaced(field(LAT, LON), "lon", np.where(np.arange(8) == 3, np.nan, LON)),
            "places without a number",
        ),
        (field(LAT, 176 + np.arange(8.0)), "across the antimeridian"),
        (field(4290000 - 20.0 * np.arange(6), 330000 + 20.0 * np.arange(8)), "no degree"),
        (
            field(LAT, LON, names=("y", "x"), mapping=UTM),
            "in 'degrees_north|in 'degrees_east', but the CRS is projected",
        ),
        (
            field(LAT, LON, ("m", "m"), ("y", "x"), {"crs_wkt": CRS(4326).to_wkt()}),
            "in 'm', but the CRS is in degrees",
        ),
        (
            field(
                LAT, LON, names=("y", "x"), mapping={"grid_mapping_name": "latitude_longitude"}
            ).drop_vars(["y"]),
            "has no coordinates",
        ),
        (
            field(
                4290003 - 20.0 * np.arange(6),
                330010 + 20.0 * np.arange(8),
                ("m", "m"),
                ("y", "x"),
                UTM,
                GeoTransform=TRANSFORM,
            ),
            "pixels from where the file's GeoTransform has it",
        ),
    ],
)
def test_what_cannot_be_placed_is_refused_with_the_reason(
    opened, data: xr.Dataset, reason: str
) -> None:
    with pytest.raises(LoamError, match=reason) as caught:
        opened(data)
    assert "\n" not in str(caught.value)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=True, allow_infinity=True, width=32)
        | st.integers(-400, 400).map(float),
        max_size=7,
    ),
    st.sampled_from(["", "m", "km", "degrees_north", "deg", "rad", "furlong"]),
    st.booleans(),
)
def test_whatever_an_axis_holds_it_becomes_even_or_is_refused(
    values: list[float], units: str, projected: bool
) -> None:
    data = xr.DataArray(
        np.arange(3.0 * len(values)).reshape(len(values), 3),
        dims=("y", "x"),
        coords={"y": values, "x": [0.0, 1.0, 2.0]},
    )
    data["y"].attrs["units"] = units
    try:
        got = even_axes(data, FILE, projected)
    except LoamError as error:
        assert str(error).startswith("w.nc: ") and "\n" not in str(error)
        return
    steps = np.diff(got["y"].values.astype(float))
    assert (steps < 0).all() and (steps.size == 0 or np.ptp(steps) <= 0.51 * abs(steps.mean()))
    factor = 1000.0 if units == "km" and projected else 1.0
    for value, row in zip(
        values, data.values, strict=True
    ):  # every row lies where its own coordinate says
        near = got.sel(y=value * factor, method="nearest")
        assert (
            abs(float(near["y"]) - value * factor) <= 0.5 * abs(steps).mean() + 1e-9
            if steps.size
            else True
        )
        np.testing.assert_array_equal(near.values, row)


# --- Rasters ---


@pytest.fixture
def raster(tmp_path):
    def write(
        values: np.ndarray, transform: Affine, crs: str | None = "EPSG:32618", **profile
    ) -> Path:
        values = np.asarray(values)
        values = values if values.ndim == 3 else values[None]
        path = tmp_path / "r.tif"
        scale, offset = profile.pop("scale", None), profile.pop("offset", 0.0)
        shape = {
            "count": len(values),
            "height": values.shape[1],
            "width": values.shape[2],
            "dtype": values.dtype,
        }
        with rasterio.open(
            path, "w", driver="GTiff", crs=crs, transform=transform, **shape, **profile
        ) as file:
            file.write(values)
            if scale:
                file.scales, file.offsets = (scale,), (offset,)
        return path

    return write


NORTH_UP = Affine(20, 0, 330000, 0, -20, 4290000)


def test_a_raster_runs_south_whichever_way_its_rows_do(raster) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    south_up = open_raster(raster(values[::-1], Affine(20, 0, 330000, 0, 20, 4290000 - 60)))
    xr.testing.assert_equal(
        south_up.drop_vars("spatial_ref"),
        open_raster(raster(values, NORTH_UP)).drop_vars("spatial_ref"),
    )
    assert south_up.rio.transform().almost_equals(NORTH_UP)


def test_a_raster_means_what_its_scale_and_offset_say(raster) -> None:
    path = raster(
        np.array([[1234, -9999]], np.int16), NORTH_UP, nodata=-9999, scale=0.1, offset=100.0
    )
    np.testing.assert_allclose(open_raster(path).values, [[223.4, np.nan]], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"transform": NORTH_UP @ Affine.rotation(5)}, "rotated against its CRS"),
        ({"transform": NORTH_UP, "crs": None}, "has no CRS"),
        (
            {"transform": NORTH_UP, "crs": 'LOCAL_CS["my field",UNIT["metre",1]]'},
            "has no place on the Earth",
        ),
        ({"transform": Affine.identity()}, "has no geotransform"),
        (
            {"transform": NORTH_UP, "values": np.ones((2, 3, 4), np.float32)},
            r"has 2 bands \(1, 2\), and one is wanted",
        ),
    ],
)
def test_a_raster_that_cannot_be_placed_is_refused_with_the_reason(
    raster, arguments: dict, reason: str
) -> None:
    path = raster(**({"values": np.ones((3, 4), np.float32)} | arguments))
    with pytest.raises(LoamError, match=reason):
        open_raster(path)


def test_what_is_no_single_raster_of_numbers_is_refused_with_the_reason(tmp_path, raster) -> None:
    field(LAT, LON).assign(w=field(LAT, LON)["v"]).to_netcdf(tmp_path / "two.nc")
    path = tmp_path / "gcp.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=4, width=4, dtype="float32"
    ) as file:
        points = [
            GroundControlPoint(row, column, 10 + column, 50 - row)
            for row, column in ((0, 0), (0, 4), (4, 0))
        ]
        file.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
    for name, reason in (
        ("two.nc", "holds v, w, and one raster is wanted"),
        ("gcp.tif", "ground control points alone"),
    ):
        with pytest.raises(LoamError, match=reason):
            open_raster(tmp_path / name)
    with pytest.raises(LoamError, match="holds complex numbers"):
        open_raster(raster(np.ones((3, 4), np.complex64), NORTH_UP))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["cut", "overwrite", "only"]))
def test_whatever_the_bytes_of_a_raster_it_is_read_or_refused_in_a_line(
    tmp_path, caplog, data: bytes, place: int, how: str
) -> None:
    caplog.set_level(logging.CRITICAL, "rasterio")
    path = tmp_path / "r.tif"
    path.unlink(missing_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        crs="EPSG:32618",
        transform=NORTH_UP,
        count=1,
        height=3,
        width=4,
        dtype="float32",
    ) as file:
        file.write(np.ones((1, 3, 4), "float32"))
    good = path.read_bytes()
    path.write_bytes(
        {
            "cut": good[:place],
            "overwrite": good[:place] + data + good[place + len(data) :],
            "only": data,
        }[how]
    )
    try:
        assert joined_tiles([path], GeoBox((3, 4), NORTH_UP, "EPSG:32618")).ndim == 2
    except LoamError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)


def test_a_raster_that_is_mirrored_or_on_longitudes_to_360_lies_where_it_lies(raster) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    up = open_raster(raster(values, NORTH_UP)).load()
    mirrored = open_raster(
        raster(values[:, ::-1], Affine(-20, 0, 330000 + 80, 0, -20, 4290000))
    ).load()
    np.testing.assert_array_equal(mirrored.values, up.values)
    assert mirrored.odc.geobox == up.odc.geobox
    world = np.broadcast_to(np.arange(360, dtype=np.float32), (4, 360)).copy()
    path = raster(world, Affine(1, 0, 0, 0, -1, 40), "EPSG:4326")
    assert float(open_raster(path).sel(x=-76.5, y=38.5)) == 283
    for lon, value in ((-76.5, 283), (0.5, 0), (10.5, 10)):  # tiles are met at both of their places
        box = GeoBox.from_bbox((lon - 0.2, 38.3, lon + 0.2, 38.7), "EPSG:4326", resolution=0.1)
        assert float(joined_tiles([path], box).sel(x=lon, y=38.5)) == value


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    affine=st.tuples(*[st.sampled_from([0.0, 1e-9, 1.0, 20.0, -20.0, 330000.0, 1e12])] * 6),
    crs=st.sampled_from(["EPSG:4326", "EPSG:32618"]),
    kind=st.sampled_from(["uint8", "int16", "float32"]),
    scale=st.sampled_from([1.0, 0.1, -1.0]),
)
def test_any_raster_is_read_or_refused_in_one_line(
    raster, affine: tuple, crs: str, kind: str, scale: float
) -> None:
    path = raster(np.ones((3, 3), kind), Affine(*affine), crs, scale=scale)
    try:
        data = open_raster(path)
    except LoamError as error:
        assert "\n" not in str(error)
        assert path.name in str(error)
        return
    assert (np.diff(data["y"]) < 0).all()
    assert (np.diff(data["x"]) > 0).all()
    np.testing.assert_allclose(data.values, scale)
