"""Methods: each has a folder with its model and its settings; ``parts`` holds what several methods share."""
