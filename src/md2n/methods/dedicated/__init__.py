"""``dedicated``: the model."""
