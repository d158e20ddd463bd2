"""Splits: reproducible, disjoint, complete, kept in a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atnn.data import Frames, concatenate, duplicate_groups, load_split, save_split, split
from atnn.errors import DataError


@given(st.integers(10, 300), st.floats(0.15, 0.7), st.integers(0, 10))
def test_fractions_cover_everything_once(count, fraction, seed):
    parts = split(count, {"train": fraction, "test": 1 - fraction}, seed)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    assert abs(len(parts["train"]) - fraction * count) <= 0.5 + 1e-9


def test_the_seed_decides():
    a, b, c = (split(100, {"train": 0.5, "test": 0.5}, seed) for seed in (1, 1, 2))
    assert np.array_equal(a["train"], b["train"]) and not np.array_equal(a["train"], c["train"])


def test_numbers_of_structures_are_met_exactly():
    parts = split(100, {"train": 90, "validation": 5}, 0)
    assert [len(part) for part in parts.values()] == [90, 5]
    assert not set(parts["train"]) & set(parts["validation"])


def test_groups_are_never_torn_apart():
    groups = np.random.default_rng(0).integers(0, 12, 60)
    parts = split(60, {"train": 0.6, "validation": 0.2, "test": 0.2}, 3, groups)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(60))
    owners = [set(groups[part]) for part in parts.values()]
    assert not owners[0] & owners[1] and not owners[1] & owners[2] and not owners[0] & owners[2]


def test_duplicates_share_a_group(random_labelled):
    batch = random_labelled(0, count=4)
    groups = duplicate_groups(Frames(concatenate([batch, batch])))
    assert np.array_equal(groups[:4], groups[4:]) and len(set(groups)) == 4


def test_a_split_survives_its_file(tmp_path):
    parts = split(20, {"train": 15, "test": 5}, 0)
    save_split(tmp_path / "split.json", parts, 20, 0)
    loaded = load_split(tmp_path / "split.json", 20)
    assert all(np.array_equal(parts[name], loaded[name]) for name in parts)
    with pytest.raises(DataError, match="for 20 structures, the data set has 21"):
        load_split(tmp_path / "split.json", 21)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": "atnn-split", "version": 1, "count": 3, "parts": {"a": [0, 1], "b": [1]}}', "overlap"),
        ('{"format": "atnn-split", "version": 1, "count": 3, "parts": {"a": [0, 7]}}', "outside"),
        ('{"format": "atnn-split", "version": 2, "count": 3, "parts": {}}', "version 2"),
        ("[1, 2", "no split"),
        ("[]", "no split"),
    ],
)
def test_a_split_that_makes_no_sense_is_an_error(tmp_path, content, message):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_split(tmp_path / "split.json")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"a": 0.5, "b": 0.4}, "sum to 0.9"),
        ({"a": 11, "b": 4}, "15 structures asked for"),
        ({}, "without parts"),
        ({"a": 1.5, "b": -0.5}, "negative"),
        ({"a": 0.99, "b": 0.01}, "'b' of 10 structures is empty"),
    ],
)
def test_an_impossible_split_is_an_error(parts, message):
    with pytest.raises(DataError, match=message):
        split(10, parts, 0)
