"""Parts that several methods share: backbone, latent recovery, filling, ridge regression."""
