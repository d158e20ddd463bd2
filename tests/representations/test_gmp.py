"""GMP against the published definition, integrated on a grid in space, and its table of densities."""

import importlib.util
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.data import chemical_symbols
from ase.units import Bohr
from scipy.special import eval_legendre
from torch.autograd import gradcheck, gradgradcheck

from atnn.errors import SpecificationError
from atnn.functions import Species, polynomial
from atnn.kernels import gaussian_sums
from atnn.kernels.gaussians import weighted_sums
from atnn.model import ModelSpecification, load_model, save_model
from atnn.representations import GMP, GMPSpecification
from atnn.representations.densities import DENSITIES, read_densities
from atnn.representations.gmp import SMOOTHING, convolve_probes, estimate_multipoles
from atnn.so3 import solid_harmonics
from atnn.specification import parse
from contracts.models import evaluate, features, small_model
from references.loading import reference

SCRIPT = Path(__file__).parents[2] / "scripts" / "fit_gmp_densities.py"
PUBLISHED = reference("gmp")
TABLE = json.loads(DENSITIES.read_text())["elements"]
RADII = np.linspace(0.0, 15.0, 6001)  # Angstrom


def density(symbol, r):
    """Valence density of an atom [1/Angstrom^3] as the table has it."""
    electrons, exponents = read_densities()[symbol]
    return sum(p * (b / np.pi) ** 1.5 * np.exp(-b * r**2) for p, b in zip(electrons, exponents, strict=True))


def maxwell(axes):
    """Polynomial ``(-1)^n r^(2n+1) d^n (1/r) / dx_axes`` as {powers of x, y, z: coefficient}.

    From d/dx (P / r^(2n+1)) = (r^2 dP/dx - (2n+1) x P) / r^(2n+3).
    """
    polynomial = {(0, 0, 0): 1}
    for n, axis in enumerate(axes):
        new = {}
        for powers, factor in polynomial.items():
            raised = tuple(p + (a == axis) for a, p in enumerate(powers))
            new[raised] = new.get(raised, 0) + (2 * n + 1) * factor
            for other in range(3) if powers[axis] else ():
                moved = tuple(p - (a == axis) + 2 * (a == other) for a, p in enumerate(powers))
                new[moved] = new.get(moved, 0) - powers[axis] * factor
        polynomial = new
    return polynomial


def probe_integrals(atoms, center, sigma, degree, cutoff, spacing=0.14):
    """Features of one atom by the sum over a cubic grid, which for Gaussians converges exponentially."""
    side = np.arange(-6 * sigma, 6 * sigma + spacing, spacing)
    r = np.stack(np.meshgrid(side, side, side, indexing="ij"), axis=-1)
    total = np.zeros(r.shape[:3])
    for symbol, position in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True):
        vector = position - atoms.positions[center]
        envelope = float(polynomial(torch.tensor([np.linalg.norm(vector) / cutoff], dtype=torch.float64)))
        total += envelope * density(symbol, np.linalg.norm(r - vector, axis=-1))
    total *= np.exp(-(r**2).sum(-1) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi)) ** 3 * spacing**3
    powers = side ** np.arange(degree + 1)[:, None]
    monomials = np.einsum("abc,ia,jb,kc->ijk", total, powers, powers, powers, optimize=True)
    found = []
    for n in range(degree + 1):
        orderings = itertools.product(range(3), repeat=n)  # each once: the multinomial weight
        integrals = [sum(f * monomials[p] for p, f in maxwell(axes).items()) for axes in orderings]
        found.append(np.linalg.norm(integrals))
    return found


def published(model, atoms):
    """Features [atoms, orders, probes] without our unit and rounding."""
    spec = model.representation.specification
    unit = estimate_multipoles(*convolve_probes(model.elements, spec.widths, spec.degree), model.elements, spec.cutoff)
    found = features(model, atoms).nodes[0].numpy().reshape(len(atoms), *unit.shape)
    found[:, 1:] = np.sqrt((found[:, 1:] + SMOOTHING) ** 2 - SMOOTHING**2)
    return found * unit


@pytest.fixture
def ammonium():
    atoms = Atoms("NHHCO", [[0, 0, 0], [0.9, 0.3, 0.2], [-0.4, 0.9, -0.1], [-0.3, -0.8, 1.2], [0.5, 0.6, -2.4]])
    atoms.rattle(0.05, seed=4)
    return atoms


