"""Limits that keep work and memory bounded, whatever a user names."""

MOST_PIXELS = 10**9  # of a grid: 632 km x 632 km in pixels of 20 m
