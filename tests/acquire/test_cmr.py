"""Search in a catalogue that speaks as NASA's does: pages, counts, sizes and checksums; nothing short passes for whole."""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from shapely.geometry import MultiPolygon, Point, Polygon, box

from loam.acquire.cmr import GRD, OPERA_RTC, OPERA_STATIC, outlines, search
from loam.acquire.manifest import Item, read_manifest, write_manifest
from loam.acquire.transfer import Politeness
from loam.config.base import Period
from loam.core.errors import LoamError

QUICK = Politeness(tries=3, first_wait_s=0.01, longest_wait_s=0.02, connect_s=2, silence_s=1)
PERIOD = Period(start="2024-01-01", end="2024-03-31")
AREA = box(-77.0, 38.5, -76.7, 38.9)
PAGE = 3


def granule(number: int, **umm: Any) -> dict[str, Any]:
    """As the catalogue tells a GRD product, shortened."""
    name = f"S1A_IW_GRDH_{number:04d}"
    zipped = f"https://datapool.example.org/GRD/{name}.zip"
    content: dict[str, Any] = {
        "GranuleUR": f"{name}-GRD_HD",
        "TemporalExtent": {
            "RangeDateTime": {"BeginningDateTime": f"2024-01-{number + 1:02d}T11:00:00Z"}
        },
        "RelatedUrls": [
            {"URL": zipped, "Type": "GET DATA"},
            {"URL": zipped.replace("https", "s3"), "Type": "GET DATA VIA DIRECT ACCESS"},
            {"URL": zipped.replace("zip", "iso.xml"), "Type": "EXTENDED METADATA"},
        ],
        "DataGranule": {
            "ArchiveAndDistributionInformation": [
                {
                    "Name": f"{name}.zip",
                    "SizeInBytes": 1000 + number,
                    "Checksum": {"Value": f"{number:032X}", "Algorithm": "MD5"},
                }
            ]
        },
    }
    return {"meta": {"revision-date": "2024-06-01T00:00:00Z"}, "umm": content | umm}


