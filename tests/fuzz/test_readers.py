"""Text that hypothesis damages, in one place or in several: it is read as sound structures, or refused."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atnn.errors import AtnnError
from atnn.quantities import QUANTITIES
from atnn.reading import open_dataset
from atnn.structures import Labelled
from atnn.training import load_config
from fuzz.mutations import BYTES, TEXT, WORDS
from fuzz.samples import CONFIG, FIREANN, REANN, RUNNER

DECLARED: dict[str, Any] = {"units": {"energy": "eV", "length": "Angstrom"}}
EXTXYZ = """3
Lattice="9 0 0 0 9.5 0 0 0 10" Properties=species:S:1:pos:R:3:forces:R:3 energy=-1.5 charge=1 pbc="T T F"
O 1.0 1.0 1.1 0.1 0.2 0.3
H 1.0 1.76 0.53 -0.1 -0.2 -0.3
H 1.0 0.24 0.53 0.0 0.0 0.0
"""
READERS = {
    "extxyz": ("data.xyz", EXTXYZ + EXTXYZ.replace("-1.5", "-1.4"), {}),
    "runner": ("input.data", RUNNER, DECLARED),
    "reann": ("configuration", REANN * 2, DECLARED),
    "fireann": ("configuration", FIREANN * 2, DECLARED),
}
MUTATIONS = sorted({*BYTES, *TEXT}, key=lambda mutation: mutation.__name__)
SOURCES = st.randoms(use_true_random=False)  # hypothesis makes each choice, and so finds the smallest damage
STEPS = st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=4)


def damage(content: bytes, steps: list[Callable], source: random.Random) -> bytes:
    """Several kinds of damage, one after the other."""
    for step in steps:
        if step in BYTES:
            content = step(source, content)
        else:
            content = step(source, content.decode(errors="surrogateescape")).encode(errors="surrogateescape")
    return content


def check_sound(found: Labelled) -> None:
    """What training and dynamics take for granted of everything that a reader accepts."""
    structures = found.structures
    assert torch.isfinite(structures.positions).all() and torch.isfinite(structures.cell).all()
    assert ((structures.numbers > 0) & (structures.numbers < 119)).all() and (structures.counts > 0).all()
    for name, values in found.labels.items():
        mask = found.masks[name]
        rows = mask[structures.batch] if QUANTITIES[name].axis == "atom" else mask
        assert len(values) == len(rows) and torch.isfinite(values[rows]).all(), name


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=30)
@given(steps=STEPS, source=SOURCES)
def test_damaged_files_are_read_as_sound_structures_or_refused(tmp_path, name, steps, source):
    file, text, options = READERS[name]
    path = tmp_path / file
    path.write_bytes(damage(text.encode(), steps, source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = open_dataset(path, **options)
            found = data[np.arange(len(data))]
        except AtnnError as error:
            assert str(error).strip() and error.what
            return
    check_sound(found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_the_files_are_sound_before_they_are_damaged(tmp_path, name):
    """Otherwise the test above would only ask how errors sound."""
    file, text, options = READERS[name]
    (tmp_path / file).write_text(text)
    data = open_dataset(tmp_path / file, **options)
    assert len(data) == 2 and data.summary.labels.keys() >= {"energy", "forces"}
    check_sound(data[np.arange(2)])


@given(steps=STEPS, source=SOURCES)
def test_damaged_configurations_are_read_or_refused(tmp_path, steps, source):
    (tmp_path / "config.yaml").write_bytes(damage(CONFIG.encode(), steps, source))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert load_config(tmp_path / "config.yaml").training.epochs >= 1
        except AtnnError as error:
            assert error.what


PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12)
VALUES = st.one_of(st.sampled_from(WORDS), st.floats().map(str), st.integers().map(str), PLAIN)
KNOWN = ["energy", "charge", "spin", "pbc", "Lattice", "stress", "dipole", "Properties"]
KEYS = st.one_of(st.sampled_from(KNOWN), PLAIN)


@given(pairs=st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["", '"', "'", "{"])), max_size=5))
@example([("energy", "1_0", "")])
def test_any_comment_of_extended_xyz_is_read_or_refused(tmp_path, pairs):
    ends = {"{": "}"}
    comment = " ".join(f"{key}={quote}{value}{ends.get(quote, quote)}" for key, value, quote in pairs)
    (tmp_path / "data.xyz").write_text(f"1\n{comment}\nH 0.0 0.5 1.0\n", encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = open_dataset(tmp_path / "data.xyz")
        except AtnnError as error:
            assert "data.xyz" in str(error)
            return
        check_sound(data[np.arange(len(data))])
