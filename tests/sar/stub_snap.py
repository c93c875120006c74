"""A stand-in for SNAP: the two programs pyroSAR starts, `snap` and `gpt`, answering as SNAP 13 does.

`gpt OPERATOR -h` describes an operator. `gpt -e … workflow.xml` takes the operators as done and remembers them, with
their parameters, in the files that stand for intermediate products; after Terrain-Correction it writes ENVI images on
the grid that SNAP would choose. Written for whichever Python has `osgeo`; what it should do wrong, environment
variables say.
"""

import json
import math
import os
import re
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

VERSION = "13.0.0"
MODULES = """
The following modules are found:
--------------------------------
eu.esa.microwavetbx.microwavetbx.kit    13.0.0    Enabled
org.esa.snap.snap.core                  13.0.0    Enabled
--------------------------------
"""

DEM = {
    "demName": "Copernicus 30m Global DEM",
    "externalDEMFile": None,
    "externalDEMNoDataValue": "0",
    "externalDEMApplyEGM": "true",
    "demResamplingMethod": "BILINEAR_INTERPOLATION",
    "nodataValueAtSea": "true",
}
SAVED = [
    "DEM",
    "LatLon",
    "IncidenceAngleFromEllipsoid",
    "LocalIncidenceAngle",
    "ProjectedLocalIncidenceAngle",
    "LayoverShadowMask",
]

# Operators with their parameters and default values, from the operators' declarations in SNAP 13.
OPERATORS: dict[str, dict[str, str | None]] = {
    "Read": {
        "useAdvancedOptions": "false",
        "file": None,
        "formatName": None,
        "bandNames": None,
        "copyMetadata": "true",
    },
    "Write": {
        "file": None,
        "formatName": "BEAM-DIMAP",
        "deleteOutputOnFailure": "true",
        "writeEntireTileRows": "false",
        "clearCacheAfterRowWrite": "false",
    },
    "Remove-GRD-Border-Noise": {
        "selectedPolarisations": None,
        "borderLimit": "500",
        "trimThreshold": "0.5",
    },
    "Calibration": {
        "sourceBands": None,
        "auxFile": "Latest Auxiliary File",
        "externalAuxFile": None,
        "outputImageInComplex": "false",
        "outputImageScaleInDb": "false",
        "createGammaBand": "false",
        "createBetaBand": "false",
        "selectedPolarisations": None,
        "outputSigmaBand": "true",
        "outputGammaBand": "false",
        "outputBetaBand": "false",
    },
    "ThermalNoiseRemoval": {
        "selectedPolarisations": None,
        "removeThermalNoise": "true",
        "outputNoise": "false",
        "reIntroduceThermalNoise": "false",
    },
    "SliceAssembly": {"selectedPolarisations": None},
    "Apply-Orbit-File": {
        "orbitType": "Sentinel Precise (Auto Download)",
        "polyDegree": "3",
        "continueOnFail": "false",
    },
    "Subset": {
        "sourceBands": None,
        "region": None,
        "referenceBand": None,
        "geoRegion": None,
        "subSamplingX": "1",
        "subSamplingY": "1",
        "fullSwath": "false",
        "tiePointGridNames": None,
        "copyMetadata": "false",
    },
    "Multilook": {
        "sourceBands": None,
        "nRgLooks": "1",
        "nAzLooks": "1",
        "outputIntensity": "false",
        "grSquarePixel": "true",
    },
    "Terrain-Flattening": {
        "sourceBands": None,
        **DEM,
        "outputSimulatedImage": "false",
        "outputSigma0": "false",
        "additionalOverlap": "0.1",
        "oversamplingMultiple": "1.0",
    },
    "Terrain-Correction": {
        "sourceBands": None,
        **DEM,
        "imgResamplingMethod": "BILINEAR_INTERPOLATION",
        "pixelSpacingInMeter": "0",
        "pixelSpacingInDegree": "0",
        "mapProjection": "WGS84(DD)",
        "alignToStandardGrid": "false",
        "standardGridOriginX": "0",
        "standardGridOriginY": "0",
        **{f"save{name}": "false" for name in SAVED},
        "saveSelectedSourceBand": "true",
        "outputComplex": "false",
        "applyRadiometricNormalization": "false",
        "auxFile": "Latest Auxiliary File",
    },
}


