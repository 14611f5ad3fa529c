"""GCNet: the model and its settings."""
