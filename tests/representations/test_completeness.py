"""Environments of a central atom that low body orders cannot tell apart, and ends that do not see each other.

The pairs are of the kinds found by S. N. Pozdnyakov et al., Phys. Rev. Lett. 2020, 125, 166001,
doi:10.1103/PhysRevLett.125.166001, constructed here anew.
"""

import numpy as np
import pytest
from ase import Atoms

from contracts.models import evaluate, features, small_model

# Differences on a circle of eight places occur equally often in both sets, which no rotation or mirror relates.
HOMOMETRIC = ((0, 1, 3, 4), (0, 1, 2, 5))
THREE_BODY = [("acsf", {}), ("eann", {}), ("eann", {"contraction": 6}), ("gmp", {}), ("reann", {"rounds": 0})]
MANY_BODY = [("reann", {"rounds": 1}), ("equireann", {"rounds": 1}), ("nemp", {"rounds": 1})]


def on_a_circle(places):
    angles = 2 * np.pi * np.array(places) / 8
    rim = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(places))], axis=1)
    return Atoms("C" + "H" * len(places), positions=np.concatenate([np.zeros((1, 3)), 1.1 * rim]))


def two_rings(sign):
    """Three atoms above, the same three turned and below, one on the axis on the side of ``sign``.

    Any three neighbors with the axial one are mapped by turns and mirrors from one sign to the other, as the
    differences of angles between the rings are the same up to their sign; only four together tell.
    """
    angles = np.array([0.0, 1.75, 4.53])
    rings = [
        np.stack([np.cos(angles + turn), np.sin(angles + turn), np.full(3, height)], axis=1)
        for turn, height in ((0.0, 0.3), (0.39, -0.3))
    ]
    return Atoms("CH6O", positions=np.concatenate([np.zeros((1, 3)), *rings, [[0, 0, 1.2 * sign]]]))


PAIRS = {
    "three-body": [on_a_circle(places) for places in HOMOMETRIC],
    "four-body": [two_rings(1), two_rings(-1)],
}


def difference(name, changes, pair):
    """Largest difference of the central atom's invariants, relative to their size."""
    a, b = (features(small_model(name, **changes), atoms).nodes[0][0, 0] for atoms in pair)
    return float((a - b).abs().max() / a.abs().max())


def tetrahedra(atoms, size):
    """Multiset of the distances between the center and ``size`` neighbors, sorted and rounded."""
    from itertools import combinations, permutations

    found = []
    for chosen in combinations(range(1, len(atoms)), size):
        shapes = []
        for order in permutations(chosen):
            index = [0, *order]
            distances = atoms.get_all_distances()[np.ix_(index, index)]
            shapes.append((tuple(atoms.numbers[index]), tuple(np.round(distances[np.triu_indices(size + 1)], 9))))
        found.append(min(shapes))
    return sorted(found)


def test_the_pairs_are_degenerate_in_the_stated_order_and_not_in_the_next():
    assert tetrahedra(PAIRS["three-body"][0], 2) == tetrahedra(PAIRS["three-body"][1], 2)
    assert tetrahedra(PAIRS["three-body"][0], 3) != tetrahedra(PAIRS["three-body"][1], 3)
    assert tetrahedra(PAIRS["four-body"][0], 3) == tetrahedra(PAIRS["four-body"][1], 3)
    assert tetrahedra(PAIRS["four-body"][0], 4) != tetrahedra(PAIRS["four-body"][1], 4)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("name", "changes"), THREE_BODY)
def test_three_body_representations_cannot_separate_them(name, changes, pair):
    assert difference(name, changes, PAIRS[pair]) < 1e-12


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("name", "changes"), MANY_BODY)
def test_one_round_of_messages_separates_them(name, changes, pair):
    assert difference(name, changes, PAIRS[pair]) > 1e-9


def cumulene(n, torsion):
    """H2C=(C)n=CH2 with the last CH2 turned about the axis [degrees]."""
    x = 1.29 * np.arange(n + 2)
    carbons = np.stack([x, np.zeros(n + 2), np.zeros(n + 2)], axis=1)
    ends = []
    for x0, side, angle in ((x[0], -1, 0.0), (x[-1], 1, np.radians(torsion))):
        across = np.array([0.0, np.cos(angle), np.sin(angle)])
        ends += [np.array([x0 + side * 0.55, 0, 0]) + s * 0.93 * across for s in (1, -1)]
    return Atoms("C" * (n + 2) + "H4", positions=np.concatenate([carbons, ends]))


@pytest.mark.parametrize(
    ("name", "sees"), [("acsf", False), ("eann", False), ("reann", False), ("equireann", True), ("nemp", True)]
)
def test_only_equivariant_messages_carry_a_torsion_along_a_chain(name, sees):
    changes = {"cutoff": 3.0} if name in ("acsf", "eann") else {"cutoff": 3.0, "rounds": 3}
    model = small_model(name, elements=(1, 6), outputs=("energy",), **changes)
    atoms = [cumulene(3, torsion) for torsion in (0.0, 90.0)]
    assert min(atoms[0].get_all_distances()[i, j] for i in (5, 6) for j in (7, 8)) > 2 * 3.0
    planar, twisted = (evaluate(model, a, ("energy",))["energy"].item() for a in atoms)
    assert (abs(planar - twisted) > 1e-10) == sees
    if not sees:
        assert abs(planar - twisted) < 1e-10
