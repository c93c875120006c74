"""The XML files of a product: annotation, calibration and noise (S1-RS-MDA-52-7441, Sentinel-1 Product Specification)."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from xml.etree import ElementTree as ET

import numpy as np

from loam.twin import instrument
from loam.twin.frame import Frame
from loam.twin.markup import array, clock, document, listing, node, tie_grid
from loam.twin.noise import BETA_LUT, LINE_STEP, PIXEL_STEP, NoiseTables, steps
from loam.twin.orbit import Orbit
from loam.twin.passes import Product

LIGHT = 299_792_458.0  # [m s-1]
STATE_STEP_S, STATES = 10.0, 17
RECORD_STEP_S = 1.0  # between records of the range polynomials [s]
DN_LUT = 401.59  # of digital numbers, constant


def _header(product: Product, band: str) -> ET.Element:
    return node(
        "adsHeader",
        {
            "missionId": product.platform,
            "productType": "GRD",
            "polarisation": band,
            "mode": "IW",
            "swath": "IW",
            "startTime": clock(product, product.frame.first_s),
            "stopTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}",
            "absoluteOrbitNumber": product.absolute_orbit,
            "missionDataTakeId": product.datatake,
            "imageNumber": f"{product.polarisations.index(band) + 1:03d}",
        },
    )


def annotation(product: Product, band: str, mean_dn: float, std_dn: float) -> bytes:
    """Write the annotation of one polarisation: orbit, timing, range polynomials, tie points.

    Args:
        product: the product.
        band: VV or VH.
        mean_dn: of the image.
        std_dn: of the image.
    """
    statistics = {
        "outputDataMean": {"re": mean_dn, "im": 0.0},
        "outputDataStdDev": {"re": std_dn, "im": 0.0},
    }
    quality = [
        {
            "azimuthTime": clock(product, product.frame.first_s),
            "imageQuality": {"imageStatistics": statistics},
        }
    ]
    return document(
        node(
            "product",
            [
                _header(product, band),
                node(
                    "qualityInformation",
                    [
                        node("productQualityIndex", 0.0),
                        listing("qualityDataList", "qualityData", quality),
                    ],
                ),
                _general(product),
                node(
                    "imageAnnotation",
                    [
                        _image_information(product, statistics),
                        instrument.processing_information(product),
                    ],
                ),
                instrument.doppler(product),
                instrument.antenna(product),
                node(
                    "swathTiming",
                    [
                        node("linesPerBurst", 0),
                        node("samplesPerBurst", 0),
                        listing("burstList", "burst", []),
                    ],
                ),
                _geolocation(product),
                _conversion(product),
                instrument.swath_merging(product),
            ],
        )
    )


def _general(product: Product) -> ET.Element:
    orbit = product.frame.orbit
    information = {
        "pass": "Ascending" if product.ascending else "Descending",
        "timelinessCategory": "Fast-24h",
        "platformHeading": _heading_deg(orbit),
        "projection": "Ground Range",
        "rangeSamplingRate": 6.434523812571428e07,
        "radarFrequency": 5.405000454334350e09,
        "azimuthSteeringRate": 1.590368784,
    }
    # ASSUME: nobody asks for the telemetry behind these; ESA's schema wants at least one entry in all but the noise.
    empty = ("downlinkInformation", "rawDataAnalysis", "replicaInformation", "noise")
    lists = {item: listing(f"{item}List", item, []) for item in empty}
    middle = product.frame.times(product.frame.lines // 2)
    heights = listing(
        "terrainHeightList",
        "terrainHeight",
        [{"azimuthTime": clock(product, float(middle)), "value": 0.0}],
    )
    return node(
        "generalAnnotation",
        [
            node("productInformation", information),
            lists["downlinkInformation"],
            _states(product),
            instrument.attitudes(product),
            lists["rawDataAnalysis"],
            lists["replicaInformation"],
            lists["noise"],
            heights,
            instrument.azimuth_rates(product),
        ],
    )


def _heading_deg(orbit: Orbit) -> float:
    """Direction of flight, clockwise from north [degree]."""
    place, speed = orbit.state(0.0)
    east = np.array([-place[1], place[0], 0.0])
    north = np.cross(place, east)
    return float(
        np.rad2deg(
            np.arctan2(speed @ east / np.linalg.norm(east), speed @ north / np.linalg.norm(north))
        )
    )


def _states(product: Product) -> ET.Element:
    times = (np.arange(STATES) - STATES // 2) * STATE_STEP_S
    places, speeds = product.frame.orbit.state(times)

    def state(number: int) -> dict[str, object]:
        position, velocity = (
            dict(zip("xyz", values[number].tolist(), strict=True)) for values in (places, speeds)
        )
        return {
            "time": clock(product, times[number]),
            "frame": "Earth Fixed",
            "position": position,
            "velocity": velocity,
        }

    return listing("orbitList", "orbit", [state(number) for number in range(STATES)])


def _image_information(product: Product, statistics: Mapping[str, object]) -> ET.Element:
    frame = product.frame
    angles = tie_grid(frame)[2]["incidenceAngle"]
    slices = [
        {
            "sliceNumber": 1,
            "sensingStartTime": clock(product, frame.first_s),
            "sensingStopTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}",
        }
    ]
    return node(
        "imageInformation",
        [
            *node(
                "_",
                {
                    "productFirstLineUtcTime": clock(product, frame.first_s),
                    "productLastLineUtcTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}",
                    "ascendingNodeTime": f"{product.node_time:%Y-%m-%dT%H:%M:%S.%f}",
                    "anchorTime": f"{product.start - timedelta(seconds=2):%Y-%m-%dT%H:%M:%S.%f}",
                    "productComposition": "Slice" if product.slices > 1 else "Individual",
                    "sliceNumber": product.slice_number,
                },
            ),
            listing("sliceList", "slice", slices),
            *node(
                "_",
                {
                    "slantRangeTime": 2 * frame.near_m / LIGHT,
                    "pixelValue": "Detected",
                    "outputPixels": "16 bit Unsigned Integer",
                    "rangePixelSpacing": 10.0,
                    "azimuthPixelSpacing": 10.0,
                    "azimuthTimeInterval": frame.interval_s,
                    "azimuthFrequency": 486.4863102995529,
                    "numberOfSamples": frame.pixels,
                    "numberOfLines": frame.lines,
                    "zeroDopMinusAcqTime": 0.0,
                    "incidenceAngleMidSwath": float(angles[len(angles) // 2, angles.shape[1] // 2]),
                    "imageStatistics": statistics,
                },
            ),
        ],
    )


def _geolocation(product: Product) -> ET.Element:
    lines, pixels, ties = tie_grid(product.frame)
    points = []
    for i, line in enumerate(lines.tolist()):
        for j, pixel in enumerate(pixels.tolist()):
            points.append(
                {
                    "azimuthTime": clock(product, float(product.frame.times(line))),
                    "slantRangeTime": float(2 * ties["slantRange"][i, j] / LIGHT),
                    "line": line,
                    "pixel": pixel,
                    "latitude": float(ties["latitude"][i, j]),
                    "longitude": float(ties["longitude"][i, j]),
                    "height": 0.0,
                    "incidenceAngle": float(ties["incidenceAngle"][i, j]),
                    "elevationAngle": float(ties["elevationAngle"][i, j]),
                }
            )
    return node(
        "geolocationGrid", [listing("geolocationGridPointList", "geolocationGridPoint", points)]
    )


def _conversion(product: Product) -> ET.Element:
    frame, records = product.frame, []
    last = float(frame.times(frame.lines - 1))
    for time_s in np.arange(frame.first_s - RECORD_STEP_S, last + 2 * RECORD_STEP_S, RECORD_STEP_S):
        # The record's own time, as it is rounded in the file, decides on its coefficients.
        when = float(round(time_s * 1e6) / 1e6)
        forth, back = (table[0] + table[1] * when for table in (frame.to_ground, frame.to_slant))
        back = np.concatenate([[frame.near_m], back[1:]])
        records.append(
            node(
                "coordinateConversion",
                [
                    *node(
                        "_",
                        {
                            "azimuthTime": clock(product, when),
                            "slantRangeTime": 2 * frame.near_m / LIGHT,
                            "sr0": frame.near_m,
                        },
                    ),
                    array("srgrCoefficients", forth, ".15e"),
                    node("gr0", 0.0),
                    array("grsrCoefficients", back, ".15e"),
                ],
            )
        )
    return node(
        "coordinateConversion", [node("coordinateConversionList", records, count=len(records))]
    )


def calibration(product: Product, band: str) -> bytes:
    """Write the calibration tables: constant for beta nought, with the ellipsoid's incidence angle for the others."""
    frame = product.frame
    lines, pixels, angle = _calibration_angles(frame)
    vectors = []
    for line, row in zip(lines.tolist(), angle, strict=True):
        flat = np.full(row.shape, 1.0)
        tables = {
            "sigmaNought": BETA_LUT / np.sqrt(np.sin(row)),
            "betaNought": BETA_LUT * flat,
            "gamma": BETA_LUT / np.sqrt(np.tan(row)),
            "dn": DN_LUT * flat,
        }
        vectors.append(
            node(
                "calibrationVector",
                [
                    node("azimuthTime", clock(product, float(frame.times(line)))),
                    node("line", line),
                    array("pixel", pixels, "d"),
                    *(array(name, values) for name, values in tables.items()),
                ],
            )
        )
    constant = node("calibrationInformation", [node("absoluteCalibrationConstant", 1.0)])
    return document(
        node(
            "calibration",
            [
                _header(product, band),
                constant,
                node("calibrationVectorList", vectors, count=len(vectors)),
            ],
        )
    )


