"""Splits, patches, and the ConvLSTM that learns daily maps from labels."""