def install(root: Path, python: str) -> Path:
    """Lay out an installation under `root`, run by this Python; return its gpt."""
    for folder in ("bin", "etc", "auxdata/dem/egm96"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in ("snap.clusters", "snap.conf", "snap.properties"):
        (root / "etc" / name).touch()
    (root / "etc/snap.auxdata.properties").write_text(f"AuxDataPath = {root / 'auxdata'}\n")
    (
        root / "auxdata/dem/egm96/ww15mgh_b.zip"
    ).touch()  # pyroSAR fetches it whether heights need it or not
    for name in ("snap", "gpt"):
        program = root / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{python}" "{Path(__file__).resolve()}" {name} "$@"\n')
        program.chmod(0o755)
    return root / "bin/gpt"


def describe(operator: str) -> None:
    """What `gpt OPERATOR -h` prints, as far as it is read."""
    kind = {"Read": "", "SliceAssembly": "sourceProducts"}.get(operator, "source")
    source = f"<sources>\n<{kind}>${{{kind}}}</{kind}>\n</sources>" if kind else ""
    options = [
        f"  -P{name}=<string>    Sets parameter '{name}' to <string>."
        + ("" if value is None else f"\n                       Default value is '{value}'.")
        for name, value in OPERATORS[operator].items()
    ]
    parameters = "\n".join(f"<{name}>string</{name}>" for name in OPERATORS[operator])
    print(
        f"Usage:\n  gpt {operator} [options]\n\nParameter Options:",
        *options,
        "",
        "Graph XML Format:",
        sep="\n",
    )
    print(
        f'<graph id="someGraphId">\n<version>1.0</version>\n<node id="someNodeId">\n<operator>{operator}</operator>'
    )
    print(source, "<parameters>", parameters, "</parameters>", "</node>", "</graph>", sep="\n")


def run(workflow: Path) -> int:
    """Take a workflow as done."""
    nodes = ET.parse(workflow).getroot().findall("node")
    done: list[dict] = []
    for node in nodes:
        operator, parameters = (
            node.findtext("operator"),
            {child.tag: child.text for child in node.find("parameters")},
        )
        if operator == os.environ.get("STUB_FAILS_IN"):
            print(os.environ.get("STUB_MESSAGE", "").replace("\\n", "\n"), file=sys.stderr)
            status = int(os.environ.get("STUB_STATUS", "1"))
            if status < 0:
                os.kill(os.getpid(), -status)
            return status
        if operator == "Read" and parameters["formatName"] == "BEAM-DIMAP":
            done += json.loads(Path(parameters["file"]).read_text())
        done.append({"operator": operator, "parameters": parameters})
        if operator == "Write" and parameters["formatName"] == "BEAM-DIMAP":
            Path(parameters["file"]).write_text(json.dumps(done))
        elif operator == "Write":
            write_images(
                Path(parameters["file"]), {step["operator"]: step["parameters"] for step in done}
            )
    return 0


def write_images(folder: Path, steps: dict[str, dict]) -> None:
    """Write the bands that Terrain-Correction was asked for."""
    correction = steps["Terrain-Correction"]
    east, north, columns, rows, pixel = snap_grid(correction, steps["Subset"]["geoRegion"])
    shift = float(os.environ.get("STUB_SHIFT_PX", "0")) * pixel
    # 1.5, 1.5 is the centre of the first pixel.
    place = f"Projected, 1.5, 1.5, {east + shift}, {north - shift}, {pixel}, {pixel}"
    header = (
        f"ENVI\nsamples = {columns}\nlines = {rows}\nbands = 1\nheader offset = 0\nfile type = ENVI Standard\n"
        f"data type = {{}}\ninterleave = bsq\nbyte order = 1\nmap info = {{{{{place}, WGS84, units=Meters}}}}\n"
        f"coordinate system string = {{{{{wkt(correction['mapProjection'])}}}}}\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    bands = correction["sourceBands"].split(",")
    bands += [name[0].lower() + name[1:] for name in SAVED if correction[f"save{name}"] == "true"]
    for band in [name for name in bands if name != os.environ.get("STUB_FORGETS")]:
        kind = "B" if band == "layoverShadowMask" else "f"
        values = [
            value_at(band, math.floor(east / pixel) + x, math.floor(north / pixel) - y)
            for y in range(rows)
            for x in range(columns)
        ]
        (folder / f"{band}.img").write_bytes(struct.pack(f">{len(values)}{kind}", *values))
        (folder / f"{band}.hdr").write_text(header.format({"B": 1, "f": 4}[kind]))


def value_at(band: str, column: int, row: int) -> float:
    """A value that tells where it belongs: column and row are counted from the projection's origin; a diagonal has no data."""
    if band == "layoverShadowMask":
        return (column + row) % 4
    if (column - row) % 16 == 0:
        return 0.0
    return {
        "Gamma0_VV": 0.1 + column % 32 / 100,
        "Gamma0_VH": 0.01 + row % 32 / 1000,
        "localIncidenceAngle": 30 + row % 16,
    }[band]


def snap_grid(correction: dict[str, str], region: str) -> tuple[float, float, int, int, float]:
    """Centre of the first pixel, size, and spacing, as CRSGeoCodingHandler and CrsGeoCoding place them in SNAP."""
    from osgeo import osr

    geographic, projected = osr.SpatialReference(), osr.SpatialReference()
    geographic.ImportFromEPSG(4326)
    geographic.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    projected.ImportFromEPSG(int(correction["mapProjection"].removeprefix("EPSG:")))
    project = osr.CoordinateTransformation(geographic, projected)
    corners = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", region)]
    xs, ys, _ = zip(*(project.TransformPoint(*corner) for corner in corners), strict=True)
    pixel, origin_x, origin_y = (
        float(correction[name])
        for name in ("pixelSpacingInMeter", "standardGridOriginX", "standardGridOriginY")
    )
    east = math.floor((min(xs) - origin_x) / pixel) * pixel + origin_x
    north = math.ceil((max(ys) - origin_y) / pixel) * pixel + origin_y
    return (
        east,
        north,
        math.ceil((max(xs) - east) / pixel),
        math.ceil((north - min(ys)) / pixel),
        pixel,
    )


def wkt(projection: str) -> str:
    """A UTM zone in the words of SNAP's map library, which are not GDAL's."""
    code = int(projection.removeprefix("EPSG:"))
    south, zone = code // 100 == 327, code % 100
    return (
        f'PROJCS["WGS 84 / UTM zone {zone}{"S" if south else "N"}", GEOGCS["WGS 84", DATUM["World Geodetic System 1984", '
        'SPHEROID["WGS 84", 6378137.0, 298.257223563, AUTHORITY["EPSG","7030"]], AUTHORITY["EPSG","6326"]], '
        'PRIMEM["Greenwich", 0.0, AUTHORITY["EPSG","8901"]], UNIT["degree", 0.017453292519943295], '
        'AXIS["Geodetic longitude", EAST], AXIS["Geodetic latitude", NORTH], AUTHORITY["EPSG","4326"]], '
        'PROJECTION["Transverse_Mercator", AUTHORITY["EPSG","9807"]], '
        f'PARAMETER["central_meridian", {zone * 6 - 183}.0], PARAMETER["latitude_of_origin", 0.0], PARAMETER["scale_factor", 0.9996], '
        f'PARAMETER["false_easting", 500000.0], PARAMETER["false_northing", {1e7 if south else 0.0}], UNIT["m", 1.0], '
        f'AXIS["Easting", EAST], AXIS["Northing", NORTH], AUTHORITY["EPSG","{code}"]]'
    )


def main(program: str, *arguments: str) -> int:
    """Answer as `snap` or `gpt` would."""
    if program == "snap":
        print(MODULES)
    elif arguments[-1] == "-h":
        describe(arguments[0])
    else:
        with Path(os.environ["STUB_CALLS"]).open("a") as calls:
            calls.write(json.dumps(arguments[:-1]) + "\n")
        return run(Path(arguments[-1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
