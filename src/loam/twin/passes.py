"""One pass of a satellite: when, which orbit, which slice, and what a product says about itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from loam.twin.frame import Frame

ORBITS_PER_CYCLE, CYCLE_DAYS = 175, 12
# Relative orbit = (absolute - offset) mod 175 + 1.
ORBIT_OFFSETS = {"S1A": 73, "S1B": 27, "S1C": 172}
# Absolute orbit number at a time: S1A and S1B by a product each. ASSUME: the twin's S1C counts from a day of its own, for the
# real one was not up yet in the years that a twin may cover.
COUNTED = {
    "S1A": (datetime(2021, 1, 19, 3, 17), 36201),
    "S1B": (datetime(2021, 12, 23, 5, 11), 30148),
    "S1C": (datetime(2015, 1, 1), 172),
}
DESIGNATORS = {"S1A": "2014-016A", "S1B": "2016-025A", "S1C": "2024-235A"}


@dataclass(frozen=True)
class Product:
    """What names and dates a product (one polarisation's image is one file in it)."""

    platform: str
    ascending: bool
    relative_orbit: int
    middle: datetime  # UTC at time 0 of the frame's orbit
    polarisations: tuple[str, ...]  # upper case
    ipf: str
    frame: Frame
    slice_number: int
    slices: int

    def utc(self, time_s: float) -> datetime:
        """UTC of a time of the frame, in whole microseconds."""
        return self.middle + timedelta(microseconds=round(time_s * 1e6))

    @property
    def start(self) -> datetime:
        """Zero-Doppler time of the first line."""
        return self.utc(self.frame.first_s)

    @property
    def stop(self) -> datetime:
        """Zero-Doppler time of the last line."""
        return self.utc(float(self.frame.times(self.frame.lines - 1)))

    @property
    def node_time(self) -> datetime:
        """When the satellite crossed the equator northwards."""
        return self.utc(-self.frame.orbit.since_node_s)

    @property
    def absolute_orbit(self) -> int:
        """Number of the orbit since launch: the one of this relative orbit that is nearest to the count by time."""
        when, count = COUNTED[self.platform]
        flown = count + (self.middle - when) / timedelta(days=CYCLE_DAYS) * ORBITS_PER_CYCLE
        first = ORBIT_OFFSETS[self.platform] + self.relative_orbit - 1
        return first + ORBITS_PER_CYCLE * max(0, round((flown - first) / ORBITS_PER_CYCLE))

    @property
    def cycle(self) -> int:
        """Number of the repeat cycle."""
        return self.absolute_orbit // ORBITS_PER_CYCLE + 1

    @property
    def datatake(self) -> int:
        """Number of the data take; ASSUME: eight an orbit."""
        return 8 * self.absolute_orbit + 1

    @property
    def stem(self) -> str:
        """Middle part of all file names: times, orbit and data take."""
        times = "-".join(f"{when:%Y%m%dt%H%M%S}" for when in (self.start, self.stop))
        return f"{times}-{self.absolute_orbit:06d}-{self.datatake:06x}"

    def file(self, band: str) -> str:
        """Name of a polarisation's files, without suffix."""
        number = self.polarisations.index(band) + 1
        return f"{self.platform.lower()}-iw-grd-{band.lower()}-{self.stem}-{number:03d}"

    def folder(self, checksum: str) -> str:
        """Name of the product's folder.

        Args:
            checksum: four hexadecimal digits.
        """
        kind = {("VV", "VH"): "DV", ("VV",): "SV"}[self.polarisations]
        times = "_".join(f"{when:%Y%m%dT%H%M%S}" for when in (self.start, self.stop))
        return f"{self.platform}_IW_GRDH_1S{kind}_{times}_{self.absolute_orbit:06d}_{self.datatake:06X}_{checksum}.SAFE"