@lru_cache(maxsize=16)
def _calibration_angles(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines, pixels and the ellipsoid's incidence angles there [rad]."""
    lines, pixels = (
        np.arange(0, frame.lines + LINE_STEP, LINE_STEP),
        steps(frame.pixels, PIXEL_STEP),
    )
    return lines, pixels, np.deg2rad(frame.tie_points(lines, pixels)["incidenceAngle"])


def noise(product: Product, band: str, tables: NoiseTables) -> bytes:
    """Write the noise tables: range and azimuth, or the single list of products before IPF 2.90."""
    split = product.ipf >= "002.90"
    names = ("noiseRangeVector", "noiseRangeLut") if split else ("noiseVector", "noiseLut")
    vectors = [
        node(
            names[0],
            [
                node("azimuthTime", clock(product, float(product.frame.times(line)))),
                node("line", line),
                array("pixel", tables.pixels, "d"),
                array(names[1], row),
            ],
        )
        for line, row in zip(tables.lines.tolist(), tables.power, strict=True)
    ]
    lists = [node(f"{names[0]}List", vectors, count=len(vectors))]
    if split:
        blocks = [_azimuth_block(product, number, tables) for number in range(len(tables.blocks))]
        lists.append(node("noiseAzimuthVectorList", blocks, count=len(blocks)))
    return document(node("noise", [_header(product, band), *lists]))


def _azimuth_block(product: Product, number: int, tables: NoiseTables) -> ET.Element:
    block = tables.blocks[number]
    return node(
        "noiseAzimuthVector",
        [
            *node(
                "_",
                {
                    "swath": block.swath,
                    "firstAzimuthLine": 0,
                    "firstRangeSample": block.first_pixel,
                    "lastAzimuthLine": product.frame.lines - 1,
                    "lastRangeSample": block.last_pixel,
                },
            ),
            array("line", block.lines, "d"),
            array("noiseAzimuthLut", block.factor),
        ],
    )
