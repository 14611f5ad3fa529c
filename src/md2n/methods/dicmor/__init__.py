"""DiCMoR: the model and its settings."""
