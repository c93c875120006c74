"""The manifest of a product: what it is and which files belong to it (modelled on the Sentinel-SAFE specification)."""

from dataclasses import dataclass
from hashlib import md5
from xml.etree import ElementTree as ET

from loam.twin.markup import document, node, tie_grid
from loam.twin.passes import DESIGNATORS, Product

SPACES = {
    "xfdu": "urn:ccsds:schema:xfdu:1",
    "gml": "http://www.opengis.net/gml",
    "safe": "http://www.esa.int/safe/sentinel-1.0",
    "s1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1",
    "s1sarl1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1",
}
SCHEMAS = {
    "product": "Product",
    "calibration": "Calibration",
    "noise": "Noise",
    "measurement": "Measurement",
}
VERSION = "esa/safe/sentinel-1.0/sentinel-1/sar/level-1/grd/standard/iwdp"


@dataclass(frozen=True)
class File:
    """A file of the product."""

    kind: str  # a key of SCHEMAS
    path: str  # within the product's folder
    content: bytes

    @property
    def identity(self) -> str:
        """Name without separators, as the manifest refers to it."""
        stem = self.path.rpartition("/")[2].partition(".")[0].replace("-", "")
        return f"product{stem}" if self.kind == "product" else stem


def manifest(product: Product, files: list[File]) -> bytes:
    """Write the manifest.

    Args:
        product: the product.
        files: its other files.
    """
    packages = [_metadata(name, *part) for name, part in _descriptions(product).items()]
    root = node(
        "xfdu:XFDU",
        [
            node("informationPackageMap", [_package(files)]),
            node("metadataSection", [*_links(files), *packages, *_schemas()]),
            node("dataObjectSection", [_data_object(file) for file in files]),
        ],
        version=VERSION,
    )
    for prefix, address in SPACES.items():
        root.set(f"xmlns:{prefix}", address)
    return document(root)


def _pointer(file: File) -> ET.Element:
    return node("dataObjectPointer", dataObjectID=file.identity)


def _package(files: list[File]) -> ET.Element:
    units = []
    for file in files:
        kind = "Measurement Data Unit" if file.kind == "measurement" else "Metadata Unit"
        units.append(
            node("xfdu:contentUnit", [_pointer(file)], unitType=kind, repID=_schema(file.kind))
        )
    about = "acquisitionPeriod platform generalProductInformation measurementOrbitReference measurementFrameSet"
    title = "Sentinel-1 IW Level-1 GRD Product"
    return node(
        "xfdu:contentUnit",
        units,
        unitType="SAFE Archive Information Package",
        textInfo=title,
        dmdID=about,
        pdiID="processing",
    )


def _schema(kind: str) -> str:
    return f"s1Level1{SCHEMAS[kind]}Schema"


def _links(files: list[File]) -> list[ET.Element]:
    texts = [file for file in files if file.kind != "measurement"]
    return [
        node(
            "metadataObject",
            [_pointer(file)],
            ID=f"{file.identity}Annotation",
            classification="DESCRIPTION",
            category="DMD",
        )
        for file in texts
    ]


def _schemas() -> list[ET.Element]:
    made = []
    for kind in SCHEMAS:
        link = node(
            "metadataReference",
            mimeType="text/xml",
            vocabularyName="XML Schema",
            locatorType="URL",
            href=f"./support/s1-level-1-{kind}.xsd",
        )
        made.append(
            node(
                "metadataObject", [link], ID=_schema(kind), classification="SYNTAX", category="REP"
            )
        )
    return made


def _data_object(file: File) -> ET.Element:
    mime = "application/octet-stream" if file.kind == "measurement" else "text/xml"
    place = node("fileLocation", locatorType="URL", href=f"./{file.path}")
    digest = node(
        "checksum", md5(file.content, usedforsecurity=False).hexdigest(), checksumName="MD5"
    )
    stream = node("byteStream", [place, digest], mimeType=mime, size=len(file.content))
    return node("dataObject", [stream], ID=file.identity, repID=_schema(file.kind))


def _metadata(name: str, title: str, content: ET.Element) -> ET.Element:
    wrap = node(
        "metadataWrap",
        [node("xmlData", [content])],
        mimeType="text/xml",
        vocabularyName="SAFE",
        textInfo=title,
    )
    classes = ("PROVENANCE", "PDI") if name == "processing" else ("DESCRIPTION", "DMD")
    return node("metadataObject", [wrap], ID=name, classification=classes[0], category=classes[1])


