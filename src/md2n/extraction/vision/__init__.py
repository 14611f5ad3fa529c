"""The visual front end ``geoAU@1``: 35 measures of a face in every picture of a video.

One module per object: the models and where they are kept (``models``), a square of a picture (``region``), faces in a
picture (``detector``), one face through a video (``tracker``), the table of what is measured (``columns``), its
computation (``measures``), the extractor (``geo_au``).

Everything around the two networks (anchors, decoding, regions, tracking, geometry) is written here from the models'
published description.
"""
