"""EANN and REANN against the published equations, written once more with loops over atoms and components.

The powers of x, y, z and the multinomial factors follow J. Phys. Chem. Lett. 2019, 10, 4962; the recursion
J. Chem. Phys. 2022, 156, 114801.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from contracts.models import features, small_model
from systems import ethanol


def powers(degree):
    return [p for p in itertools.product(range(degree + 1), repeat=3) if sum(p) == degree]


def orbital_sums(model, atoms, coefficients):
    """W[i][(lx, ly, lz)] = sum_j c_j,k x^lx y^ly z^lz g_k(r) f_c(r), for unit vectors (x, y, z)."""
    rep, rows = model.representation, {z: k for k, z in enumerate(model.elements)}
    centers, widths = np.split(rep.radial.gaussians().detach().numpy(), 2, axis=1)
    widths = np.log1p(np.exp(widths))
    scale = 1 / math.sqrt(float(rep.neighbor_count))
    sums = []
    for i in range(len(atoms)):
        total = {p: 0.0 for degree in range(rep.specification.degree + 1) for p in powers(degree)}
        for j in range(len(atoms)):
            vector = atoms.positions[j] - atoms.positions[i]
            r = np.linalg.norm(vector)
            if i == j or r > rep.cutoff:
                continue
            z = rows[atoms.numbers[j]]
            cut = (0.5 * math.cos(math.pi * r / rep.cutoff) + 0.5) ** 2
            radial = cut * np.exp(-widths[z] * (r - centers[z]) ** 2) * coefficients[j] * scale
            for p in total:
                total[p] = total[p] + np.prod((vector / r) ** np.array(p)) * radial
        sums.append(total)
    return sums


def multinomial(p):
    return math.factorial(sum(p)) / math.prod(math.factorial(q) for q in p)


def contracted(sums, mixing):
    """rho[l, p] = sum over powers of degree l of l!/(lx! ly! lz!) (sum_k H_lkp W_k)^2, for each atom."""
    return np.array(
        [
            [
                sum(multinomial(p) * (total[p] @ mixing[degree]) ** 2 for p in powers(degree))
                for degree in range(len(mixing))
            ]
            for total in sums
        ]
    )


def network(update, x, rows):
    """The residual network of each atom's element, layer by layer."""
    layers = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()[:, 0]) for layer in update.layers]

    def silu(y):
        return y / (1 + np.exp(-y))

    results = []
    for value, z in zip((x - update.mean.numpy()) / update.spread.numpy(), rows, strict=True):
        maps = [(lambda y, w=w[z], b=b[z]: y @ w + b) for w, b in layers]
        y = maps[0](value)
        inner = y
        for hidden in maps[1:-1]:
            inner = hidden(silu(inner))
        results.append(maps[-1](silu(y + inner)))
    return np.array(results)


@pytest.fixture
def atoms():
    frame = ethanol()
    frame.rattle(0.1, seed=4)
    return frame


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_eann_densities_are_those_of_the_paper(atoms, degree):
    model = small_model("eann", outputs=("energy",), degree=degree)
    rows = [model.elements.index(z) for z in atoms.numbers]
    sums = orbital_sums(model, atoms, model.representation.coefficients().detach().numpy()[rows])
    expected = [[sum(multinomial(p) * t[p] ** 2 for p in powers(d)) for d in range(degree + 1)] for t in sums]
    found = features(model, atoms).nodes[0].reshape(len(atoms), degree + 1, -1)
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-10, atol=1e-13)


def test_contracted_eann_densities_are_those_of_the_paper(atoms):
    model = small_model("eann", contraction=5)
    rows = [model.elements.index(z) for z in atoms.numbers]
    sums = orbital_sums(model, atoms, model.representation.coefficients().detach().numpy()[rows])
    expected = contracted(sums, model.representation.density.mixing.detach().numpy())
    np.testing.assert_allclose(features(model, atoms).nodes[0].reshape(expected.shape), expected, rtol=1e-10)


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_reann_densities_are_those_of_the_paper(atoms, rounds):
    model = small_model("reann", rounds=rounds)
    rep, rows = model.representation, [model.elements.index(z) for z in atoms.numbers]
    coefficients, mixing = rep.coefficients().detach().numpy()[rows], rep.density.mixing.detach().numpy()
    for update in rep.updates:
        densities = contracted(orbital_sums(model, atoms, coefficients), mixing).sum(1)
        coefficients = coefficients + network(update, densities, rows)
    sums = orbital_sums(model, atoms, coefficients)
    found = features(model, atoms)
    np.testing.assert_allclose(found.nodes[0][:, 0], contracted(sums, mixing).sum(1), rtol=1e-9)
    vectors = np.array([[total[p] for p in ((1, 0, 0), (0, 1, 0), (0, 0, 1))] for total in sums])
    np.testing.assert_allclose(found.nodes[1], vectors, rtol=1e-9, atol=1e-12)
    assert torch.isfinite(found.nodes[0]).all()
