"""A trained run behind HTTP: a JSON API, the Open Inference Protocol, metrics and a page; everything in one process."""
