"""Stations: USCRN's real file, an ISMN folder written in its two formats, and scores of what is known."""

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import REPOSITORY
from pyproj import Transformer

from loam.config.evaluation import InSitu, StationSource
from loam.core.errors import LoamError
from loam.core.networks import USCRN_DAILY, USCRN_HOURLY
from loam.core.raster import open_dataset
from loam.core.splits import Splits
from loam.evaluation.insitu import pixel_of, scaled, station_scores, validate_stations
from loam.evaluation.stations import Sensor, read_ismn, read_stations, read_uscrn

REAL = REPOSITORY.parent / "shared/data/insitu/uscrn_manhattan_ks"
needs_real = pytest.mark.skipif(
    not REAL.exists(), reason="no real observations beside the repository"
)


def settings(*sources: StationSource, **changes: Any) -> InSitu:
    return InSitu(
        sources=sources, max_depth_m=0.1, good_flags=("G",), scaling="mean_std", min_matches=5
    ).model_copy(update=changes)


# --- USCRN ---


@needs_real
def test_the_real_file_is_read_as_it_is() -> None:
    sensors = read_stations("uscrn", REAL, 0.1, ("G",))
    assert [(one.network, one.station, one.depth_m) for one in sensors] == [
        ("USCRN", "KS_Manhattan_6_SSW", 0.05),
        ("USCRN", "KS_Manhattan_6_SSW", 0.1),
    ]
    shallow = sensors[0].moisture
    assert (sensors[0].latitude, sensors[0].longitude) == (39.1, -96.61)
    assert shallow["2014-09-11"] == 0.214 and shallow["2014-09-16"] == 0.145
    # Before, the station measured no moisture.
    assert shallow.index.min() > pd.Timestamp("2009-01-01")
    assert (
        shallow.between(0, 0.6).all()
        and shallow.index.is_monotonic_increasing
        and shallow.index.is_unique
    )
    lines = (REAL / "KS_Manhattan_6_SSW.csv").read_text().splitlines()[1:]
    assert len(shallow) == sum(float(line.split(",")[18]) >= 0 for line in lines)


def uscrn_line(day: str, moisture: float) -> str:
    values = dict.fromkeys(USCRN_DAILY, "-9999.0") | {
        name: "-99.0" for name in USCRN_DAILY if name.startswith("SOIL_MOISTURE")
    }
    values |= {
        "WBANNO": "53974",
        "LST_DATE": day,
        "CRX_VN": "2.422",
        "LONGITUDE": "-96.61",
        "LATITUDE": "39.10",
        "SUR_TEMP_DAILY_TYPE": "C",
    }
    return " ".join(
        f"{value:>8}" for value in (values | {"SOIL_MOISTURE_5_DAILY": f"{moisture:.3f}"}).values()
    )


def test_files_as_the_network_has_them_are_joined_over_years(tmp_path: Path) -> None:
    for year, moisture in (("2021", 0.2), ("2022", -99.0), ("2023", 0.3)):
        (tmp_path / f"CRND0103-{year}-KS_Manhattan_6_SSW.txt").write_text(
            uscrn_line(f"{year}0704", moisture) + "\n"
        )
    (tmp_path / "readme.txt").write_text("Daily data of the network\n")
    (sensor,) = read_uscrn(tmp_path, 0.1)
    assert sensor.station == "KS_Manhattan_6_SSW" and sensor.depth_m == 0.05
    assert sensor.moisture.to_dict() == {
        pd.Timestamp("2021-07-04"): 0.2,
        pd.Timestamp("2023-07-04"): 0.3,
    }


def test_a_file_that_is_no_station_and_one_without_shallow_sensors_are_one_clear_line(
    tmp_path: Path,
) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(LoamError, match=r"other\.csv: is no daily file of USCRN"):
        read_stations("uscrn", tmp_path / "other.csv", 0.1, ("G",))
    (tmp_path / "dry.txt").write_text(uscrn_line("20220101", -99) + "\n")
    with pytest.raises(LoamError, match=r"has no soil moisture of 0\.1 m or less"):
        read_stations("uscrn", tmp_path / "dry.txt", 0.1, ("G",))


