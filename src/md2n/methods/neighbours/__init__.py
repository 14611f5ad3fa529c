"""``neighbours``: the model."""
