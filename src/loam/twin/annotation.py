"""The XML files of a product: annotation, calibration and noise (S1-RS-MDA-52-7441, Sentinel-1 Product Specification)."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import lru_cache
from xml.etree import ElementTree as ET

import numpy as np

from loam.twin.frame import Frame
from loam.twin.noise import BETA_LUT, LINE_STEP, PIXEL_STEP, NoiseTables, steps
from loam.twin.orbit import SEMI_MAJOR_M, Orbit
from loam.twin.passes import Product

LIGHT = 299_792_458.0  # [m s-1]
STATE_STEP_S, STATES = 10.0, 17
RECORD_STEP_S = 1.0  # between records of the range polynomials [s]
TIE_LINES, TIE_PIXELS = 10, 21
DN_LUT = 401.59  # of digital numbers, constant


def node(tag: str, content: object = None, **attributes: object) -> ET.Element:
    """Make an element.

    Args:
        tag: its name.
        content: elements, mapping of names to contents, or a value.
        attributes: its attributes.
    """
    element = ET.Element(tag, {key: str(value) for key, value in attributes.items()})
    if isinstance(content, dict):
        element.extend([node(key, value) for key, value in content.items()])
    elif isinstance(content, list):
        element.extend(content)
    elif content is not None:
        element.text = content if isinstance(content, str) else f"{content:.15e}" if isinstance(content, float) else str(content)
    return element


def listing(tag: str, item: str, contents: Iterable[object]) -> ET.Element:
    """Make a list with its count."""
    items = [node(item, content) for content in contents]
    return node(tag, items, count=len(items))


def array(tag: str, values: np.ndarray, form: str = ".6e") -> ET.Element:
    """Make an element of numbers with their count."""
    return node(tag, " ".join(format(value, form) for value in values.tolist()), count=len(values))


def document(root: ET.Element) -> bytes:
    """Serialise with indents."""
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def _header(product: Product, band: str) -> ET.Element:
    return node("adsHeader", {
        "missionId": product.platform, "productType": "GRD", "polarisation": band, "mode": "IW", "swath": "IW",
        "startTime": clock(product, product.frame.first_s), "stopTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}",
        "absoluteOrbitNumber": product.absolute_orbit, "missionDataTakeId": product.datatake,
        "imageNumber": f"{product.polarisations.index(band) + 1:03d}",
    })  # fmt: skip


def clock(product: Product, time_s: float) -> str:
    """UTC of a time of the frame."""
    return f"{product.utc(float(time_s)):%Y-%m-%dT%H:%M:%S.%f}"


def annotation(product: Product, band: str, mean_dn: float, std_dn: float) -> bytes:
    """Write the annotation of one polarisation: orbit, timing, range polynomials, tie points.

    Args:
        product: the product.
        band: VV or VH.
        mean_dn: of the image.
        std_dn: of the image.
    """
    statistics = {"outputDataMean": {"re": mean_dn, "im": 0.0}, "outputDataStdDev": {"re": std_dn, "im": 0.0}}
    quality = [{"azimuthTime": clock(product, product.frame.first_s), "imageQuality": {"imageStatistics": statistics}}]
    return document(node("product", [
        _header(product, band),
        node("qualityInformation", [node("productQualityIndex", 0.0), listing("qualityDataList", "qualityData", quality)]),
        _general(product),
        node("imageAnnotation", [_image_information(product, statistics), _processing_information(product)]),
        node("dopplerCentroid", [listing("dcEstimateList", "dcEstimate", [])]),
        node("antennaPattern", [listing("antennaPatternList", "antennaPattern", [])]),
        node("swathTiming", [node("linesPerBurst", 0), node("samplesPerBurst", 0), listing("burstList", "burst", [])]),
        _geolocation(product),
        _conversion(product),
        node("swathMerging", [listing("swathMergeList", "swathMerge", [])]),
    ]))  # fmt: skip


def _general(product: Product) -> ET.Element:
    orbit = product.frame.orbit
    information = {
        "pass": "Ascending" if product.ascending else "Descending", "timelinessCategory": "Fast-24h",
        "platformHeading": _heading_deg(orbit), "projection": "Ground Range", "rangeSamplingRate": 6.434523812571428e07,
        "radarFrequency": 5.405000454334350e09, "azimuthSteeringRate": 1.590368784,
    }  # fmt: skip
    empty = {"downlinkInformation": "downlinkInformationList", "attitude": "attitudeList", "rawDataAnalysis": "rawDataAnalysisList",
             "replicaInformation": "replicaInformationList", "noise": "noiseList", "azimuthFmRate": "azimuthFmRateList"}  # fmt: skip
    lists = {item: listing(tag, item, []) for item, tag in empty.items()}
    middle = product.frame.times(product.frame.lines // 2)
    heights = listing("terrainHeightList", "terrainHeight", [{"azimuthTime": clock(product, float(middle)), "value": 0.0}])
    return node("generalAnnotation", [
        node("productInformation", information), lists["downlinkInformation"], _states(product), lists["attitude"],
        lists["rawDataAnalysis"], lists["replicaInformation"], lists["noise"], heights, lists["azimuthFmRate"],
    ])  # fmt: skip


def _heading_deg(orbit: Orbit) -> float:
    """Direction of flight, clockwise from north [degree]."""
    place, speed = orbit.state(0.0)
    east = np.array([-place[1], place[0], 0.0])
    north = np.cross(place, east)
    return float(np.rad2deg(np.arctan2(speed @ east / np.linalg.norm(east), speed @ north / np.linalg.norm(north))))


def _states(product: Product) -> ET.Element:
    times = (np.arange(STATES) - STATES // 2) * STATE_STEP_S
    places, speeds = product.frame.orbit.state(times)

    def state(number: int) -> dict[str, object]:
        position, velocity = (dict(zip("xyz", values[number].tolist(), strict=True)) for values in (places, speeds))
        return {"time": clock(product, times[number]), "frame": "Earth Fixed", "position": position, "velocity": velocity}

    return listing("orbitList", "orbit", [state(number) for number in range(STATES)])


def _image_information(product: Product, statistics: Mapping[str, object]) -> ET.Element:
    frame = product.frame
    angles = tie_grid(frame)[2]["incidenceAngle"]
    slices = [
        {"sliceNumber": 1, "sensingStartTime": clock(product, frame.first_s), "sensingStopTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}"}
    ]
    return node("imageInformation", [
        *node("_", {"productFirstLineUtcTime": clock(product, frame.first_s),
                    "productLastLineUtcTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}",
                    "ascendingNodeTime": f"{product.node_time:%Y-%m-%dT%H:%M:%S.%f}",
                    "anchorTime": f"{product.start - timedelta(seconds=2):%Y-%m-%dT%H:%M:%S.%f}",
                    "productComposition": "Slice" if product.slices > 1 else "Individual", "sliceNumber": product.slice_number}),
        listing("sliceList", "slice", slices),
        *node("_", {"slantRangeTime": 2 * frame.near_m / LIGHT, "pixelValue": "Detected", "outputPixels": "16 bit Unsigned Integer",
                    "rangePixelSpacing": 10.0, "azimuthPixelSpacing": 10.0, "azimuthTimeInterval": frame.interval_s,
                    "azimuthFrequency": 486.4863102995529, "numberOfSamples": frame.pixels, "numberOfLines": frame.lines,
                    "zeroDopMinusAcqTime": 0.0, "incidenceAngleMidSwath": float(angles[len(angles) // 2, angles.shape[1] // 2]),
                    "imageStatistics": statistics}),
    ])  # fmt: skip


def _processing_information(product: Product) -> ET.Element:
    window = {"windowType": "Hamming", "windowCoefficient": 0.7}
    ranged = {**window, "totalBandwidth": 5.65e7, "processingBandwidth": 5.65e7, "lookBandwidth": 1.41e7, "numberOfLooks": 5,
              "lookOverlap": 3.5e6}  # fmt: skip
    along = {**window, "totalBandwidth": 327.0, "processingBandwidth": 327.0, "lookBandwidth": 327.0, "numberOfLooks": 1,
             "lookOverlap": 0.0}  # fmt: skip
    swaths = [{"swath": name, "rangeProcessing": ranged, "azimuthProcessing": along} for name in ("IW1", "IW2", "IW3")]
    yes = ("orbitDataFileUsed", "rxVariationCorrectionApplied", "antennaElevationPatternApplied", "antennaAzimuthPatternApplied",
           "rangeSpreadingLossCompensationApplied", "srgrConversionApplied", "detectionPerformed")  # fmt: skip
    return node("processingInformation", [
        *node("_", dict.fromkeys(yes, "true")), node("thermalNoiseCorrectionPerformed", "false"),
        listing("swathProcParamsList", "swathProcParams", swaths),
        *node("_", {"referenceRange": 8e5, "ellipsoidName": "WGS84", "ellipsoidSemiMajorAxis": SEMI_MAJOR_M,
                    "ellipsoidSemiMinorAxis": 6356752.314245, "bistaticDelayCorrectionApplied": "true", "orbitSource": "Auxiliary"}),
    ])  # fmt: skip


@lru_cache(maxsize=16)
def tie_grid(frame: Frame) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Lines, pixels and what `Frame.tie_points` says of them."""
    lines = np.unique(np.linspace(0, frame.lines - 1, TIE_LINES).astype(int))
    pixels = np.unique(np.linspace(0, frame.pixels - 1, TIE_PIXELS).astype(int))
    return lines, pixels, frame.tie_points(lines, pixels)


