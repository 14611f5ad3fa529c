"""``regression_fill``: the model."""
