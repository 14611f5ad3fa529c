"""ICDN: the model and its settings."""
