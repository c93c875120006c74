"""A tiny run on disk: 40 x 60 pixels, two members, four days, flags of every kind."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from odc.geo.geobox import GeoBox

from loam.core.flags import Flag
from loam.core.grid import empty_like_grid
from loam.core.raster import write_zarr

SHAPE = (40, 60)
DAYS = np.array(["2022-01-03", "2022-01-09", "2022-01-15", "2022-01-21"], dtype="datetime64[D]")
STYLE = Path(__file__).parents[2] / "resources" / "styles" / "ssm.qml"


def write_fields(path: Path, box: GeoBox, coords: dict, **fields: tuple) -> None:
    data = xr.Dataset(
        {
            name: ((dim, "y", "x"), values, {"units": "1", "long_name": name})
            for name, (dim, values) in fields.items()
        },
        coords={**empty_like_grid(box), **coords},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_zarr(data.odc.assign_crs(box.crs), path, {"time": 3})


def flags() -> np.ndarray:
    """Flags of four acquisitions; the pixel groups are named in the tests."""
    out = np.zeros((4, *SHAPE), dtype=np.int32)
    out[:, 0:4] |= int(Flag.WATER)
    out[:, 4:8] |= int(Flag.FOREST | Flag.BUILT_UP)
    out[1, 8:12] |= int(Flag.LAYOVER_SHADOW)  # one date of four: not lasting
    out[:, 12:16] |= int(Flag.LOW_SENSITIVITY | Flag.CLIPPED_HIGH)
    out[0::2, 16:20] |= int(Flag.INCIDENCE)  # every date that sees the pixel
    out[1::2, 16:20] |= int(Flag.NO_OBSERVATION)
    out[:, 20:24] |= int(Flag.NO_OBSERVATION)
    out[:, 24:28] |= int(Flag.TOO_FEW_DATES)
    return out


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, rng = tmp_path_factory.mktemp("products"), np.random.default_rng(0)
    box = GeoBox.from_bbox(
        (330000, 4290000, 330000 + 20 * SHAPE[1], 4290000 + 20 * SHAPE[0]),
        "EPSG:32618",
        resolution=20,
    )
    times = (DAYS + np.timedelta64(11, "h")).astype("datetime64[ns]")
    ssm = rng.uniform(0, 1, (4, *SHAPE)).astype(np.float32)
    labels = {
        "ssm": ("time", ssm),
        "ssm_uncertainty": ("time", ssm * 0 + 0.1),
        "flags": ("time", flags()),
    }
    write_fields(
        root / "ssm.zarr",
        box,
        {"time": times, "track": ("time", ["4", "106", "4", "106"])},
        **labels,
    )
    for member in (0, 1):
        mean, sigma = rng.uniform(-0.1, 1.1, (2, 4, *SHAPE)).astype(np.float32)
        day = {"time": DAYS.astype("datetime64[ns]")}
        write_fields(
            root / f"learning/sequence/{member}.zarr",
            box,
            day,
            ssm=("time", mean),
            ssm_uncertainty=("time", np.abs(sigma)),
        )
    write_fields(
        root / "truth.zarr", box, {"time": DAYS.astype("datetime64[ns]")}, ssm=("time", ssm)
    )
    sensitivity = rng.uniform(2, 6, (2, *SHAPE)).astype(np.float32)
    write_fields(
        root / "references.zarr", box, {"track": ["4", "106"]}, sensitivity=("track", sensitivity)
    )
    _write_weather(root / "weather.zarr")
    (root / "calibration.json").write_text(
        json.dumps(
            {"factor_68": 1.25, "factor_90": 2.0, "factor_95": 2.5, "dates": 9, "count": 900}
        )
    )
    return root


def _write_weather(path: Path) -> None:
    """Warm in the west and below zero in the east on the last day; warm before."""
    box = GeoBox.from_bbox((329000, 4289000, 333000, 4292000), "EPSG:32618", resolution=1000)
    days = pd.date_range("2022-01-01", "2022-01-22").values
    temperature = np.full((len(days), *box.shape), 8, dtype=np.float32)
    temperature[-2] = np.linspace(10, -30, box.shape.x)
    write_fields(
        path,
        box,
        {"time": days},
        temperature=("time", temperature),
        precipitation=("time", np.abs(temperature)),
    )


@pytest.fixture(scope="session")
def style() -> Path:
    return STYLE


@pytest.fixture(scope="session")
def samples() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    parts = np.repeat(["random", "temporal", "spatiotemporal"], 150)  # spatial is empty
    truth = rng.uniform(size=parts.size)
    noisy = {
        name: (truth + rng.normal(0, 0.1, parts.size)).astype(np.float32)
        for name in ("label", "a/0", "a/1")
    }
    return pd.DataFrame({"split": parts, "truth": truth, **noisy, "a/ensemble": noisy["a/0"]})


@pytest.fixture(scope="session")
def scores() -> pd.DataFrame:
    """Scores of one experiment of two members, all baselines and probes, two strata; nothing in the split `spatial`."""
    rows: list[tuple] = []
    models = [("a", "0", "a"), ("a", "1", "a"), ("a", "ensemble", "a")]
    models += [
        ("baseline", "-", name)
        for name in ("climatology", "persistence", "antecedent", "boosting", "ceiling")
    ]
    models += [
        ("probe", "-", name)
        for name in ("date_only", "pixel_season", "shuffled_weather", "shuffled_space")
    ]
    strata = [
        ("all", "all"),
        ("land_cover", "class 30"),
        ("slope", "0–2°"),  # noqa: RUF001
        ("slope", "from 15°"),
        ("season", "March to May"),
        ("decile", "01"),
    ]
    intervals = [
        f"{name}{level}{suffix}"
        for name in ("coverage", "width")
        for level in (68, 90, 95)
        for suffix in ("", "_calibrated")
    ]
    for place, model in enumerate(models):
        for split in ("random", "temporal", "spatial", "spatiotemporal"):
            for target in ("label", "truth"):
                for stratum in strata:
                    for metric in ("r2", "r", "rmse", "mae", "bias", *intervals):
                        value, count = (
                            (np.nan, 0)
                            if split == "spatial"
                            else (place / 10 - (1.7 if split == "spatiotemporal" else 0), 150)
                        )
                        rows.append((*model, split, target, *stratum, metric, value, count))
    for member in ("0", "1"):
        one = ("a", member, "a", "spatiotemporal", "label")
        rows += [
            (*one, "permuted", group, "r2_fall", 0.3 + 0.1 * int(member), 150)
            for group in ("precipitation", "soil")
        ]
        rows += [(*one, "sanity", "more_rain", "not_drier", 0.97 + 0.01 * int(member), 150)]
        rows += [
            (*one, "check", "more_rain", metric, value, 150)
            for metric, value in (("measured", 0.97), ("bar", 0.99), ("passed", 0.0))
        ]
    names = [
        "experiment",
        "member",
        "model",
        "split",
        "target",
        "stratum_kind",
        "stratum",
        "metric",
        "value",
        "count",
    ]
    return pd.DataFrame(rows, columns=names)
