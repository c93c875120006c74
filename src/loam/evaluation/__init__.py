"""How good the maps are: samples, baselines, metrics and scores under four splits."""
