"""DCCA and DCCAE: the model and its settings."""
