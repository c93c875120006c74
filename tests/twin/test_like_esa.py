"""The twin's XML against that of a real product, where one is at hand: no element that ESA does not know, none missing but telemetry."""

import os
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from helpers import REPOSITORY
from odc.geo.geobox import GeoBox

from loam.twin.safe import Options, look_at, write_pass

REAL = Path(os.environ.get("LOAM_REAL_DATA") or REPOSITORY.parent / "shared/data") / "s1_grd/sarsen"
TELEMETRY = {
    "downlinkInformation",
    "rawDataAnalysis",
    "replicaInformation",
    "noise",
    "fineDce",
    "rawDataAnalysisQuality",
    "downlinkQuality",
    "dopplerCentroidQuality",
    "outputDataMeanOutsideNominalRangeFlag",
    "outputDataStDevOutsideNominalRangeFlag",
}


def _elements(path: Path) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()

    def walk(element: ET.Element, above: tuple[str, ...]) -> None:
        here = (*above, element.tag)
        found.add((*here, *sorted(element.attrib)))
        for child in element:
            walk(child, here)

    walk(ET.parse(path).getroot(), ())
    return found


@pytest.mark.skipif(
    not REAL.exists(),
    reason="no real observations; set LOAM_REAL_DATA to a folder with s1_grd/sarsen",
)
@pytest.mark.parametrize(
    "pattern",
    [
        "manifest.safe",
        "annotation/*-vv-*.xml",
        "annotation/calibration/calibration-*-vv-*.xml",
        "annotation/calibration/noise-*-vv-*.xml",
    ],
)
def test_elements_are_those_of_a_real_product(pattern: str, tmp_path: Path) -> None:
    box = GeoBox.from_bbox((330000, 4290000, 332600, 4292600), "EPSG:32618", resolution=20)
    view = look_at(box, np.zeros(box.shape), incidence_deg=38.0, ascending=False, relative_orbit=22)
    gamma0 = {"vv": np.full(box.shape, 0.1), "vh": np.full(box.shape, 0.02)}
    (path,) = write_pass(
        tmp_path,
        view,
        gamma0,
        datetime(2021, 12, 23, 5, 11),
        "S1B",
        Options(slices=1),
        np.random.default_rng(1),
    )
    ours, real = (
        _elements(next(folder.glob(pattern))) for folder in (path, next(REAL.glob("*.SAFE")))
    )
    assert ours <= real
    if pattern != "manifest.safe":  # a real one tells the whole history of its processing
        assert {entry for entry in real - ours if not set(entry) & TELEMETRY} == set()
