"""TransM: the model and its settings."""
