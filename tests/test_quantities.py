"""The table of quantities does not contradict itself."""

from __future__ import annotations

from collections import Counter

import pytest

from atnn.quantities import QUANTITIES, quantity
from atnn.units import factor, units_of

ALL = list(QUANTITIES.values())


def test_no_key_names_two_quantities():
    keys = Counter(key for q in ALL for key in (q.name, *q.keys))
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_what_it_is_the_derivative_of_exists(q):
    assert (q.derivative_of is None) == (q.with_respect_to is None)
    assert q.derivative_of is None or q.derivative_of in QUANTITIES
    assert q.with_respect_to in (None, "positions", "strain", "field")
    assert q.sign in (1, -1) and q.parity in (1, -1)


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_its_unit_is_known_and_is_the_one_of_the_package(q):
    assert q.unit in units_of(q.dimension)
    assert factor(q.dimension, q.unit) == 1.0


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_its_shape_and_parity_fit_its_rank(q):
    assert q.shape == (3,) * q.rank
    assert q.parity == (-1) ** q.rank, "a pseudotensor needs its own test"


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_the_unit_shown_to_people_is_the_unit_of_the_package_times_its_factor(q):
    assert q.display_unit == f"m{q.unit}" and q.display_factor == 1e3


def test_virial_and_stress_have_opposite_signs():
    assert quantity("virial").sign == -quantity("stress").sign


def test_an_unknown_quantity_lists_the_known_ones():
    with pytest.raises(KeyError, match="energy, forces"):
        quantity("enthalpy")
