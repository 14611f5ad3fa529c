"""Small damage of the kinds that disks, networks and hostile people do to a file."""

import random
import re

NUMBERS = (b"0", b"-1", b"1e999", b"NaN", b"9" * 30, b"9" * 5000, b"4294967295", b"2147483648", b'"x"', b"null", b"[]")
WORDS = (b"\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"[" * 3000, b"{", b'"', b"\n", b",,,,", b"\xef\xbb\xbf")


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with one to four mutations: flipped bits, a cut, a splice, an insertion, or a swapped number."""
    for _ in range(rng.randint(1, 4)):
        content = rng.choice(KINDS)(content, rng) if content else rng.choice(WORDS)
    return content


def flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def splice(content: bytes, rng: random.Random) -> bytes:
    start, length, place = rng.randrange(len(content)), rng.randint(1, 64), rng.randrange(len(content))
    return content[:place] + content[start : start + length] + content[place + rng.choice((0, length)) :]


def insert(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + rng.choice(WORDS) + content[place:]


def swap_number(content: bytes, rng: random.Random) -> bytes:
    """Another number, or another kind of value, for one of the numbers in a text; four bytes in anything else."""
    places = list(re.finditer(rb"-?\d+(\.\d+)?", content[: 1 << 14]))
    if places and rng.random() < 0.7:
        chosen = rng.choice(places)
        return content[: chosen.start()] + rng.choice(NUMBERS) + content[chosen.end() :]
    place = rng.randrange(len(content))
    return content[:place] + rng.choice((b"\xff\xff\xff\x7f", b"\xff" * 8, b"\x00" * 4)) + content[place + 4 :]


KINDS = (flip, flip, truncate, splice, insert, swap_number, swap_number)