def test_maxwells_harmonics_of_the_second_and_third_order():
    assert maxwell((0, 0)) == {(2, 0, 0): 2, (0, 2, 0): -1, (0, 0, 2): -1}  # 3 x^2 - r^2
    assert maxwell((0, 1, 2)) == {(1, 1, 1): 15}
    assert maxwell((0, 0, 1)) == {(2, 1, 0): 12, (0, 3, 0): -3, (0, 1, 2): -3}  # 15 x^2 y - 3 y r^2


def test_features_are_the_published_integrals(ammonium):
    sigmas = (0.4, 0.7)
    model = small_model("gmp", elements=(1, 6, 7, 8), sigmas=sigmas, degree=4, cutoff=5.0)
    found = published(model, ammonium)
    for atom, (column, sigma) in itertools.product((0, 3), enumerate(sigmas)):
        expected = probe_integrals(ammonium, atom, sigma, 4, 5.0)
        np.testing.assert_allclose(found[atom, :, column], expected, rtol=1e-6, atol=1e-7)


def test_features_do_not_depend_on_which_elements_the_model_knows(ammonium):
    few = small_model("gmp", elements=(1, 6, 7, 8))
    many = small_model("gmp", elements=(1, 3, 6, 7, 8, 26, 79))
    assert few.representation.channels == many.representation.channels
    np.testing.assert_allclose(published(few, ammonium), published(many, ammonium), rtol=2e-6, atol=1e-6)


def test_a_neighbor_of_the_same_group_looks_similar():
    model = small_model("gmp", elements=(1, 6, 9, 17, 19))
    seen = {s: published(model, Atoms(["C", s], [[0, 0, 0], [0, 0, 2.0]]))[0] for s in ("F", "Cl", "K")}
    alike, unlike = (np.abs(seen["F"] - seen[s]).sum() for s in ("Cl", "K"))
    assert alike < unlike


@pytest.mark.parametrize("vanishing", [molecule("CH4"), molecule("C2H6")], ids=["dipole", "none"])
def test_features_are_never_negative_and_zero_by_symmetry(vanishing):
    found = features(small_model("gmp", elements=(1, 6)), vanishing).nodes[0].reshape(len(vanishing), 4, 3)
    assert found.min() > -1e-6
    dipole = float(found[0, 1].max())
    assert dipole < 1e-6 if len(vanishing) == 5 else dipole > 1e-2


def test_all_elements_up_to_radon_have_a_density():
    assert list(TABLE) == chemical_symbols[1:87]
    assert max(entry["error"] for entry in TABLE.values()) < 0.025


@pytest.mark.parametrize("symbol", TABLE)
def test_a_density_holds_the_valence_electrons_and_is_positive(symbol):
    rho = density(symbol, RADII)
    assert np.trapezoid(4 * np.pi * RADII**2 * rho, RADII) == pytest.approx(TABLE[symbol]["electrons"], rel=1e-4)
    assert rho.min() > -0.01 * rho.max()


def test_valence_electrons_are_those_of_the_periodic_table():
    expected = {"H": 1, "C": 4, "O": 6, "Na": 1, "Cl": 7, "Fe": 8, "Cu": 11, "Zn": 12, "Ga": 3, "Gd": 10, "Lu": 3}
    expected |= {"Au": 11, "Pb": 4, "Rn": 8}
    assert {s: TABLE[s]["electrons"] for s in expected} == expected


def test_the_density_of_hydrogen_is_the_exact_one():
    r = np.linspace(0.3, 2.0, 30)
    exact = np.exp(-2 * r / Bohr) / (np.pi * Bohr**3)
    np.testing.assert_allclose(density("H", r), exact, rtol=0.06)


