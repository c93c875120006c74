"""Stations: inverse distances against a direct evaluation, leave-one-out, elevation, and what a bad table says."""

import numpy as np
import pandas as pd
import pytest
import rioxarray  # noqa: F401  (registers .rio)
from pyproj import Transformer

from loam.core.errors import LoamError
from loam.sources.idw import distance_weights, left_out, root_mean_square, weighted_means
from loam.sources.weather import read_weather


def direct(
    places: np.ndarray,
    stations: np.ndarray,
    values: np.ndarray,
    power: float,
    radius: float,
    least: int,
) -> np.ndarray:
    """The definition, in loops."""
    out = np.full((len(values), len(places)), np.nan)
    for time, row in enumerate(values):
        for index, place in enumerate(places):
            total = weight = count = 0.0
            for station, value in zip(stations, row, strict=True):
                distance = float(np.hypot(*(station - place)))
                if distance <= radius and np.isfinite(value):
                    w = 1 / max(distance, 1.0) ** power
                    total, weight, count = total + w * value, weight + w, count + 1
            if count >= least:
                out[time, index] = total / weight
    return out


@pytest.mark.parametrize(
    ("power", "radius", "least"), [(2, 1e9, 1), (2, 30_000, 3), (1.5, 20_000, 1), (3, 25_000, 2)]
)
def test_weights_are_those_of_a_direct_evaluation(power: float, radius: float, least: int) -> None:
    """Bar: 50 stations, to 1e-6."""
    rng = np.random.default_rng(4)
    stations, places = rng.uniform(0, 60_000, (50, 2)), rng.uniform(0, 60_000, (200, 2))
    places[0] = stations[7]  # on top of one
    values = np.where(rng.random((5, 50)) < 0.2, np.nan, rng.gamma(1, 5, (5, 50)))
    got = weighted_means(distance_weights(places, stations, power, radius), values, least)
    np.testing.assert_allclose(
        got, direct(places, stations, values, power, radius, least), rtol=1e-6, atol=1e-6
    )


def test_what_is_left_out_is_told_by_the_others_alone() -> None:
    rng = np.random.default_rng(5)
    stations, values = rng.uniform(0, 60_000, (20, 2)), rng.random((3, 20))
    got = left_out(stations, values, 2, 1e9, 1)
    for index in (0, 11):
        others = np.arange(20) != index
        expected = direct(
            stations[index : index + 1], stations[others], values[:, others], 2, 1e9, 1
        )[:, 0]
        np.testing.assert_allclose(got[:, index], expected, rtol=1e-9)
    assert np.isnan(root_mean_square(np.full(3, np.nan)))


@pytest.fixture
def table(box):
    """Five stations around the area, three days, temperature falling with height."""
    west, south, east, north = box.boundingbox
    x, y = (
        np.array([west, east, west, east, (west + east) / 2]),
        np.array([south, south, north, north, north + 8000]),
    )
    longitude, latitude = Transformer.from_crs("EPSG:32618", "EPSG:4326", always_xy=True).transform(
        x, y
    )
    height = np.array([0.0, 100, 200, 300, 1000])
    frames = [
        pd.DataFrame(
            {
                "station": list("abcde"),
                "time": day,
                "latitude": latitude,
                "longitude": longitude,
                "elevation": height,
                "precipitation": [1.0, 2, 3, 4, 5],
                "temperature": 20 - 0.0065 * height,
            }
        )
        for day in ("2020-01-01", "2020-01-02", "2020-01-03")
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def read(tmp_path, box, weather_source, period):
    def run(table: pd.DataFrame, dem=None, **stations):
        variables = stations.pop("variables", {})
        table.to_csv(tmp_path / "stations.csv", index=False)
        return read_weather(
            [tmp_path / "stations.csv"],
            weather_source(stations, kind="stations", variables=variables),
            box,
            dem,
            period,
        )

    return run


def test_stations_become_a_coarse_grid_that_tells_its_error(table, read, box) -> None:
    got = read(table)
    assert got["precipitation"].shape[0] == 3
    assert got["precipitation"].size < 3 * 30  # cells of 2 km, not pixels of 20 m
    assert 1 < float(got["precipitation"].mean()) < 5
    assert got["precipitation"].attrs["stations"] == 5
    assert got["precipitation"].attrs["leave_one_out_rmse"] > 0.5


def test_temperature_follows_the_ground_on_request(table, read, box, layer, tmp_path) -> None:
    """Stations whose temperature falls by 6.5 K/km exactly give that of sea level less the fall to the ground, anywhere."""
    around = box.pad(400)
    layer(np.full(around.shape, 500.0, np.float32), on=around).rio.to_raster(tmp_path / "dem.tif")
    lifted = read(table, tmp_path / "dem.tif", lapse_k_per_km=6.5)["temperature"]
    np.testing.assert_allclose(lifted.values, 20 - 0.0065 * 500, atol=1e-4)
    assert lifted.attrs["leave_one_out_rmse"] < 1e-6  # the law is all there is
    assert read(table)["temperature"].attrs["leave_one_out_rmse"] > 1


def test_a_lapse_without_elevations_is_named(table, read) -> None:
    with pytest.raises(
        LoamError,
        match=r"stations have no elevation, which sources.weather.stations.lapse_k_per_km needs",
    ):
        read(table.drop(columns="elevation"), lapse_k_per_km=6.5)


def test_gaps_of_one_station_are_bridged_by_the_others(table, read) -> None:
    table.loc[(table["station"] == "a") & (table["time"] == "2020-01-02"), "precipitation"] = np.nan
    got = read(table)["precipitation"].mean(("y", "x")).values
    assert got[1] > got[0]  # the driest station is silent


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda t: t.assign(latitude=t["latitude"].where(t["station"] != "c")),
            r"station c has no coordinates \(1 such\)",
        ),
        (lambda t: t.drop(columns="longitude"), "has no column longitude"),
        (
            lambda t: pd.concat([t, t.iloc[[6]]]),
            "station b has 2020-01-02 00:00:00 twice; keep one",
        ),
        (
            lambda t: t.assign(temperature=t["temperature"] + 273.15),
            "outside -80 to 60; check units and nodata",
        ),
        (lambda t: t[t["time"] != "2020-01-02"], "day 2020-01-01 is followed by a gap"),
        (
            lambda t: t[t["station"].isin(["a", "b"])],
            "fewer than 3 stations within 100 km on 100% of the area on 2020-01-01",
        ),
        (
            lambda t: t.assign(time=t["time"].str.replace("2020", "1999")),
            "no station has a value in the period",
        ),
        (lambda t: t.assign(time="soon"), "column time cannot be read"),
    ],
)
def test_a_bad_table_is_named_in_one_line(table, read, change, said: str) -> None:
    with pytest.raises(LoamError, match=said) as caught:
        read(change(table))
    assert "\n" not in str(caught.value)


