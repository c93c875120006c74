"""Room `sar`: from Sentinel-1 products to gamma nought on the target grid."""
