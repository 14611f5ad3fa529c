"""``python -m tests.fuzz N``: N mutations of every target, from a seed onward; ends with 1 where one of them failed."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.campaign import NAMES, attack
from tests.fuzz.targets import targets

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
parser.add_argument("count", type=int, help="mutations of each target")
parser.add_argument("--first", type=int, default=1000, help="the first seed")
parser.add_argument("--only", default="", help="targets whose name holds this")
asked = parser.parse_args()

with tempfile.TemporaryDirectory() as folder:
    made = targets(Path(folder))
    failures = 0
    for name in (n for n in NAMES if asked.only in n):
        wrong = attack(name, made[name], range(asked.first, asked.first + asked.count))
        failures += len(wrong)
        print(f"{name}: {asked.count} mutations, {len(wrong)} failures", *wrong, sep="\n  ", flush=True)
sys.exit(failures > 0)
