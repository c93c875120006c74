"""Data providers: one adapter each, from their files to Loam's names, units and dimensions."""
