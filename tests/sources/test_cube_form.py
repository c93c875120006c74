"""Cubes as stackstac, odc-stac, openEO, SNAP and Earth Engine write them: one form, or one line."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers import days
from hypothesis import given, settings
from hypothesis import strategies as st

from loam.config.base import Period
from loam.core.errors import LoamError
from loam.sources.cube import assemble_stack, open_cube

PERIOD = Period(start="2020-01-01", end="2020-12-31")
TRACKS = ["A004", "D106", "A004", "D106"]


@pytest.fixture
def plain(box, layer) -> xr.Dataset:
    values = np.random.default_rng(3).normal(-12, 2, size=(4, *box.shape)).astype(np.float32)
    layers = {
        name: layer(values + shift, days("2020-03-01", 4, 6), units="dB")
        for name, shift in (("vv", 0), ("vh", -7))
    }
    return xr.Dataset(layers).assign_coords(track=("time", TRACKS)).odc.assign_crs(box.crs)


@pytest.fixture
def stack(tmp_path, box):
    """The stack that a cube becomes, through a file."""

    number = itertools.count()

    def make(data: xr.Dataset, units: str | None = None, name: str = "cube.nc") -> xr.Dataset:
        path = tmp_path / f"{next(number)}{name}"
        if name.endswith(".zarr"):
            data.to_zarr(path, mode="w", consolidated=False, zarr_format=3)
        else:
            data.to_netcdf(path)
        return assemble_stack(open_cube(path, PERIOD, units), box, path, "gamma nought").load()

    return make


def as_bands(data: xr.Dataset) -> xr.Dataset:
    joined = xr.concat(
        [data["vv"], data["vh"]], xr.DataArray(["VV", "VH"], dims="band", name="band")
    ).transpose("time", "band", "y", "x")
    return (
        joined.assign_attrs(units="dB")
        .to_dataset(name="sentinel-1-rtc")
        .assign_coords(track=data["track"])
    )


def with_openeo_names(data: xr.Dataset) -> xr.Dataset:
    return data.rename(vv="S1-GAMMA0-VV", vh="S1-GAMMA0-VH", time="t")


def with_a_single_band(data: xr.Dataset) -> xr.Dataset:
    return data.assign(vv=data["vv"].expand_dims(band=[1]), vh=data["vh"].expand_dims("level"))


FORMS = [
    as_bands,
    with_openeo_names,
    with_a_single_band,
    lambda data: data.rename(vv="VV", vh="VH"),
]


@pytest.mark.parametrize("form", FORMS)
def test_one_stack_of_every_form(plain: xr.Dataset, stack, form) -> None:
    expected, got = stack(plain, name="plain.nc"), stack(form(plain))
    for name in ("vv", "vh"):
        np.testing.assert_array_equal(got[name].values, expected[name].values)
    assert got["track"].values.tolist() == TRACKS


def test_times_as_text_become_times_in_order(plain: xr.Dataset, stack) -> None:
    for text in (
        lambda t: str(t)[:19] + "Z",
        lambda t: str(t)[:10],
        lambda t: str(t)[:19] + "+00:00",
    ):
        times = [text(value) for value in plain["time"].values]
        got = stack(plain.assign_coords(time=times).isel(time=[2, 0, 1, 3]), name="cube.zarr")
        np.testing.assert_array_equal(
            got["time"].values, plain["time"].values.astype("datetime64[D]")
        )


def test_a_property_of_all_dates_is_that_of_each(plain: xr.Dataset, stack) -> None:
    got = stack(plain.drop_vars("track").assign_coords(track="A004", platform="SENTINEL-1A"))
    assert got["platform"].values.tolist() == ["SENTINEL-1A"] * 4
    assert got["track"].values.tolist() == ["A004"] * 4


def test_an_angle_by_orbit_goes_to_its_dates(plain: xr.Dataset, stack, box) -> None:
    angles = np.stack([np.full(box.shape, 44.0), np.full(box.shape, 33.0)])
    data = plain.assign(incidence=(("orbit", "y", "x"), angles, {"units": "degree"})).assign_coords(
        orbit=["D106", "A004"]
    )
    got = stack(data)
    assert [float(layer.mean()) for layer in got["incidence"]] == [33, 44, 33, 44]


def test_angles_of_nothing_are_missing_and_radians_refused(plain: xr.Dataset, stack, box) -> None:
    angle = np.full(box.shape, 38.0)
    angle[0, :3] = 0, -9999, np.nan
    got = stack(plain.assign(incidence=(("y", "x"), angle, {"units": "degrees"})))
    assert np.isnan(got["incidence"].values[:, 0, :3]).all()
    assert np.isfinite(got["incidence"].values).sum() == got["incidence"].size - 3 * 4
    with pytest.raises(LoamError, match=r"incidence reaches to 0\.66"):
        stack(
            plain.assign(
                incidence=(("y", "x"), np.radians(np.full(box.shape, 38.0)), {"units": "degree"})
            )
        )


def in_slices(plain: xr.Dataset, seconds: int, overlap: int = 0) -> xr.Dataset:
    first, second = (
        plain.copy(deep=True),
        plain.copy(deep=True).assign_coords(time=plain["time"] + np.timedelta64(seconds, "s")),
    )
    for name in ("vv", "vh"):
        first[name][:, 6:] = np.nan
        second[name][:, : 6 - overlap] = np.nan
    return xr.concat([first, second], "time")


@pytest.mark.parametrize(("seconds", "overlap"), [(0, 0), (25, 0), (50, 0)])
def test_slices_of_a_pass_are_one_date(
    plain: xr.Dataset, stack, seconds: int, overlap: int, caplog
) -> None:
    got = stack(in_slices(plain, seconds, overlap))
    expected = stack(plain, name="plain.nc")
    np.testing.assert_array_equal(got["time"].values, plain["time"].values)
    np.testing.assert_array_equal(got["vv"].values, expected["vv"].values)
    assert got["track"].values.tolist() == TRACKS
    assert "8 acquisitions are slices of 4 passes" in caplog.text


def test_two_processings_of_a_pass_are_refused(plain: xr.Dataset, stack) -> None:
    with pytest.raises(LoamError, match="see the same ground; merge the slices of one pass first"):
        stack(in_slices(plain, 25, 6))


def test_zero_decibels_and_no_power_are_no_data(plain: xr.Dataset, stack, caplog) -> None:
    holes = plain.copy(deep=True)
    holes["vv"][0, :, :6] = 0
    holes["vh"][0, :, :6] = 0
    got = stack(holes)
    assert np.isnan(got["vv"].values[0, :, :6]).all() and (got["mask"].values[0, :, :6] == 1).all()
    assert np.isfinite(got["vv"].values).sum() == got["vv"].size - 6 * got.sizes["y"]
    assert "is exactly 0 dB" in caplog.text


def test_digital_numbers_are_decibels_where_the_settings_say_so(plain: xr.Dataset, stack) -> None:
    numbers = plain[["vv", "vh"]].map(
        lambda values: np.round(10 ** ((values + 83) / 20)).astype("uint16")
    )
    numbers = numbers.assign_coords(track=plain["track"])
    for name in ("vv", "vh"):
        numbers[name].attrs.clear()
    numbers["vv"][0, 0, :3] = np.array([0, 65534, 65535], "uint16")
    expected = stack(plain, name="plain.nc")["vv"].values
    expected[0, 0, :3] = np.nan
    np.testing.assert_allclose(
        10 * np.log10(stack(numbers, "dn")["vv"].values), 10 * np.log10(expected), atol=0.01
    )
    with pytest.raises(
        LoamError, match=r"no whole digital numbers; set sources\.backscatter\.units"
    ):
        stack(plain, "dn")
    with pytest.raises(LoamError, match="vv has no units; set the attribute"):
        stack(numbers)


def test_units_of_the_settings_stand_in_for_the_files(plain: xr.Dataset, stack) -> None:
    bare = plain.copy(deep=True)
    for name in ("vv", "vh"):
        bare[name].attrs.clear()
    np.testing.assert_array_equal(
        stack(bare, "dB")["vv"].values, stack(plain, name="plain.nc")["vv"].values
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda data: data.rename(vv="gamma0_vv").assign(sigma0_vv=data["vv"]),
            "gamma0_vv, sigma0_vv could all be vv",
        ),
        (
            lambda data: data.assign_coords(time=[*data["time"].values[:3], np.datetime64("NaT")]),
            "1 of its 4 acquisitions have no date",
        ),
        (
            lambda data: data.assign_coords(time=["first", "second", "third", "fourth"]),
            "its times are text that is no ISO 8601",
        ),
        (lambda data: data.assign_coords(time=[0, 1, 2, 3]), "its times are numbers without units"),
        (
            lambda data: data.assign_coords(track=("x", ["A"] * 16)),
            r"track has dimensions \('x',\)",
        ),
        (
            lambda data: data.assign(vv=data["vv"].expand_dims(level=[1, 2])),
            r"vv has the dimension level \(2\) beside",
        ),
        (
            lambda data: data.assign(
                incidence=(("orbit", "y", "x"), np.ones((2, 12, 16)))
            ).assign_coords(orbit=[4, 106]),
            "a layer per orbit with labels 4, 106, but the cube's tracks are A004, D106",
        ),
        (
            lambda data: data.assign(
                vv=(data["vv"].dims, np.full(data["vv"].shape, "wet"), {"units": "dB"})
            ),
            "vv holds no numbers",
        ),
    ],
)
def test_what_is_ambiguous_or_no_date_is_one_line(
    plain: xr.Dataset, stack, change, said: str
) -> None:
    with pytest.raises(LoamError, match=said) as caught:
        stack(change(plain), name="cube.zarr")
    assert "\n" not in str(caught.value) and "cube.zarr" in str(caught.value)


KINDS = ["float32", "float64", "int16", "uint16", "bool", "complex64", "str"]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_a_cube_is_it_becomes_a_stack_or_one_line(
    tmp_path_factory, data: st.DataObject
) -> None:
    from odc.geo.geobox import GeoBox

    from loam.core.grid import empty_like_grid

    box = GeoBox.from_bbox((330000, 4290000, 330080, 4290060), "EPSG:32618", resolution=20)
    dims = data.draw(st.permutations(["time", "y", "x"]).map(tuple)) + data.draw(
        st.sampled_from([(), ("band",), ("orbit",)])
    )
    count = data.draw(st.integers(0, 4))
    sizes = {"time": count, "y": 3, "x": 4, "band": data.draw(st.integers(1, 2)), "orbit": 1}
    fill = data.draw(st.sampled_from([-12.0, 0.0, 0.1, np.nan, np.inf, -9999.0, 65534.0]))
    with np.errstate(invalid="ignore"):
        values = np.full([sizes[dim] for dim in dims], fill).astype(
            data.draw(st.sampled_from(KINDS))
        )
    cube = xr.Dataset(
        {data.draw(st.sampled_from(["vv", "VV", "gamma0_vv", "b"])): (dims, values)},
        coords=empty_like_grid(box),
    )
    name = next(iter(cube.data_vars))
    cube[name].attrs["units"] = data.draw(st.sampled_from(["dB", "1", "", "W", 3]))
    times = data.draw(
        st.lists(st.sampled_from([0, 12, 12.0003, 24, 400]), min_size=count, max_size=count)
    )
    coordinate = np.datetime64("2020-03-01", "ns") + (np.array(times) * 86400e9).astype(
        "timedelta64[ns]"
    )
    cube = cube.assign_coords(
        time=coordinate.astype(str) if data.draw(st.booleans()) else coordinate
    )
    cube = cube.assign_coords(
        track=("time", ["A004"] * count) if data.draw(st.booleans()) else "A004"
    )
    path = tmp_path_factory.mktemp("cube") / "cube.zarr"
    cube.to_zarr(path, consolidated=False, zarr_format=3)
    try:
        got = assemble_stack(
            open_cube(path, PERIOD, data.draw(st.sampled_from([None, "dB", "power", "dn"]))),
            box,
            path,
            "gamma nought",
        )
    except LoamError as error:
        assert str(error).startswith(str(path)) or "no usable" in str(error)
        return
    power = got["vv"].values
    assert got["vv"].dims == ("time", "y", "x") and np.isfinite(power).any()
    assert (np.diff(got["time"].values) > np.timedelta64(0)).all()
    assert Path(path).exists()