class Catalogue(BaseHTTPRequestHandler):
    """Granules in pages, as the service sends them."""

    granules: list[dict[str, Any]]
    asked: list[list[tuple[str, str]]]
    faults: list[Any]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.asked.append(parse_qsl(self.rfile.read(length).decode()))
        fault = self.faults.pop(0) if self.faults else None
        first = int(self.headers.get("CMR-Search-After", 0))
        page = self.granules[first : first + PAGE]
        if fault == "lost":
            page = []
        status = fault if isinstance(fault, int) else 200
        body = (
            b"<html>maintenance</html>" if fault == "html" else json.dumps({"items": page}).encode()
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("CMR-Hits", str(len(self.granules)))
        if page:
            self.send_header("CMR-Search-After", str(first + len(page)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving(granules: list[dict[str, Any]], *faults: Any) -> Iterator[tuple[str, type[Catalogue]]]:
    told = {"granules": granules, "asked": [], "faults": list(faults)}
    handler = type("Of", (Catalogue,), told)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/search/granules.umm_json", handler
        server.shutdown()
        thread.join()


def find(url: str, collection=GRD, area=AREA) -> list[Item]:
    with requests.Session() as session:
        session.trust_env = False
        return search(collection, area, PERIOD, session, QUICK, url)


@pytest.mark.parametrize("count", [0, 1, PAGE, 2 * PAGE, 2 * PAGE + 1])
def test_all_pages_come(count: int) -> None:
    with serving([granule(number) for number in range(count)]) as (url, handler):
        found = find(url)
    assert [item.bytes for item in found] == [1000 + number for number in range(count)]
    assert len(handler.asked) == count // PAGE + 1 + (count % PAGE > 0)


def test_an_item_has_what_a_download_needs() -> None:
    with serving([granule(5)]) as (url, handler):
        (item,) = find(url)
    assert item == Item(
        "S1A_IW_GRDH_0005-GRD_HD",
        "https://datapool.example.org/GRD/S1A_IW_GRDH_0005.zip",
        "Alaska Satellite Facility",
        "2024-01-06T11:00:00Z",
        "2024-06-01T00:00:00Z",
        1005,
        f"md5:{5:032x}",
    )
    asked = handler.asked[0]
    assert ("temporal", "2024-01-01T00:00:00Z,2024-03-31T23:59:59Z") in asked
    assert [name for key, name in asked if key == "short_name"] == list(GRD.short_names)


def test_layers_of_one_granule_are_files_of_their_own_and_static_ones_have_no_period() -> None:
    def layers(*suffixes: str) -> dict[str, Any]:
        base = "https://cumulus.example.org/OPERA_T137-292318-IW2"
        links = [{"URL": f"{base}{suffix}", "Type": "GET DATA"} for suffix in suffixes]
        return granule(1, RelatedUrls=links, DataGranule={})

    with serving([layers("_VV.tif", "_VH.tif", "_mask.tif", ".h5", "_BROWSE.png")]) as (url, _):
        found = find(url, OPERA_RTC)
    assert [item.address.rpartition("IW2_")[2] for item in found] == [
        "VV.tif",
        "VH.tif",
        "mask.tif",
    ]
    assert {(item.bytes, item.checksum) for item in found} == {(None, None)}
    with serving([layers("_local_incidence_angle.tif")]) as (url, handler):
        assert len(find(url, OPERA_STATIC)) == 1
    assert "temporal" not in dict(handler.asked[0])


def test_a_search_that_comes_back_short_stops() -> None:
    with (
        serving([granule(number) for number in range(7)], None, "lost") as (url, _),
        pytest.raises(LoamError, match=r"found 7 items, but 3 came; run the same command again"),
    ):
        find(url)


def test_a_service_that_fails_for_a_moment_is_asked_again() -> None:
    with serving([granule(number) for number in range(4)], 503, None, 500) as (url, handler):
        assert len(find(url)) == 4
    assert len(handler.asked) == 5


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (("html",), "answers with something else than a search; look whether NASA's catalogue"),
        ((503,) * 9, r"NASA's catalogue gives no answer since .* UTC \(status 503\)"),
        ((400,), "NASA's catalogue answers with status 400"),
    ],
)
def test_a_fault_is_one_line(faults: tuple[Any, ...], said: str) -> None:
    with serving([granule(1)], *faults) as (url, _), pytest.raises(LoamError, match=said):
        find(url)


def ring(text: str) -> Polygon:
    numbers = [float(each) for each in text.split(",")]
    return Polygon(list(zip(numbers[::2], numbers[1::2], strict=True)))


def test_outlines_run_counter_clockwise_and_are_closed() -> None:
    for area in (AREA, Polygon(list(AREA.exterior.coords)[::-1])):
        (text,) = outlines(area)
        assert ring(text).exterior.is_ccw and ring(text).equals(AREA)
        assert text.split(",")[:2] == text.split(",")[-2:]


def test_a_fine_outline_is_replaced_by_one_around_it_and_several_are_any_of_them() -> None:
    fine = Point(-77, 38).buffer(0.2, quad_segs=400).difference(box(-77.05, 38, -76.95, 39))
    (text,) = outlines(fine)
    assert ring(text).buffer(1e-5).covers(fine)
    two = MultiPolygon([AREA, box(-75, 38, -74.8, 38.2)])
    with serving([]) as (url, handler):
        find(url, area=two)
    assert dict(handler.asked[0])["options[polygon][or]"] == "true"
    assert math.isclose(sum(ring(text).area for text in outlines(two)), two.area, rel_tol=1e-9)


def item(number: int, **changes: Any) -> Item:
    told = {"updated": "2024-06-01", "bytes": 7, "checksum": None} | changes
    return Item(
        f"g{number}", f"https://example.org/{number}", "us", f"2024-01-{number:02d}", **told
    )


def test_a_manifest_is_rewritten_only_where_something_changed(tmp_path: Path) -> None:
    path = tmp_path / "grd.jsonl"
    assert write_manifest([item(2), item(1), item(2)], path)
    before = path.stat().st_mtime_ns
    assert not write_manifest([item(1), item(2)], path)
    assert path.stat().st_mtime_ns == before
    assert read_manifest(path) == [item(1), item(2)]
    assert write_manifest([item(1), item(2, checksum="md5:0")], path)
    path.write_text('{"id": 1}\n')
    with pytest.raises(LoamError, match=r"grd.jsonl: is no manifest \(TypeError\); remove it"):
        read_manifest(path)
