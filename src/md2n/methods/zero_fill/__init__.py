"""``zero_fill``: the model."""