def test_uscrn_hourly_files_and_other_ones_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hourly = " ".join(["53974", "20220101", *["0"] * (len(USCRN_HOURLY) - 2)])
    (tmp_path / "CRNH0203-2022-Here.txt").write_text(hourly + "\n")
    with pytest.raises(
        LoamError, match=r"holds no daily file of USCRN \(CRND0103\), but CRNH0203-2022-Here.txt"
    ):
        read_stations("uscrn", tmp_path, 0.1, ("G",))
    with pytest.raises(
        LoamError, match=r"is no daily file of USCRN .* but an hourly one \(CRNH0203\)"
    ):
        read_stations("uscrn", tmp_path / "CRNH0203-2022-Here.txt", 0.1, ("G",))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/CRND0103-2022-Here.txt").write_text(uscrn_line("20220704", 0.2) + "\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(read_stations("uscrn", tmp_path, 0.1, ("G",))) == 1
    assert (
        "1 files are no daily files of USCRN (CRND0103) and are passed over: CRNH0203-2022-Here.txt"
        in caplog.text
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("\x00\x00", "is empty"),
        (uscrn_line("20220132", 0.2), "column LST_DATE cannot be read"),
        (
            uscrn_line("20220101", 0.2).replace("0.200", "  wet"),
            "column SOIL_MOISTURE_5_DAILY has 'wet' in line 1",
        ),
        (
            uscrn_line("20220101", 0.2).replace("39.10", "139.1"),
            "latitude 139.1, outside -90 to 90",
        ),
        (
            uscrn_line("20220101", 0.2) + "\n" + uscrn_line("20220101", 0.3),
            "has 2022-01-01 twice with different moisture",
        ),
    ],
)
def test_a_damaged_file_of_uscrn_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "CRND0103-2022-Here.txt").write_text(text)
    with pytest.raises(LoamError, match=said):
        read_stations("uscrn", tmp_path / "CRND0103-2022-Here.txt", 0.1, ("G",))


# --- ISMN ---

HOURS = [
    ("2022/07/01", "00:00", 0.10, "G"),
    ("2022/07/01", "12:00", 0.20, "G"),
    ("2022/07/01", "18:00", 0.90, "C03"),
    ("2022/07/03", "06:00", 0.30, "G"),
    ("2022/07/04", "06:00", 0.30, "D01,D03"),
]


def write_ismn(folder: Path, form: str, deepest: float = 0.05) -> None:
    """A network with a station of one sensor, as the ISMN's two formats lay it out."""
    place = "39.10000 -96.61000 350.00"
    name = f"NET_NET_Hill_sm_0.050000_{deepest:.6f}_Probe-A_20220701_20220704.stm"
    station = folder / "NET" / "Hill"
    station.mkdir(parents=True)
    if form == "ceop":
        lines = [
            f"{day} {hour} {day} {hour} NET NET Hill {place} 0.05 {deepest:.2f} {value:.4f} {flag} M"
            for day, hour, value, flag in HOURS
        ]
    else:
        lines = [
            f"NET NET Hill {place} 0.05 {deepest:.2f} Probe-A",
            *(f"{day} {hour} {value:.4f} {flag} M" for day, hour, value, flag in HOURS),
        ]
    (station / name).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("form", ["ceop", "header"])
