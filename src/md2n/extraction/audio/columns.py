"""The 74 columns of ``covarep-like@1``: name, unit and source of each, in COVAREP's order.

COVAREP (Degottex, Kane, Drugman, Raitio and Scherer, ICASSP 2014) is the toolkit whose columns the field's feature
files hold; the order here is theirs, so that a column index means the same in a file of ours and in one of theirs.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: as in COVAREP's files.
        unit: ``1`` where the measure has none.
        source: the publication that defines the measure.
        dead: always zero in this front end.
    """

    name: str
    unit: str
    source: str
    dead: bool = False


MCEP_COUNT = 25
HMPDM_COUNT = 25
HMPDD_COUNT = 13

GLOTTAL = ("NAQ", "QOQ", "H1H2", "PSP", "MDQ")
"""Measured at glottal closures, carried to the frames by linear interpolation."""

COLUMNS: tuple[Column, ...] = (
    Column("F0", "Hz", "Drugman & Alwan, Interspeech 2011 (summation of residual harmonics)"),
    Column("VUV", "0 or 1", "Drugman & Alwan, Interspeech 2011"),
    Column("NAQ", "1", "Alku, Backstrom & Vilkman, JASA 112 (2002): normalised amplitude quotient"),
    Column("QOQ", "1", "Hacki, Folia Phoniatrica 41 (1989): quasi-open quotient at half the flow's height"),
    Column("H1H2", "dB", "Hanson, JASA 101 (1997): first minus second harmonic of the flow derivative"),
    Column("PSP", "1", "Alku, Strik & Vilkman, Speech Communication 22 (1997): parabolic spectral parameter"),
    Column("MDQ", "1", "Kane & Gobl, IEEE TASLP 21 (2013): maxima dispersion quotient"),
    Column("peakSlope", "log10 per octave", "Kane & Gobl, Interspeech 2011"),
    Column("Rd", "1", "Fant 1995; Degottex, Roebel & Rodet, IEEE TASLP 19 (2011): phase minimisation"),
    Column("Rd_conf", "0 to 1", "as Rd: one minus the phase error over pi"),
    Column("creak", "1", "not measured", dead=True),
    *(
        Column(f"MCEP_{i}", "neper", "Roebel & Rodet, DAFx 2005 (true envelope), mel-warped cepstrum")
        for i in range(MCEP_COUNT)
    ),
    *(
        Column(f"HMPDM_{i}", "rad", "Degottex & Erro, EURASIP JASMP 2014: mean of the phase distortion")
        for i in range(HMPDM_COUNT)
    ),
    *(
        Column(f"HMPDD_{i}", "log rad", "Degottex & Erro, EURASIP JASMP 2014: deviation of the phase distortion")
        for i in range(HMPDD_COUNT)
    ),
)

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
INDEX: dict[str, int] = {name: index for index, name in enumerate(NAMES)}
