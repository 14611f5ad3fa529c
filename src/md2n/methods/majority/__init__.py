"""Majority: the model and its settings."""