def _descriptions(product: Product) -> dict[str, tuple[str, ET.Element]]:
    return {
        "processing": ("Processing", _processing(product)),
        "platform": ("Platform Description", _platform(product)),
        "measurementOrbitReference": ("Orbit Reference", _orbit(product)),
        "generalProductInformation": ("General Product Information", _information(product)),
        "acquisitionPeriod": ("Acquisition Period", _period(product)),
        "measurementFrameSet": ("Frame Set", _footprint(product)),
    }


def _processing(product: Product) -> ET.Element:
    software = node("safe:software", name="Sentinel-1 IPF", version=product.ipf)
    facility = node(
        "safe:facility",
        [software],
        name="Loam's synthetic catchment",
        organisation="Loam",
        site="simulated",
        country="",
    )
    when = f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}"
    return node("safe:processing", [facility], name="GRD Post Processing", start=when, stop=when)


def _platform(product: Product) -> ET.Element:
    mode = node("s1sarl1:instrumentMode", {"s1sarl1:mode": "IW", "s1sarl1:swath": "IW"})
    family = node("safe:familyName", "Synthetic Aperture Radar", abbreviation="SAR")
    number = product.platform.removeprefix("S1")
    return node(
        "safe:platform",
        [
            *node(
                "_",
                {
                    "safe:nssdcIdentifier": DESIGNATORS[product.platform],
                    "safe:familyName": "SENTINEL-1",
                    "safe:number": number,
                },
            ),
            node("safe:instrument", [family, node("safe:extension", [mode])]),
        ],
    )


def _orbit(product: Product) -> ET.Element:
    numbers = {
        "safe:orbitNumber": product.absolute_orbit,
        "safe:relativeOrbitNumber": product.relative_orbit,
    }
    direction = "ASCENDING" if product.ascending else "DESCENDING"
    crossed = f"{product.node_time:%Y-%m-%dT%H:%M:%S.%f}"
    return node(
        "safe:orbitReference",
        [
            *(
                node(tag, number, type=end)
                for tag, number in numbers.items()
                for end in ("start", "stop")
            ),
            node("safe:cycleNumber", product.cycle),
            node("safe:phaseIdentifier", 1),
            node(
                "safe:extension",
                {"s1:orbitProperties": {"s1:pass": direction, "s1:ascendingNodeTime": crossed}},
            ),
        ],
    )


def _information(product: Product) -> ET.Element:
    cut = product.slices > 1
    content = {"instrumentConfigurationID": 7, "missionDataTakeID": product.datatake}
    kind = {
        "productClass": "S",
        "productClassDescription": "SAR Standard L1 Product",
        "productComposition": "Slice" if cut else "Individual",
        "productType": "GRD",
        "productTimelinessCategory": "Fast-24h",
        "sliceProductFlag": str(cut).lower(),
    }
    if cut:
        kind |= {
            "segmentStartTime": f"{product.start:%Y-%m-%dT%H:%M:%S.%f}",
            "sliceNumber": str(product.slice_number),
            "totalSlices": str(product.slices),
        }
    return node(
        "s1sarl1:standAloneProductInformation",
        [
            *(node(f"s1sarl1:{tag}", value) for tag, value in content.items()),
            *(
                node("s1sarl1:transmitterReceiverPolarisation", band)
                for band in product.polarisations
            ),
            *(node(f"s1sarl1:{tag}", value) for tag, value in kind.items()),
        ],
    )


def _period(product: Product) -> ET.Element:
    since = {
        f"s1:{end}TimeANX": f"{(when - product.node_time).total_seconds() * 1e3:.6e}"
        for end, when in (("start", product.start), ("stop", product.stop))
    }
    return node(
        "safe:acquisitionPeriod",
        {
            "safe:startTime": f"{product.start:%Y-%m-%dT%H:%M:%S.%f}",
            "safe:stopTime": f"{product.stop:%Y-%m-%dT%H:%M:%S.%f}",
            "safe:extension": {"s1:timeANX": since},
        },
    )


def _footprint(product: Product) -> ET.Element:
    _, _, ties = tie_grid(product.frame)
    # As ESA goes round: early far, early near, late near, late far.
    corners = [
        (0, -1),
        (0, 0),
        (-1, 0),
        (-1, -1),
    ]
    text = " ".join(
        f"{ties['latitude'][place]:.6f},{ties['longitude'][place]:.6f}" for place in corners
    )
    outline = node(
        "safe:footPrint",
        [node("gml:coordinates", text)],
        srsName="http://www.opengis.net/gml/srs/epsg.xml#4326",
    )
    return node("safe:frameSet", [node("safe:frame", [outline])])
