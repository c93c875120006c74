"""Splits, patches and leak checks: the one place that says what may be seen by whom."""
