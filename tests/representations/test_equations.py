"""EANN, REANN and EquiREANN against their equations, written once more with loops over atoms and components.

The powers of x, y, z and the multinomial factors follow J. Phys. Chem. Lett. 2019, 10, 4962; the recursion
J. Chem. Phys. 2022, 156, 114801; orbitals that are passed on J. Phys. Chem. A 2024, 128, 11061. "ours" is the default:
unit vectors and positive widths. "published" are the equations of these papers: the vectors themselves, and widths of
any sign.
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


FORMS = {"ours": {}, "published": {"monomials": "raw", "widths": "free"}}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]


def make(name, form, **settings):
    """A small model, some of whose Gaussians grow with the distance where they may."""
    model = small_model(name, outputs=("energy",), **form, **settings)
    if form:
        with torch.no_grad():
            model.representation.radial.gaussians.table[:, -1] = -0.05
    return model


def cut(rep, r):
    return (0.5 * math.cos(math.pi * r / rep.cutoff) + 0.5) ** 2


def pairs(rep, atoms):
    for i in range(len(atoms)):
        for j in range(len(atoms)):
            vector = atoms.positions[j] - atoms.positions[i]
            if i != j and np.linalg.norm(vector) < rep.cutoff:
                yield i, j, vector, np.linalg.norm(vector)


def pair_orbitals(model, atoms):
    """O[i, j][(lx, ly, lz)] = x^lx y^ly z^lz g_k(r) f_c(r), of the vector (x, y, z) or the unit vector."""
    rep, rows = model.representation, {z: k for k, z in enumerate(model.elements)}
    spec = rep.specification
    centers, widths = np.split(rep.radial.gaussians().detach().numpy(), 2, axis=1)
    widths = np.log1p(np.exp(widths)) if spec.widths == "positive" else widths
    orbitals = {}
    for i, j, vector, r in pairs(rep, atoms):
        z = rows[atoms.numbers[j]]
        radial = cut(rep, r) * np.exp(-widths[z] * (r - centers[z]) ** 2)
        x = vector if spec.monomials == "raw" else vector / r
        orbitals[i, j] = {p: np.prod(x ** np.array(p)) * radial for d in range(spec.degree + 1) for p in powers(d)}
    return orbitals


def sum_neighbors(model, atoms, orbitals, coefficients):
    """W[i][(lx, ly, lz)] = n^-1/2 sum_j c_j,k O[i, j][(lx, ly, lz)]."""
    scale, degree = 1 / math.sqrt(float(model.representation.neighbor_count)), model.representation.degree
    sums = [{p: 0.0 for d in range(degree + 1) for p in powers(d)} for _ in atoms]
    for (i, j), orbital in orbitals.items():
        for p, value in orbital.items():
            sums[i][p] = sums[i][p] + coefficients[j] * value * scale
    return sums


def orbital_sums(model, atoms, coefficients):
    return sum_neighbors(model, atoms, pair_orbitals(model, atoms), coefficients)


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
def test_eann_densities_are_sums_of_squares(atoms, form, degree):
    model = make("eann", form, degree=degree)
    rows = [model.elements.index(z) for z in atoms.numbers]
    sums = orbital_sums(model, atoms, model.representation.coefficients().detach().numpy()[rows])
    expected = [[sum(multinomial(p) * t[p] ** 2 for p in powers(d)) for d in range(degree + 1)] for t in sums]
    found = features(model, atoms).nodes[0].reshape(len(atoms), degree + 1, -1)
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-10, atol=1e-13)


def test_contracted_eann_densities_are_sums_of_squares(atoms, form):
    model = make("eann", form, contraction=5)
    rows = [model.elements.index(z) for z in atoms.numbers]
    sums = orbital_sums(model, atoms, model.representation.coefficients().detach().numpy()[rows])
    expected = contracted(sums, model.representation.density.mixing.detach().numpy())
    np.testing.assert_allclose(features(model, atoms).nodes[0].reshape(expected.shape), expected, rtol=1e-10)


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_reann_updates_the_coefficients(atoms, form, rounds):
    model = make("reann", form, rounds=rounds)
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


def test_equireann_passes_orbitals_on(atoms, form):
    model = make("equireann", form)
    rep, rows = model.representation, [model.elements.index(z) for z in atoms.numbers]
    coefficients, orbitals = rep.coefficients().detach().numpy()[rows], pair_orbitals(model, atoms)
    for t, update in enumerate(rep.updates):
        sums = sum_neighbors(model, atoms, orbitals, coefficients)
        densities = contracted(sums, rep.densities[t].mixing.detach().numpy()).sum(1)
        coefficients = coefficients + network(update, densities, rows)
        for i, j, _, r in pairs(rep, atoms):
            orbitals[i, j] = {p: value + cut(rep, r) * sums[j][p] for p, value in orbitals[i, j].items()}
    sums = sum_neighbors(model, atoms, orbitals, coefficients)
    expected = contracted(sums, rep.densities[-1].mixing.detach().numpy()).sum(1)
    np.testing.assert_allclose(features(model, atoms).nodes[0][:, 0], expected, rtol=1e-9)
