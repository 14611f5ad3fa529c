"""MCTN: the model and its settings."""
