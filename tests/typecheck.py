"""The type checker of the test run: beartype, with the numeric tower of PEP 484 (an int is a float)."""

from typing import Any

from beartype import BeartypeConf, beartype

checked: Any = beartype(conf=BeartypeConf(is_pep484_tower=True))
