"""From raw clips to feature sequences: words, faces and voices measured by named, versioned front ends.

The paper starts from BERT states, Facet action units and COVAREP measures.  The front ends here are md2n's own and
are named so: ``covarep-like@1`` is not COVAREP, ``geoAU@1`` is not Facet; how near they come is measured in ``docs``.
"""
