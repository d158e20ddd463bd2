"""Symmetry functions against dscribe, an independent implementation, and against their definition."""

import itertools
import math

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.errors import SpecificationError
from atnn.functions import Species
from atnn.model import ModelSpecification, group_elements
from atnn.neighbors import edges, neighbor_pairs
from atnn.representations import ACSF, ACSFSpecification
from atnn.specification import parse
from atnn.structures import Structures
from contracts.models import features, small_model
from systems import crystal, ethanol, slab, water_box

RADIAL = ((0.3, 0.0), (2.0, 1.5), (9.0, 2.25))
ANGULAR = ((0.05, 1, 1), (0.05, 2, -1), (0.4, 4, 1), (0.4, 16, -1), (1.0, 1, -1))


def sums(atoms, elements, **changes):
    """G2 [atoms, kinds, functions] and G4, G5 [atoms, kind pairs, functions]."""
    representation = ACSF(ACSFSpecification(**changes), Species(elements)).double()
    structures = Structures.from_ase(atoms)
    index = torch.bucketize(structures.numbers, torch.tensor(elements))
    pairs = edges(structures, neighbor_pairs(structures, representation.cutoff))
    return [part.numpy() for part in representation.sums(pairs, group_elements(index, len(elements)))]


@pytest.mark.parametrize(
    ("atoms", "elements"),
    [(ethanol(), (1, 6, 8)), (crystal(), (6, 14)), (slab("CH3OH"), (1, 6, 8, 29)), (water_box(), (1, 3, 8))],
    ids=["molecule", "crystal", "slab", "water"],
)
def test_all_functions_equal_those_of_dscribe(atoms, elements):
    descriptors = pytest.importorskip("dscribe.descriptors")
    triple = [list(function) for function in ANGULAR]
    oracle = descriptors.ACSF(
        r_cut=4.0, g2_params=RADIAL, g4_params=triple, g5_params=triple, species=elements, periodic=atoms.pbc.any()
    ).create(atoms)
    settings = {"cutoff": 4.0, "envelope": "cosine", "reach": "both", "radial": RADIAL, "angular": ANGULAR}
    radial, angular = sums(atoms, elements, **settings)
    split = len(elements) * (
        1 + len(RADIAL)
    )  # dscribe puts the sum of the cutoff function before those of each element
    expected = oracle[:, :split].reshape(len(atoms), len(elements), -1)[:, :, 1:]
    np.testing.assert_allclose(radial, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(angular.reshape(len(atoms), -1), oracle[:, split:], rtol=1e-6, atol=1e-9)
    assert np.abs(angular).max() > 0.1


def test_weighted_functions_equal_their_definition():
    atoms, cutoff = ethanol(), 4.0
    settings = {"cutoff": cutoff, "envelope": "cosine", "radial": RADIAL, "angular": ANGULAR, "weighted": True}
    radial, angular = sums(atoms, (1, 6, 8), **settings)
    numbers, distances = atoms.numbers, atoms.get_all_distances()

    def cut(r):
        return 0.5 * (math.cos(math.pi * r / cutoff) + 1) if r < cutoff else 0.0

    for i in range(len(atoms)):
        others = [j for j in range(len(atoms)) if j != i]
        for m, (eta, shift) in enumerate(RADIAL):
            terms = (
                numbers[j] * math.exp(-eta * (distances[i, j] - shift) ** 2) * cut(distances[i, j]) for j in others
            )
            assert radial[i, 0, m] == pytest.approx(sum(terms), rel=1e-6)
        for m, (eta, zeta, sign) in enumerate(ANGULAR):
            total = 0.0
            for j, k in itertools.combinations(others, 2):
                sides = distances[i, j], distances[i, k], distances[j, k]
                cosine = math.cos(math.radians(atoms.get_angle(j, i, k)))
                value = numbers[j] * numbers[k] * 2 ** (1 - zeta) * (1 + sign * cosine) ** zeta
                total += value * math.exp(-eta * sum(r**2 for r in sides)) * math.prod(cut(r) for r in sides)
            assert angular[i, 0, m] == pytest.approx(total, rel=1e-5, abs=1e-9)


def test_the_default_cutoff_function_is_the_square_of_behlers():
    dimer = Atoms("CO", positions=[[0, 0, 0], [2.1, 0, 0]])
    squared, plain = (
        sums(dimer, (6, 8), radial=RADIAL, envelope=envelope)[0] for envelope in ("cosine_squared", "cosine")
    )
    factor = 0.5 * (math.cos(math.pi * 2.1 / 5.0) + 1)
    np.testing.assert_allclose(squared, factor * plain, rtol=1e-6)


def test_elements_only_name_the_functions():
    """What a function is called by depends on the elements, its value does not."""
    atoms, swapped = ethanol(), ethanol()
    swapped.numbers = np.array([{1: 8, 6: 6, 8: 1}[z] for z in atoms.numbers])
    radial, angular = sums(atoms, (1, 6, 8))
    other_radial, other_angular = sums(swapped, (1, 6, 8))
    np.testing.assert_allclose(other_radial[:, [2, 1, 0]], radial, rtol=1e-10, atol=1e-14)
    # (1,1) (1,6) (6,6) (1,8) (6,8) (8,8)
    np.testing.assert_allclose(other_angular[:, [5, 4, 2, 3, 1, 0]], angular, rtol=1e-10, atol=1e-14)


def test_elements_that_are_absent_have_functions_that_are_zero():
    radial, angular = sums(ethanol(), (1, 6, 7, 8))
    assert np.abs(radial[:, 2]).max() == 0 and np.abs(radial[:, [0, 1, 3]]).min(0).max() > 0.1
    assert np.abs(angular[:, [3, 4, 5, 8]]).max() == 0


@pytest.mark.parametrize("weighted", [False, True])
def test_features_are_of_the_size_of_one(weighted):
    """Not of the range of the sums, which spans orders of magnitude."""
    model = small_model("acsf", elements=(1, 8), radial=12, angular=3, weighted=weighted)
    water = water_box(3)
    model.representation.neighbor_count.fill_(26.0)  # within 4 Angstrom at 1 g/cm^3
    spread = features(model, water).nodes[0][:, 0].std(0)
    assert spread.max() < 5 and spread.median() > 0.05


def test_numbers_of_functions_become_sets_that_cover_the_distances():
    shifted = ACSFSpecification(radial=8, cutoff=4.8).radial_functions()
    assert [f.shift for f in shifted] == pytest.approx([0.8 + 0.5 * m for m in range(8)])
    assert {round(f.eta, 9) for f in shifted} == {2.0}
    centered = ACSFSpecification(radial=4, grid="centered").radial_functions()
    assert [f.eta * 25 for f in centered] == pytest.approx([1, 2, 4, 8])
    angular = ACSFSpecification(angular=2, zetas=(1, 4)).angular_functions()
    assert len(set(angular)) == len(angular) == 8


def test_sizes_follow_from_the_elements():
    count = {"radial": 5, "angular": 2, "zetas": (1,), "reach": "both"}
    assert ACSF(ACSFSpecification(**count), Species((1, 6, 8))).channels == (3 * 5 + 6 * 8,)
    assert ACSF(ACSFSpecification(**count, weighted=True), Species((1, 6, 8))).channels == (5 + 8,)
    assert ACSF(ACSFSpecification(angular=0), Species((1, 6))).channels == (2 * 16,)


def test_radial_functions_alone_make_a_model():
    model = small_model("acsf", angular=0)
    assert features(model, ethanol()).nodes[0].shape == (9, 1, 25)


def test_lists_of_functions_survive_json():
    specification = ModelSpecification(
        elements=(1, 8), representation={"name": "acsf", "radial": RADIAL, "angular": ANGULAR}
    )
    assert ModelSpecification.model_validate_json(specification.model_dump_json()) == specification


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("radial", 0, "1 to 256"),
        ("radial", [], "1 to 256"),
        ("radial", [[-1.0, 0.0]], "eta must be positive"),
        ("radial", [[0.0, 1.0]], "eta must be positive"),
        ("radial", [[1.0, -0.5]], "shift must not be negative"),
        ("radial", [[1.0, 5.0]], "smaller than `cutoff`"),
        ("radial", [[1.0, 2.0], [1.0, 2.0]], "given twice"),
        ("angular", -1, "0 to 256"),
        ("angular", [[-0.1, 1, 1]], "eta must not be negative"),
        ("angular", [[0.1, 0, 1]], "zeta must be a whole number from 1"),
        ("angular", [[0.1, 1.5, 1]], "integer"),
        ("angular", [[0.1, 1, 2]], "-1 or 1"),
        ("angular", [[0.1, 1, 1], [0.1, 1, 1]], "given twice"),
        ("zetas", [1, 0], "zeta must be a whole number from 1"),
        ("zetas", [], "at least one"),
        ("zetas", [2, 2], "given twice"),
        ("lambdas", [0], "-1 or 1"),
        ("lambdas", [1, 1], "given twice"),
        ("closest", 5.0, "smaller than `cutoff`"),
        ("reach", "long", "'narrow', 'wide' or 'both'"),
        ("grid", "even", "'shifted' or 'centered'"),
        ("envelope", "tanh", "'cosine_squared' or 'cosine'"),
    ],
)
def test_nonsense_is_refused_by_name(field, value, message):
    with pytest.raises(SpecificationError, match=message) as refusal:
        parse(ACSFSpecification, {field: value})
    assert field in str(refusal.value)


@pytest.mark.parametrize("functions", [{"radial": [[500.0, 0.0]]}, {"angular": [[0.1, 1, 1], [40.0, 2, -1]]}])
def test_functions_that_are_zero_everywhere_are_refused(functions):
    with pytest.raises(SpecificationError, match=f"{next(iter(functions))}.*vanishes"):
        ACSF(ACSFSpecification(**functions), Species((1, 8)))


def test_many_narrow_functions_have_one_size():
    representation = ACSF(ACSFSpecification(radial=100), Species((1,)))
    ratios = (representation.radial_squares[1:] / representation.radial_squares[:-1])[5:60]
    assert ratios.min() > 0.8 and ratios.max() < 1.2
