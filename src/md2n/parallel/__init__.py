"""Training in several processes: what they say to one another, and what each of them works out."""
