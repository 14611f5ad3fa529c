"""``mean_fill``: the model."""
