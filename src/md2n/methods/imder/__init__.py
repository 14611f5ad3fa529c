"""IMDer: the model and its settings."""
