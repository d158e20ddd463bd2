"""Damage to text and bytes. Every function takes a generator and the content, and gives other content."""

from __future__ import annotations

import random
from collections.abc import Callable

WORDS = (
    *("nan", "inf", "-inf", "1e400", "1e300", "1e-320", "-1", "0", "-0", "1e9", "1000000000", "9" * 40, "2" * 5000),
    *("x", "null", "true", "T F", "1_0", "0x10", "1,5", "--1", "1.5.2", "½", "é", "🜁", "٣", "O2", "X", "Uuo"),
    *("[", "[[[[", "{", "}", '"', "'", "=", ":", "*", "&a", "*a", "!!python/object:os.system", "#", "\\", "%s", "\x00"),
)
ODD_CHARACTERS = ("\x00", "\ufeff", "\u2028", "½", "é", "🜁", "\x1b", "\t", "\r", "\x0c", "\u00a0", "'", '"', "=")


def flip_bit(rng: random.Random, content: bytes) -> bytes:
    """One bit is the other one."""
    place = rng.randrange(len(content)) if content else 0
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :] if content else b"a"


def flip_bytes(rng: random.Random, content: bytes) -> bytes:
    """Up to 16 neighboring bytes are random."""
    place = rng.randrange(len(content) + 1)
    noise = rng.randbytes(rng.randint(1, 16))
    return content[:place] + noise + content[place + len(noise) :]


def zero_bytes(rng: random.Random, content: bytes) -> bytes:
    """Up to 512 neighboring bytes are zero, as after a power cut."""
    place, count = rng.randrange(len(content) + 1), min(rng.randint(1, 512), len(content))
    return content[:place] + bytes(count) + content[place + count :]


def truncate(rng: random.Random, content: bytes) -> bytes:
    """The end is missing."""
    return content[: rng.randrange(len(content) + 1)]


def cut_out(rng: random.Random, content: bytes) -> bytes:
    """A piece of the middle is missing."""
    place = rng.randrange(len(content) + 1)
    return content[:place] + content[place + rng.randint(1, 64) :]


def repeat_piece(rng: random.Random, content: bytes) -> bytes:
    """A piece comes twice."""
    start = rng.randrange(len(content) + 1)
    end = min(len(content), start + rng.randint(1, 200))
    return content[:end] + content[start:end] + content[end:]


def empty(rng: random.Random, content: bytes) -> bytes:
    """Nothing."""
    return b""


def append_noise(rng: random.Random, content: bytes) -> bytes:
    """Random bytes follow."""
    return content + rng.randbytes(rng.randint(1, 100))


BYTES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(flip_bit, flip_bit, flip_bytes, zero_bytes, truncate, truncate, cut_out, repeat_piece, empty, append_noise),
)


def replace_word(rng: random.Random, text: str) -> str:
    """One word of a line is another."""
    return _edit_word(rng, text, lambda words, at: [*words[:at], rng.choice(WORDS), *words[at + 1 :]])


def replace_value(rng: random.Random, text: str) -> str:
    """What follows an equals sign or a colon is another value."""
    places = [i for i, letter in enumerate(text) if letter in "=:"]
    if not places:
        return replace_word(rng, text)
    start = rng.choice(places) + 1
    end = start
    while end < len(text) and text[end] not in " \n,}":
        end += 1
    return text[:start] + rng.choice(WORDS) + text[end:]


def drop_word(rng: random.Random, text: str) -> str:
    """One word of a line is missing."""
    return _edit_word(rng, text, lambda words, at: words[:at] + words[at + 1 :])


def repeat_word(rng: random.Random, text: str) -> str:
    """One word of a line comes twice."""
    return _edit_word(rng, text, lambda words, at: words[: at + 1] + words[at:])


def drop_line(rng: random.Random, text: str) -> str:
    """A line is missing."""
    return _edit_lines(rng, text, lambda lines, at: lines[:at] + lines[at + 1 :])


def repeat_line(rng: random.Random, text: str) -> str:
    """A line comes twice."""
    return _edit_lines(rng, text, lambda lines, at: lines[: at + 1] + lines[at:])


def exchange_lines(rng: random.Random, text: str) -> str:
    """A line comes at the beginning."""
    return _edit_lines(rng, text, lambda lines, at: [lines[at], *lines[:at], *lines[at + 1 :]])


def insert_character(rng: random.Random, text: str) -> str:
    """A character comes in that nobody expects."""
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(ODD_CHARACTERS) + text[place:]


def foreign_line_ends(rng: random.Random, text: str) -> str:
    """Lines end as on Windows or on old Macs."""
    return text.replace("\n", rng.choice(["\r\n", "\r", "\n\n", "\n\r"]))


def stretch_line(rng: random.Random, text: str) -> str:
    """A line has a million letters."""
    return _edit_lines(rng, text, lambda lines, at: [*lines[:at], lines[at] + rng.choice("1 x[,") * 10**6, *lines[at:]])


TEXT: tuple[Callable[[random.Random, str], str], ...] = (
    *(replace_word, replace_word, replace_value, replace_value, drop_word, repeat_word, drop_line, repeat_line),
    *(exchange_lines, insert_character, foreign_line_ends, stretch_line),
)


def damage_bytes(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Damaged bytes and the name of the damage."""
    mutation = rng.choice(BYTES)
    return mutation(rng, content), mutation.__name__


def damage_text(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Damaged text, by letters more often than by bytes, and the name of the damage."""
    if rng.random() < 0.2:
        return damage_bytes(rng, content)
    mutation = rng.choice(TEXT)
    return mutation(rng, content.decode()).encode("utf-8", "surrogatepass"), mutation.__name__


def _edit_word(rng: random.Random, text: str, edit: Callable[[list[str], int], list[str]]) -> str:
    def edit_line(lines: list[str], at: int) -> list[str]:
        words = lines[at].split(" ")
        return [*lines[:at], " ".join(edit(words, rng.randrange(len(words)))), *lines[at + 1 :]]

    return _edit_lines(rng, text, edit_line)


def _edit_lines(rng: random.Random, text: str, edit: Callable[[list[str], int], list[str]]) -> str:
    lines = text.split("\n")
    return "\n".join(edit(lines, rng.randrange(len(lines))))
