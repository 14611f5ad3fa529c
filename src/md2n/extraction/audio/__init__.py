"""The acoustic front end ``covarep-like@1``: 74 measures of the voice every 10 ms, in NumPy and SciPy.

One module per object: the signal at 16 kHz (``frames``), all-pole models (``linear_prediction``), pitch (``pitch``),
glottal closures (``closures``), the glottal flow (``inverse_filter``) and its measures (``glottal``), wavelets
(``wavelets``), pitch-adaptive spectra (``spectra``), the LF model (``liljencrants_fant``) and its shape (``rd``), the
spectral envelope (``envelope``), phase distortion (``phase``); ``front_end`` puts them in columns.

Written from the publications named at each measure; no code of COVAREP (GPL/LGPL) is used.
"""

from md2n.extraction.audio.columns import COLUMNS, NAMES, Column
from md2n.extraction.audio.front_end import NAME, AcousticFeatures, covarep_like

__all__ = ["COLUMNS", "NAME", "NAMES", "AcousticFeatures", "Column", "covarep_like"]