def _geolocation(product: Product) -> ET.Element:
    lines, pixels, ties = tie_grid(product.frame)
    points = []
    for i, line in enumerate(lines.tolist()):
        for j, pixel in enumerate(pixels.tolist()):
            points.append({
                "azimuthTime": clock(product, float(product.frame.times(line))),
                "slantRangeTime": float(2 * ties["slantRange"][i, j] / LIGHT), "line": line, "pixel": pixel,
                "latitude": float(ties["latitude"][i, j]), "longitude": float(ties["longitude"][i, j]), "height": 0.0,
                "incidenceAngle": float(ties["incidenceAngle"][i, j]), "elevationAngle": float(ties["elevationAngle"][i, j]),
            })  # fmt: skip
    return node("geolocationGrid", [listing("geolocationGridPointList", "geolocationGridPoint", points)])


def _conversion(product: Product) -> ET.Element:
    frame, records = product.frame, []
    last = float(frame.times(frame.lines - 1))
    for time_s in np.arange(frame.first_s - RECORD_STEP_S, last + 2 * RECORD_STEP_S, RECORD_STEP_S):
        # The record's own time, as it is rounded in the file, decides on its coefficients.
        when = float(round(time_s * 1e6) / 1e6)
        forth, back = (table[0] + table[1] * when for table in (frame.to_ground, frame.to_slant))
        back = np.concatenate([[frame.near_m], back[1:]])
        records.append(node("coordinateConversion", [
            *node("_", {"azimuthTime": clock(product, when), "slantRangeTime": 2 * frame.near_m / LIGHT, "sr0": frame.near_m}),
            array("srgrCoefficients", forth, ".15e"), node("gr0", 0.0), array("grsrCoefficients", back, ".15e"),
        ]))  # fmt: skip
    return node("coordinateConversion", [node("coordinateConversionList", records, count=len(records))])


