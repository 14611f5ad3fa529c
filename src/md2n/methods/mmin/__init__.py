"""MMIN: the model and its settings."""
