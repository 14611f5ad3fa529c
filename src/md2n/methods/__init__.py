"""Methods: one folder each, with its model and its settings; ``parts`` is what several share."""