def test_an_ismn_folder_becomes_daily_means_of_its_good_values(
    tmp_path: Path, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write_ismn(tmp_path / "ismn", form)
    (sensor,) = read_ismn(tmp_path / "ismn", 0.1, ("G",))
    assert (sensor.network, sensor.station, sensor.depth_m) == ("NET", "Hill", 0.05)
    assert (sensor.latitude, sensor.longitude) == (39.1, -96.61)
    assert sensor.moisture.to_dict() == pytest.approx(
        {pd.Timestamp("2022-07-01"): 0.15, pd.Timestamp("2022-07-03"): 0.3}
    )
    # Nothing is written beside the data.
    assert sorted(path.name for path in (tmp_path / "ismn").iterdir()) == ["NET"]
    assert capfd.readouterr().out == ""


def test_deep_sensors_of_the_ismn_are_left_out_and_no_folder_is_one_clear_line(
    tmp_path: Path,
) -> None:
    write_ismn(tmp_path / "ismn", "header", deepest=0.5)
    with pytest.raises(LoamError, match=r"has no soil moisture of 0\.1 m or less"):
        read_stations("ismn", tmp_path / "ismn", 0.1, ("G",))
    with pytest.raises(LoamError, match=r"nowhere: cannot be read as an ISMN download"):
        read_stations("ismn", tmp_path / "nowhere", 0.1, ("G",))


@pytest.mark.parametrize("flag", ["U", "M", "D02"])
def test_no_good_flag_is_told_with_the_flags_that_are_there(
    tmp_path: Path, flag: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Older downloads of the ISMN know no flag but U: the depth is not at fault."""
    write_ismn(tmp_path / "ismn", "header")
    (station,) = (tmp_path / "ismn").rglob("*.stm")
    station.write_text(station.read_text().replace(" G M", f" {flag} M"))
    with pytest.raises(
        LoamError,
        match=rf"no value has one of evaluation.stations.good_flags = \[G\]; it has {flag} \(3\)",
    ) as caught:
        read_stations("ismn", tmp_path / "ismn", 0.1, ("G",))
    assert "max_depth_m" not in str(caught.value)
    (sensor,) = read_stations("ismn", tmp_path / "ismn", 0.1, ("G", flag))
    assert sensor.moisture["2022-07-03"] == 0.3
    other = tmp_path / "ismn/NET/Vale"
    other.mkdir()
    good = station.read_text().replace(f" {flag} M", " G M").replace("Hill", "Vale")
    (other / station.name.replace("Hill", "Vale")).write_text(good)
    assert [one.station for one in read_stations("ismn", tmp_path / "ismn", 0.1, ("G",))] == [
        "Vale"
    ]
    assert (
        "1 sensors have no value with one of evaluation.stations.good_flags" in caplog.text
        and "NET/Hill" in caplog.text
    )


def test_pipes_and_dead_links_among_stations_do_not_hold_the_search_up(tmp_path: Path) -> None:
    write_ismn(tmp_path / "ismn", "header")
    os.mkfifo(tmp_path / "ismn/NET/Hill/b.stm")
    with pytest.raises(LoamError, match=r"b\.stm: is a pipe, device or dead link"):
        read_stations("ismn", tmp_path / "ismn", 0.1, ("G",))
    os.mkfifo(tmp_path / "pipe.txt")
    for kind, said in (
        ("uscrn", "is a pipe or device"),
        ("ismn", "is a pipe, device or dead link"),
    ):
        with pytest.raises(LoamError, match=said):
            read_stations(kind, tmp_path / "pipe.txt", 0.1, ("G",))


@pytest.mark.parametrize("content", [b"", b"\x00" * 99, b"x\n", b"\xff\xfe\x00"])
def test_a_damaged_download_of_the_ismn_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "NET/Hill").mkdir(parents=True)
    (
        tmp_path / "NET/Hill/NET_NET_Hill_sm_0.050000_0.050000_Probe-A_20220701_20220704.stm"
    ).write_bytes(content)
    (tmp_path / "d.zip").write_bytes(content)
    for path in (tmp_path / "NET", tmp_path / "d.zip"):
        with pytest.raises(
            LoamError, match=r"cannot be read as an ISMN download|no soil moisture"
        ) as caught:
            read_stations("ismn", path, 0.1, ("G",))
        assert "\n" not in str(caught.value)


# --- Validation ---


def place_of(run: Any, row: int, column: int) -> tuple[float, float]:
    """Latitude and longitude of a pixel's middle."""
    box = open_dataset(run.path("ssm.zarr")).odc.geobox
    x, y = box.pix2wld(column + 0.5, row + 0.5)
    longitude, latitude = Transformer.from_crs("EPSG:32618", "EPSG:4326", always_xy=True).transform(
        x, y
    )
    return latitude, longitude


def write_station(run: Any, row: int, column: int, name: str = "station") -> Path:
    """A station that measures the run's truth at a pixel, in volumetric units."""
    latitude, longitude = place_of(run, row, column)
    lines = []
    for day, moisture in enumerate(run.truth_values[:, row, column]):
        date = str(np.datetime64("2022-01-01") + day).replace("-", "")
        words = uscrn_line(date, 0.05 + 0.3 * moisture).split()
        words[3:5] = [f"{longitude:.6f}", f"{latitude:.6f}"]
        lines.append(" ".join(words))
    path = run.path(f"CRND0103-2022-{name}.txt")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_pixel_is_the_one_the_station_stands_in(run: Any) -> None:
    box = open_dataset(run.path("ssm.zarr")).odc.geobox
    for row, column in ((0, 0), (7, 31), (47, 39)):
        latitude, longitude = place_of(run, row, column)
        assert pixel_of(
            Sensor("n", "s", latitude, longitude, 0.05, pd.Series(dtype=float)), box
        ) == (row, column)
    latitude, longitude = place_of(run, 48, 3)
    assert (
        pixel_of(Sensor("n", "s", latitude, longitude, 0.05, pd.Series(dtype=float)), box) is None
    )


def validated(run: Any, path: Path, **changes: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    cfg = settings(StationSource(kind="uscrn", path=str(path)), **changes)
    out = run.path("stations.parquet"), run.path("series.parquet")
    validate_stations(
        run.inputs()["predictions"],
        run.path("ssm.zarr"),
        run.path("splits.json"),
        [path],
        *out,
        cfg,
    )
    return pd.read_parquet(out[0]), pd.read_parquet(out[1])


def test_a_station_of_the_truth_agrees_with_the_better_model_best(run: Any) -> None:
    scores, series = validated(run, write_station(run, 21, 9))
    assert set(scores["model"]) == {"label", "sequence", "two_day"} and set(scores["period"]) == {
        "all",
        "test",
    }
    value = scores.set_index(["model", "period", "metric"])["value"]
    assert value["sequence", "test", "r"] > 0.95 > value["two_day", "test", "r"] > 0.5
    assert abs(value["sequence", "all", "bias"]) < 0.01
    assert value["sequence", "all", "ubrmsd"] < value["two_day", "all", "ubrmsd"]
    assert set(scores["row"]) == {21} and set(scores["column"]) == {9}
    truth = run.truth_values[(series["day"] - pd.Timestamp("2022-01-01")).dt.days, 21, 9]
    np.testing.assert_allclose(series["measured"], 0.05 + 0.3 * truth, atol=6e-4)
    days = Splits.read(run.path("splits.json")).dates["test"]
    tests = series[
        (series["model"] == "sequence") & (series["day"] >= pd.Timestamp(min(days)).floor("D"))
    ]
    assert scores.set_index(["model", "period", "metric"])["count"]["sequence", "test", "r"] == len(
        tests
    )


def test_a_station_outside_the_grid_is_a_plain_message(
    run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="loam"):
        scores, series = validated(run, far_station(run))
    assert scores.empty and series.empty
    assert (
        "station far of USCRN at 39.1000, -96.6100 lies outside the grid; it is not used"
        in caplog.text
    )


def far_station(run: Any) -> Path:
    path = run.path("CRND0103-2022-far.txt")
    path.write_text(uscrn_line("20220704", 0.2) + "\n")
    return path


def matched(count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    ssm = rng.uniform(size=count)
    day = pd.Timestamp("2022-01-01") + pd.to_timedelta(np.arange(count) * 3, "D")
    return pd.DataFrame(
        {"day": day, "measured": 0.1 + 0.2 * ssm + rng.normal(0, 0.01, count), "ssm": ssm}
    )


@pytest.mark.parametrize("scaling", ["mean_std", "cdf"])
def test_the_scale_comes_from_training_dates_alone(scaling: str) -> None:
    table, training = matched(300), np.arange(300) < 200
    before = scaled(table, training, settings(scaling=scaling))
    np.testing.assert_allclose(before, 0.1 + 0.2 * table["ssm"], atol=0.02)
    spoilt = table.assign(measured=np.where(training, table["measured"], 9.0))
    np.testing.assert_array_equal(scaled(spoilt, training, settings(scaling=scaling)), before)
    assert np.isnan(scaled(table, np.arange(300) < 3, settings(scaling=scaling))).all()


def test_scores_of_a_station_are_hand_worked() -> None:
    table = matched().assign(scaled=lambda one: one["measured"] + 0.02)
    scores = station_scores(table, 5)
    assert scores["bias"] == pytest.approx(0.02) and scores["ubrmsd"] == pytest.approx(0, abs=1e-9)
    assert scores["r"] == pytest.approx(np.corrcoef(table["measured"], table["ssm"])[0, 1])
    assert scores["anomaly_r"] > 0.9
    assert all(np.isnan(value) for value in station_scores(table[:4], 5).values())