def calibration(product: Product, band: str) -> bytes:
    """Write the calibration tables: constant for beta nought, with the ellipsoid's incidence angle for the others."""
    frame = product.frame
    lines, pixels, angle = _calibration_angles(frame)
    vectors = []
    for line, row in zip(lines.tolist(), angle, strict=True):
        flat = np.full(row.shape, 1.0)
        tables = {"sigmaNought": BETA_LUT / np.sqrt(np.sin(row)), "betaNought": BETA_LUT * flat,
                  "gamma": BETA_LUT / np.sqrt(np.tan(row)), "dn": DN_LUT * flat}  # fmt: skip
        vectors.append(node("calibrationVector", [
            node("azimuthTime", clock(product, float(frame.times(line)))), node("line", line), array("pixel", pixels, "d"),
            *(array(name, values) for name, values in tables.items()),
        ]))  # fmt: skip
    constant = node("calibrationInformation", [node("absoluteCalibrationConstant", 1.0)])
    return document(node("calibration", [_header(product, band), constant, node("calibrationVectorList", vectors, count=len(vectors))]))


@lru_cache(maxsize=16)
def _calibration_angles(frame: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines, pixels and the ellipsoid's incidence angles there [rad]."""
    lines, pixels = np.arange(0, frame.lines + LINE_STEP, LINE_STEP), steps(frame.pixels, PIXEL_STEP)
    return lines, pixels, np.deg2rad(frame.tie_points(lines, pixels)["incidenceAngle"])


def noise(product: Product, band: str, tables: NoiseTables) -> bytes:
    """Write the noise tables: range and azimuth, or the single list of products before IPF 2.90."""
    split = product.ipf >= "002.90"
    names = ("noiseRangeVector", "noiseRangeLut") if split else ("noiseVector", "noiseLut")
    vectors = [node(names[0], [
        node("azimuthTime", clock(product, float(product.frame.times(line)))), node("line", line),
        array("pixel", tables.pixels, "d"), array(names[1], row),
    ]) for line, row in zip(tables.lines.tolist(), tables.power, strict=True)]  # fmt: skip
    lists = [node(f"{names[0]}List", vectors, count=len(vectors))]
    if split:
        blocks = [_azimuth_block(product, number, tables) for number in range(len(tables.blocks))]
        lists.append(node("noiseAzimuthVectorList", blocks, count=len(blocks)))
    return document(node("noise", [_header(product, band), *lists]))


def _azimuth_block(product: Product, number: int, tables: NoiseTables) -> ET.Element:
    block = tables.blocks[number]
    return node("noiseAzimuthVector", [
        *node("_", {"swath": block.swath, "firstAzimuthLine": 0, "firstRangeSample": block.first_pixel,
                    "lastAzimuthLine": product.frame.lines - 1, "lastRangeSample": block.last_pixel}),
        array("line", block.lines, "d"), array("noiseAzimuthLut", block.factor),
    ])  # fmt: skip
