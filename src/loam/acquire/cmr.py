"""Search in NASA's Common Metadata Repository: Sentinel-1 at the Alaska Satellite Facility, OPERA, MODIS.

Its own API, not its STAC, which is slow and loses pages. Pages are asked for by `CMR-Search-After`; what has come is counted against
`CMR-Hits`, since a search that comes back short looks like success.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from loam.acquire.manifest import Item
from loam.acquire.transfer import Politeness, bare, patiently, require_answer
from loam.config.base import Period
from loam.core.errors import LoamError

URL = "https://cmr.earthdata.nasa.gov/search/granules.umm_json"
PAGE = 2000
MOST_CORNERS = 300  # of the outline that is sent; a finer one is replaced by its hull
ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256"}


@dataclass(frozen=True)
class Collection:
    """What to search for."""

    short_names: tuple[str, ...]
    service: str  # who holds the files, for messages
    suffixes: tuple[str, ...]  # of the files that are wanted
    timeless: bool = False  # of one fixed date, as static layers are: the period does not matter


GRD = Collection(
    ("SENTINEL-1A_DP_GRD_HIGH", "SENTINEL-1B_DP_GRD_HIGH", "SENTINEL-1C_DP_GRD_HIGH"),
    "Alaska Satellite Facility",
    (".zip",),
)
OPERA_RTC = Collection(
    ("OPERA_L2_RTC-S1_V1",), "Alaska Satellite Facility", ("_VV.tif", "_VH.tif", "_mask.tif")
)
OPERA_STATIC = Collection(
    ("OPERA_L2_RTC-S1-STATIC_V1",),
    "Alaska Satellite Facility",
    ("_local_incidence_angle.tif", "_number_of_looks.tif"),
    timeless=True,
)


def search(
    collection: Collection,
    area: Polygon | MultiPolygon,
    period: Period,
    session: requests.Session,
    politeness: Politeness | None = None,
    url: str = URL,
) -> list[Item]:
    """Files of a collection that show a part of an area within a period.

    Args:
        collection: what to search for.
        area: longitude and latitude [degree].
        period: first and last day.
        session: no sign-in is needed to search.
        politeness: how often and how long to try.
        url: of the service.

    Raises:
        LoamError: the service refuses or does not answer, or fewer items come than it counts.
    """
    asked = [("short_name", name) for name in collection.short_names]
    asked += [("polygon", outline) for outline in outlines(area)]
    asked += [("page_size", str(PAGE)), ("sort_key", "start_date")]
    if len(asked) > len(collection.short_names) + 3:  # several outlines: any of them, not all
        asked.append(("options[polygon][or]", "true"))
    if not collection.timeless:
        days = f"{period.start}T00:00:00Z,{period.end}T23:59:59Z"
        asked.append(("temporal", days))
    granules = list(_granules(asked, session, politeness or Politeness(), url, collection))
    return [item for granule in granules for item in items_of(granule, collection)]


def outlines(area: Polygon | MultiPolygon) -> list[str]:
    """Outlines as the service takes them: counter-clockwise, closed, longitude and latitude in turn.

    Args:
        area: longitude and latitude [degree].
    """
    parts = list(area.geoms) if isinstance(area, MultiPolygon) else [area]
    if sum(len(part.exterior.coords) for part in parts) > MOST_CORNERS:
        parts = [area.convex_hull.simplify(0)]
    rings = [orient(part, 1.0).exterior.coords for part in parts]
    return [",".join(f"{value:.6f}" for point in ring for value in point[:2]) for ring in rings]


def _granules(
    asked: Sequence[tuple[str, str]],
    session: requests.Session,
    polite: Politeness,
    url: str,
    collection: Collection,
) -> Iterator[Mapping[str, Any]]:
    """All granules, page by page, counted."""
    after, hits, came = None, 0, 0
    while True:
        headers: dict[str, str] = {} if after is None else {"CMR-Search-After": after}
        page, found = patiently(
            partial(_page, asked, headers, session, polite, url),
            f"{bare(url)}: NASA's catalogue",
            polite,
        )
        after, hits, came = found.get("CMR-Search-After"), int(found["CMR-Hits"]), came + len(page)
        yield from page
        if not page or after is None:
            break
    if came != hits:
        msg = (
            f"{bare(url)}: the search for {', '.join(collection.short_names)} found {hits} items, but {came} came; run the same "
            "command again"
        )
        raise LoamError(msg)


def _page(
    asked: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    session: requests.Session,
    polite: Politeness,
    url: str,
) -> tuple[list[Mapping[str, Any]], Mapping[str, str]]:
    limits = (polite.connect_s, polite.silence_s)
    with session.post(url, data=list(asked), headers=dict(headers), timeout=limits) as answer:
        require_answer(answer, url, "NASA's catalogue")
        try:
            items = answer.json()["items"]
            int(answer.headers["CMR-Hits"])
        except (ValueError, LookupError, TypeError):
            msg = f"{bare(url)}: answers with something else than a search; look whether NASA's catalogue is being maintained"
            raise LoamError(msg) from None
        return items, answer.headers


def items_of(granule: Mapping[str, Any], collection: Collection) -> Iterator[Item]:
    """Files of a granule that are wanted, with size and checksum where the catalogue tells them.

    Args:
        granule: one of `items` of an answer in UMM-JSON.
        collection: whose files are wanted.
    """
    umm, meta = granule["umm"], granule["meta"]
    archive = umm.get("DataGranule", {}).get("ArchiveAndDistributionInformation", [])
    told = {each.get("Name"): each for each in archive}
    start = umm["TemporalExtent"]["RangeDateTime"]["BeginningDateTime"]
    for link in umm.get("RelatedUrls", []):
        address = link["URL"]
        wanted = link.get("Type", "").startswith("GET DATA") and address.startswith("http")
        if not wanted or not bare(address).endswith(collection.suffixes):
            continue
        of_file = told.get(bare(address).rpartition("/")[2], {})
        checksum = of_file.get("Checksum", {})
        kind = ALGORITHMS.get(str(checksum.get("Algorithm", "")).upper())
        yield Item(
            umm["GranuleUR"],
            address,
            collection.service,
            start,
            meta["revision-date"],
            of_file.get("SizeInBytes"),
            f"{kind}:{str(checksum['Value']).lower()}" if kind else None,
        )
