"""The table of quantities does not contradict itself."""

from __future__ import annotations

from collections import Counter

import pytest

from atnn.quantities import QUANTITIES, Quantity, quantity
from atnn.units import FIELD, LENGTH, NUMBER, factor

ALL = list(QUANTITIES.values())


def test_no_key_names_two_quantities():
    keys = Counter(key for q in ALL for key in (q.name, *q.keys))
    assert [key for key, count in keys.items() if count > 1] == []


# Axis, shape and dimension of what quantities are differentiated by.
VARIABLES = {"positions": ("atom", (3,), LENGTH), "strain": (None, (3, 3), NUMBER), "field": (None, (3,), FIELD)}


@pytest.mark.parametrize("q", [q for q in ALL if q.derivative], ids=lambda q: q.name)
def test_a_derivative_has_the_shape_and_the_dimension_of_a_quotient(q):
    axis, shape, dimension = VARIABLES[q.derivative.by]
    of = QUANTITIES[q.derivative.of]
    both = "atom_pair" if axis == of.axis == "atom" else axis or of.axis
    assert q.axis == both and q.shape == (*of.shape, *shape)
    assert q.dimension == of.dimension / dimension / (LENGTH**3 if q.derivative.per_volume else NUMBER)
    assert q.parity == of.parity * (1 if q.derivative.by == "strain" else -1)


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_its_unit_is_the_one_of_the_package(q):
    assert q.named_unit or factor(q.dimension, q.unit) == 1.0


def test_only_numbers_with_a_unit_by_custom_have_one():
    assert QUANTITIES["shieldings"].unit == "ppm" and {q.name for q in ALL if q.named_unit} == {"shieldings"}
    assert Quantity("coordination", "atom", (), NUMBER, False, 0, 1).unit == "1"


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_its_shape_and_parity_fit_its_rank(q):
    assert q.shape == (3,) * q.rank
    assert not q.symmetric or q.rank >= 2
    assert q.parity == (-1) ** q.rank, "a pseudotensor needs its own test"


@pytest.mark.parametrize("q", ALL, ids=lambda q: q.name)
def test_the_unit_shown_to_people_is_the_unit_of_the_package_times_its_factor(q):
    if q.display is None:
        assert q.display_unit == f"m{q.unit}" and q.display_factor == 1e3
    else:
        assert (q.display_unit, q.display_factor) == q.display


def test_virial_and_stress_have_opposite_signs():
    assert quantity("virial").derivative.sign == -quantity("stress").derivative.sign


def test_an_unknown_quantity_lists_the_known_ones():
    with pytest.raises(KeyError, match="energy, forces"):
        quantity("enthalpy")
