"""What a configuration may say, one module per stage, and its loader. The values are in `config/default.yaml`."""

from loam.config.loader import as_json, load
from loam.config.root import Config

__all__ = ["Config", "as_json", "load"]
