"""Daily, wall-to-wall maps of surface soil moisture from Sentinel-1, as one Snakemake workflow."""

__version__ = "0.1.0"
