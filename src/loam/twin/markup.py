"""Elements of XML as ESA's products write them: counted lists and arrays, times in microseconds."""

from collections.abc import Iterable
from functools import lru_cache
from xml.etree import ElementTree as ET

import numpy as np

from loam.twin.frame import Frame
from loam.twin.passes import Product

TIE_LINES, TIE_PIXELS = 10, 21  # of the geolocation grid


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
        element.text = (
            content
            if isinstance(content, str)
            else f"{content:.15e}"
            if isinstance(content, float)
            else str(content)
        )
    return element


def listing(tag: str, item: str, contents: Iterable[object]) -> ET.Element:
    """Make a list with its count."""
    items = [node(item, content) for content in contents]
    return node(tag, items, count=len(items))


def array(tag: str, values: np.ndarray, form: str = ".6e", count: int | None = None) -> ET.Element:
    """Make an element of numbers with their count.

    Args:
        tag: its name.
        values: the numbers.
        form: their format.
        count: said of them, where it is not their number: complex ones are written as two.
    """
    return node(
        tag,
        " ".join(format(value, form) for value in values.tolist()),
        count=len(values) if count is None else count,
    )


def document(root: ET.Element) -> bytes:
    """Serialise with indents."""
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="UTF-8", xml_declaration=True)) + b"\n"


def clock(product: Product, time_s: float) -> str:
    """UTC of a time of the frame."""
    return f"{product.utc(float(time_s)):%Y-%m-%dT%H:%M:%S.%f}"


@lru_cache(maxsize=16)
def tie_grid(frame: Frame) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Lines, pixels and what `Frame.tie_points` says of them."""
    lines = np.unique(np.linspace(0, frame.lines - 1, TIE_LINES).astype(int))
    pixels = np.unique(np.linspace(0, frame.pixels - 1, TIE_PIXELS).astype(int))
    return lines, pixels, frame.tie_points(lines, pixels)