@pytest.mark.skipif(not SCRIPT.exists(), reason="without the scripts of the repository")
@pytest.mark.parametrize("number", [6, 17, 24])
def test_the_table_is_what_its_script_gives(number):
    pytest.importorskip("pyscf")
    spec = importlib.util.spec_from_file_location("fit_gmp_densities", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    entry = TABLE[chemical_symbols[number]]
    valence, total = script.densities(number)
    r = script.R * Bohr
    outside = (valence > 0.9 * total) & (r < 3.0)
    fitted = density(chemical_symbols[number], r[outside])
    np.testing.assert_allclose(fitted, valence[outside] / Bohr**3, rtol=0.3, atol=0.01 * fitted.max())
    _, _, misplaced = script.fit(valence, total, entry["electrons"], script.GAUSSIANS)
    assert misplaced == pytest.approx(entry["error"], abs=2e-4)


@pytest.mark.parametrize("degree", range(5))
def test_solid_harmonics_obey_the_addition_theorem(degree):
    a, b = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(degree))
    weights, others = torch.rand(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    found = (solid_harmonics(a, weights, degree)[degree] * solid_harmonics(b, others, degree)[degree]).sum(1)
    lengths = a.norm(dim=1) * b.norm(dim=1)
    expected = (
        weights * others * lengths**degree * torch.tensor(eval_legendre(degree, ((a * b).sum(1) / lengths).numpy()))
    )
    torch.testing.assert_close(found, expected)
    if degree == 1:
        torch.testing.assert_close(solid_harmonics(a, torch.ones_like(others), 1)[1], a)


@pytest.mark.parametrize("rows", [1, 4, 5, 6])
@pytest.mark.parametrize("channels", [1, 16, 21])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_sums_of_gaussians_equal_their_definition(rows, channels, dtype, tolerance):
    generator = torch.Generator().manual_seed(rows)
    kind, square = torch.randint(3, (50,), generator=generator), 9 * torch.rand(50, generator=generator, dtype=dtype)
    exponents = torch.rand(3, 4, channels, generator=generator, dtype=dtype)
    amplitudes = torch.randn(3, rows, 4, channels, generator=generator, dtype=dtype)
    weights = torch.randn(rows, 50, channels, generator=generator, dtype=dtype)
    expected = torch.einsum("engk,egk->nek", amplitudes[kind], torch.exp(-exponents[kind] * square[:, None, None]))
    table = (square, kind, exponents, amplitudes)
    torch.testing.assert_close(gaussian_sums(*table), expected, rtol=tolerance, atol=tolerance)
    total = (weights * expected).sum((0, 2))
    torch.testing.assert_close(weighted_sums(weights, *table), total, rtol=tolerance, atol=20 * tolerance)
    none = torch.zeros(0, dtype=dtype)
    assert gaussian_sums(none, kind[:0], exponents, amplitudes).shape == (rows, 0, channels)


def test_sums_of_gaussians_are_closed_under_differentiation():
    generator = torch.Generator().manual_seed(0)
    kind, exponents = torch.tensor([0, 1, 1, 0]), torch.rand(2, 3, 2, dtype=torch.float64, generator=generator) + 0.2
    amplitudes = torch.randn(2, 4, 3, 2, dtype=torch.float64, generator=generator)
    square = torch.rand(4, dtype=torch.float64, generator=generator).requires_grad_()
    weights = torch.randn(4, 4, 2, dtype=torch.float64, generator=generator).requires_grad_()

    def sums(x):
        return gaussian_sums(x, kind, exponents, amplitudes)

    def weighted(w, x):
        return weighted_sums(w, x, kind, exponents, amplitudes)

    assert gradcheck(sums, (square,)) and gradgradcheck(sums, (square,))
    assert gradcheck(weighted, (weights, square)) and gradgradcheck(weighted, (weights, square))


def test_probes_are_evenly_spaced_up_to_2_angstrom_or_given():
    assert GMPSpecification(sigmas=4).widths == (0.5, 1.0, 1.5, 2.0)
    assert GMPSpecification(sigmas=(0.3, 1.1)).widths == (0.3, 1.1)


@pytest.mark.parametrize("wrong", [{"sigmas": 0}, {"sigmas": []}, {"sigmas": [0.5, 0.0]}, {"degree": 5}, {"cutoff": 0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(SpecificationError, match=next(iter(wrong))):
        parse(ModelSpecification, {"elements": [1], "representation": {"name": "gmp", **wrong}})


def test_an_element_without_a_density_is_refused_by_name():
    with pytest.raises(SpecificationError, match="no density of Fr, U"):
        GMP(GMPSpecification(), Species((1, 87, 92)))


# -- the published form ------------------------------------------------------------------------------------------------


def densities(folder=None):
    """Made-up densities, with two to four Gaussians; of some elements in files."""
    given = dict(PUBLISHED["densities"])
    for symbol in ("H", "Cu") if folder else ():
        path = folder / f"{symbol}_pseudodensity.g"
        path.write_text("\n".join(f"{b} {beta}" for b, beta in given[symbol]) + "\n")
        given[symbol] = str(path)
    return given


def published_model(case, form, folder=None):
    return small_model(
        "gmp",
        elements=(1, 6, 8, 29),
        cutoff=PUBLISHED[case]["cutoff"],
        sigmas=tuple(PUBLISHED["sigmas"]),
        degree=4,
        form=form,
        sharp=True,
        densities=densities(folder),
    )


def published_atoms(case):
    entry = PUBLISHED[case]
    return Atoms(entry["symbols"], entry["positions"], cell=entry["cell"], pbc=entry["periodic"])


@pytest.mark.parametrize("form", ["norms", "squares"])
@pytest.mark.parametrize("case", ["molecule", "crystal"])
def test_features_of_the_published_form_are_those_of_the_published_code(case, form, tmp_path):
    found = features(published_model(case, form, tmp_path), published_atoms(case)).nodes[0][:, 0]
    expected = torch.tensor(PUBLISHED[case][form], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


def test_a_model_of_the_published_form_needs_no_files_of_densities_later(tmp_path):
    model, atoms = published_model("molecule", "norms", tmp_path), published_atoms("molecule")
    save_model(tmp_path / "model.atnn", model)
    for path in tmp_path.glob("*.g"):
        path.unlink()
    expected, found = (evaluate(m, atoms) for m in (model, load_model(tmp_path / "model.atnn")))
    assert torch.equal(found["energy"], expected["energy"]) and torch.equal(found["forces"], expected["forces"])


def test_a_model_of_the_published_form_in_single_precision_is_saved_too(tmp_path):
    model, atoms = published_model("molecule", "squares").float(), published_atoms("molecule")
    save_model(tmp_path / "model.atnn", model)
    found = evaluate(load_model(tmp_path / "model.atnn"), atoms, ("energy",))["energy"]
    torch.testing.assert_close(found, evaluate(model, atoms, ("energy",))["energy"])


def test_norms_that_vanish_by_symmetry_have_finite_forces():
    atoms = molecule("CH4")
    found = evaluate(small_model("gmp", elements=(1, 6), form="norms"), atoms)
    assert torch.isfinite(found["forces"]).all()


def test_squares_are_those_of_the_norms_and_of_the_table_of_densities(ammonium):
    norms, squares = (
        features(small_model("gmp", elements=(1, 6, 7, 8), form=form), ammonium).nodes[0]
        for form in ("norms", "squares")
    )
    torch.testing.assert_close(norms.square(), squares)
    smooth = published(small_model("gmp", elements=(1, 6, 7, 8)), ammonium)
    # Models keep the table of densities in float32.
    np.testing.assert_allclose(norms.numpy().reshape(smooth.shape), smooth, rtol=1e-5, atol=1e-6)


def test_a_file_of_densities_is_checked_line_by_line(tmp_path):
    path = tmp_path / "C.g"
    path.write_text("1.0 2.0\n\n3.0\n")
    with pytest.raises(SpecificationError, match=r"densities.*C\.g, line 3: '3\.0' is not the two numbers"):
        small_model("gmp", elements=(6,), densities={"C": str(path)})
    with pytest.raises(SpecificationError, match=r"absent\.g cannot be read"):
        small_model("gmp", elements=(6,), densities={"C": str(tmp_path / "absent.g")})


def test_densities_of_no_element_or_not_of_all_elements_are_refused():
    with pytest.raises(SpecificationError, match="no elements: Xx"):
        small_model("gmp", elements=(6,), densities={"Xx": [[1.0, 2.0]]})
    with pytest.raises(SpecificationError, match=r"no density of O(?s:.*)add them to `densities`"):
        small_model("gmp", elements=(6, 8), densities={"C": [[1.0, 2.0]]})
    with pytest.raises(SpecificationError, match="greater than 0"):
        small_model("gmp", elements=(6,), densities={"C": [[1.0, -2.0]]})