def test_columns_of_other_names_are_mapped(table, read) -> None:
    got = read(
        table.rename(columns={"precipitation": "rain_mm", "time": "date"}),
        variables={"precipitation": "rain_mm"},
    )
    assert "precipitation" in got


def test_hourly_stations_become_days(table, read) -> None:
    hourly = pd.concat(
        [
            table.assign(time=pd.to_datetime(table["time"]) + pd.Timedelta(hours=hour))
            for hour in range(24)
        ]
    )
    daily = read(table)
    got = read(hourly)
    np.testing.assert_allclose(got["precipitation"], 24 * daily["precipitation"], rtol=1e-5)
    np.testing.assert_allclose(got["temperature"], daily["temperature"], rtol=1e-5)


def test_ismn_files_are_read_hour_by_hour(tmp_path, box, weather_source, period) -> None:
    west, south, east, north = box.extent.to_crs("EPSG:4326").boundingbox
    for name, unit in (("p", 0.5), ("ta", 10.0), ("sm", 0.2)):
        lines = [f"NET NET Here {(south + north) / 2} {(west + east) / 2} 55.0 0.0 0.0 Sensor"]
        lines += [f"2020/01/01 {hour:02d}:00 {unit} G M" for hour in range(23)]
        lines += (
            ["2020/01/01 23:00 99.0 D01 M"] if name == "ta" else [f"2020/01/01 23:00 {unit} G M"]
        )
        (
            tmp_path / f"NET_NET_Here_{name}_0.000000_0.000000_Sensor_20200101_20200102.stm"
        ).write_text("\n".join(lines) + "\n")
    got = read_weather(
        [tmp_path], weather_source({"min_stations": 1}, kind="stations"), box, None, period
    )
    assert float(got["precipitation"].mean()) == pytest.approx(12.0)
    assert set(got) == {"precipitation", "temperature"}
    # The dubious hour does not count.
    assert float(got["temperature"].mean()) == pytest.approx(10.0)


def test_uscrns_daily_files_need_no_header(tmp_path, box, weather_source, period) -> None:
    west, south, east, north = box.extent.to_crs("EPSG:4326").boundingbox
    place = f"{(west + east) / 2:.3f} {(south + north) / 2:.3f}"
    row = f"53974 2020010{{day}} 2.6 {place} 21.5 12.3 16.9 16.5 3.4 22.07 C 30.0 8.0 17.0 84.0 63.0 73.0 -99 -99"
    (tmp_path / "CRND0103-2020-Here.txt").write_text(
        "\n".join(row.format(day=day) for day in (1, 2)) + "\n"
    )
    got = read_weather(
        [tmp_path], weather_source({"min_stations": 1}, kind="stations"), box, None, period
    )
    expected = {
        "precipitation": 3.4,
        "temperature": 16.9,
        "temperature_min": 12.3,
        "temperature_max": 21.5,
        "solar_radiation": 22.07,
        "relative_humidity": 73.0,
    }
    assert {str(name): round(float(values.mean()), 3) for name, values in got.items()} == expected
