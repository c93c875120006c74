"""What an annotation says of the instrument and the processor: typical numbers, for the simulation has none of its own."""

from xml.etree import ElementTree as ET

import numpy as np

from loam.twin.markup import array, clock, listing, node, tie_grid
from loam.twin.noise import swath_parts
from loam.twin.orbit import SEMI_MAJOR_M
from loam.twin.passes import Product

ROLL_DEG = 29.6  # of the antenna
WINDOW = {"windowType": "Hamming", "windowCoefficient": 0.7}
RANGE = WINDOW | {
    "totalBandwidth": 5.65e7,
    "processingBandwidth": 5.65e7,
    "lookBandwidth": 1.41e7,
    "numberOfLooks": 5,
    "lookOverlap": 3.5e6,
}
AZIMUTH = WINDOW | {
    "totalBandwidth": 327.0,
    "processingBandwidth": 327.0,
    "lookBandwidth": 327.0,
    "numberOfLooks": 1,
    "lookOverlap": 0.0,
}
APPLIED = {
    "rawDataAnalysisUsed": "true",
    "orbitDataFileUsed": "true",
    "attitudeDataFileUsed": "false",
    "rxVariationCorrectionApplied": "true",
    "antennaElevationPatternApplied": "true",
    "antennaAzimuthPatternApplied": "true",
    "antennaAzimuthElementPatternApplied": "true",
    "dcMethod": "Data Analysis",
    "dcInputData": "Range Compressed",
    "rangeSpreadingLossCompensationApplied": "true",
    "srgrConversionApplied": "true",
    "detectionPerformed": "true",
    "thermalNoiseCorrectionPerformed": "false",
    "rfiMitigationPerformed": "Never",
    "rfiMitigationDomain": "TimeAndFrequency",
    "chirpSource": "Nominal",
    "pgSource": "Extracted",
    "rrfSpectrum": "Extended Tapered",
    "applicationLutId": "IW_Default",
}


def processing_information(product: Product) -> ET.Element:
    """What the processor did: looks, windows, ellipsoid."""
    middle = clock(product, float(product.frame.times(product.frame.lines // 2)))
    swaths = list(swath_parts(product.frame))
    parameters = [
        {
            "swath": name,
            "rangeProcessing": RANGE,
            "azimuthProcessing": AZIMUTH,
            "processorScalingFactor": 1.0,
        }
        for name in swaths
    ]
    inputs = [
        {
            "azimuthTime": middle,
            "swath": name,
            "numberOfInputSamples": product.frame.pixels,
            "numberOfInputLines": product.frame.lines,
        }
        for name in swaths
    ]
    shape = {
        "referenceRange": 8e5,
        "ellipsoidName": "WGS84",
        "ellipsoidSemiMajorAxis": SEMI_MAJOR_M,
        "ellipsoidSemiMinorAxis": 6356752.314245,
        "bistaticDelayCorrectionApplied": "true",
        "topsFilterConvention": "Only Echo Lines",
        "orbitSource": "Auxiliary",
        "attitudeSource": "Downlink",
    }
    return node(
        "processingInformation",
        [
            *node("_", APPLIED),
            listing("swathProcParamsList", "swathProcParams", parameters),
            listing("inputDimensionsList", "inputDimensions", inputs),
            *node("_", shape),
        ],
    )


def attitudes(product: Product) -> ET.Element:
    """Attitude of the satellite, at the first and the last line."""
    still = dict.fromkeys(("q0", "q1", "q2", "q3", "wx", "wy", "wz"), 0.0)
    turned = {"roll": ROLL_DEG, "pitch": 0.0, "yaw": 0.0}
    records = [{"time": when, "frame": "Earth Fixed", **still, **turned} for when in _ends(product)]
    return listing("attitudeList", "attitude", records)


def azimuth_rates(product: Product) -> ET.Element:
    """Frequency rates in azimuth."""
    delay = _delays(product)[0]
    records = [
        [
            node("azimuthTime", when),
            node("t0", float(delay)),
            array("azimuthFmRatePolynomial", np.array([-2320.0, 4.5e5, -7.9e7])),
        ]
        for when in _ends(product)
    ]
    return listing("azimuthFmRateList", "azimuthFmRate", records)


def doppler(product: Product) -> ET.Element:
    """Doppler centroids: none, for the geometry is one of zero Doppler."""
    records = []
    for when in _ends(product):
        polynomials = [array(f"{kind}DcPolynomial", np.zeros(3)) for kind in ("geometry", "data")]
        errors = {
            "dataDcRmsError": 0.0,
            "dataDcRmsErrorAboveThreshold": "false",
            "fineDceAzimuthStartTime": when,
            "fineDceAzimuthStopTime": when,
        }
        fine = listing("fineDceList", "fineDce", [])
        records.append(
            [
                node("azimuthTime", when),
                node("t0", float(_delays(product)[0])),
                *polynomials,
                *node("_", errors),
                fine,
            ]
        )
    return node("dopplerCentroid", [listing("dcEstimateList", "dcEstimate", records)])


def antenna(product: Product) -> ET.Element:
    """Angles under which the antenna sees each range, by subswath."""
    _, pixels, ties = tie_grid(product.frame)
    when, middle, records = _ends(product)[0], len(ties["slantRange"]) // 2, []
    for name, part in swath_parts(product.frame).items():
        inside = (pixels >= part[0]) & (pixels <= part[-1])
        angles = {key: ties[key][middle][inside] for key in ("elevationAngle", "incidenceAngle")}
        pattern = np.tile([1.0, 0.0], int(inside.sum()))
        records.append(
            [
                node("swath", name),
                node("azimuthTime", when),
                array("slantRangeTime", _delays(product)[inside], ".15e"),
                array("elevationAngle", angles["elevationAngle"]),
                array("elevationPattern", pattern, count=int(inside.sum())),
                array("incidenceAngle", angles["incidenceAngle"]),
                node("terrainHeight", 0.0),
                node("roll", ROLL_DEG),
            ]
        )
    return node("antennaPattern", [listing("antennaPatternList", "antennaPattern", records)])


def swath_merging(product: Product) -> ET.Element:
    """Which pixels come from which subswath."""
    records = []
    for name, part in swath_parts(product.frame).items():
        bounds = {
            "azimuthTime": _ends(product)[0],
            "firstAzimuthLine": 0,
            "firstRangeSample": int(part[0]),
            "lastAzimuthLine": product.frame.lines - 1,
            "lastRangeSample": int(part[-1]),
        }
        records.append([node("swath", name), listing("swathBoundsList", "swathBounds", [bounds])])
    return node("swathMerging", [listing("swathMergeList", "swathMerge", records)])


def _ends(product: Product) -> list[str]:
    return [
        clock(product, float(product.frame.times(line))) for line in (0, product.frame.lines - 1)
    ]


def _delays(product: Product) -> np.ndarray:
    """Two-way times of the tie points' ranges [s]."""
    ranges = tie_grid(product.frame)[2]["slantRange"]
    return np.asarray(2 * ranges[len(ranges) // 2] / 299_792_458.0)
