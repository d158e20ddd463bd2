"""Energies of hidden Gaussian charges against direct sums, and what a model learns with them."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from scipy.special import erf, erfc

from atnn import units
from atnn.errors import DataError, SpecificationError
from atnn.neighbors import neighbor_pairs
from atnn.parts import Statistics
from atnn.physics.opaque import call_opaque
from atnn.structures import Labelled, Structures
from atnn.training.step import Step, make_batch
from contracts.models import evaluate, small_model
from physics.electrostatic_systems import energy, mixed_systems, oblique, polar_slab
from systems import crystal, ethanol, water_box

SYSTEMS = [crystal, lambda: oblique()[0], lambda: polar_slab()[0], lambda: water_box(2)]


def latent(atoms, charges, width=1.0):
    """Energies [eV] of the term."""
    s = atoms if isinstance(atoms, Structures) else Structures.from_ase(atoms)
    variables = (s.positions, s.cell, torch.as_tensor(charges))
    return units.coulomb * call_opaque("latent_electrostatics", variables, (s.batch, s.pbc), (width, 1e-9))


def charges_of(atoms, kinds=2, seed=0, total=0.0):
    charges = np.random.default_rng(seed).normal(size=(len(atoms), kinds))
    return charges - charges.mean(0) + total / len(atoms)


@pytest.mark.parametrize("width", [0.6, 1.0])
def test_a_molecule_has_the_sum_of_all_pairs_and_kinds(width):
    atoms = ethanol()
    q = charges_of(atoms, 3, total=0.7)
    r = atoms.get_all_distances() + np.eye(9)
    law = np.triu(erf(r / (np.sqrt(2) * width)) / r, 1)
    expected = units.coulomb * np.einsum("ic,ij,jc", q, law, q)
    assert latent(atoms, q, width).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("total", [0.0, 1.3])
@pytest.mark.parametrize("width", [0.7, 1.0])
@pytest.mark.parametrize("system", SYSTEMS)
def test_periodic_structures_have_the_energy_of_points_less_what_gaussians_that_overlap_lack(system, width, total):
    atoms = system()
    if total and not atoms.pbc.all():
        return
    q = charges_of(atoms, total=total)
    i, j, r = neighbor_list("ijd", atoms, 8 * width)
    expected = 0.0
    for kind in q.T:
        points = energy(atoms, kind, damping=0.0, accuracy=1e-9, background="uniform", method="ewald").item()
        overlap = 0.5 * (kind[i] * kind[j] * erfc(r / (np.sqrt(2) * width)) / r).sum()
        # Points and Gaussians differ in their mean potential, by which a background is charged in return.
        mean = np.pi * width**2 * kind.sum() ** 2 / atoms.get_volume()
        expected += points + units.coulomb * (mean - overlap)
    assert latent(atoms, q, width).item() == pytest.approx(expected, abs=2e-6 * len(atoms))


def sum_in_the_plane(atoms, charges, width, reach=12.0):
    """Gaussian charges periodic along x and y alone, by waves of the plane [e^2/Angstrom]; D. E. Parry, 1975."""
    (ax, ay, _), (bx, by, _) = atoms.cell[:2]
    area = ax * by - ay * bx
    n = np.stack(np.meshgrid(*[np.arange(-25, 26)] * 2), -1).reshape(-1, 2)
    waves = 2 * np.pi * n @ np.linalg.inv([[ax, ay], [bx, by]]).T
    lengths = np.linalg.norm(waves, axis=1)
    waves, lengths = (x[(lengths > 0) & (lengths < reach / width)] for x in (waves, lengths))
    total = 0.0
    for q, a in zip(charges, atoms.positions, strict=True):
        for p, b in zip(charges, atoms.positions, strict=True):
            z, phase = a[2] - b[2], np.cos(waves @ (a[:2] - b[:2]))
            up, down = (np.exp(s * lengths * z) * erfc((lengths * width + s * z / width) / np.sqrt(2)) for s in (1, -1))
            plate = z * erf(z / (np.sqrt(2) * width)) + width * np.sqrt(2 / np.pi) * np.exp(-0.5 * (z / width) ** 2)
            total += 0.5 * q * p * np.pi / area * ((phase * (up + down) / lengths).sum() - 2 * plate)
    return total - (charges**2).sum() / (np.sqrt(2 * np.pi) * width)


@pytest.mark.parametrize("total", [0.0, 1.3])
@pytest.mark.parametrize("vacuum", [20.0, 35.0])
def test_a_slab_has_the_sum_in_its_plane_whatever_its_charge_and_vacuum(total, vacuum):
    atoms, _ = polar_slab(vacuum=vacuum)
    q = charges_of(atoms, total=total)
    expected = units.coulomb * sum(sum_in_the_plane(atoms, kind, 1.0) for kind in q.T)
    assert latent(atoms, q).item() == pytest.approx(expected, abs=1e-5)


def test_a_mesh_gives_what_single_waves_give(monkeypatch):
    atoms = crystal().repeat((3, 3, 2))
    q = charges_of(atoms, total=1.0)
    waves = latent(atoms, q).item()
    monkeypatch.setattr("atnn.physics.latent.LARGEST_EWALD", 10)
    assert latent(atoms, q).item() == pytest.approx(waves, abs=1e-5)


@pytest.mark.parametrize("periodic", [False, True])
def test_energies_have_exact_first_and_second_derivatives(periodic):
    atoms = Atoms("NaClO", positions=[[0, 0, 0], [2.3, 0.2, 0], [0.3, 1.9, 0.4]], cell=np.diag([5.0, 4.6, 4.3]))
    atoms.pbc = periodic
    s, q = Structures.from_ase(atoms), torch.as_tensor(charges_of(atoms, total=0.5))
    arguments = tuple(x.requires_grad_(True) for x in (s.positions, s.cell, q))

    def value(positions, cell, q):
        return latent(s.replace(positions=positions, cell=cell), q, 1.2)

    assert torch.autograd.gradcheck(value, arguments)
    assert torch.autograd.gradgradcheck(value, arguments, fast_mode=True)


def test_models_of_slabs_have_the_forces_and_the_virial_of_their_energy_and_batches_are_as_alone():
    model = small_model("eann", (1, 6, 8, 11, 14, 17), ("energy",), ({"name": "latent_electrostatics", "channels": 2},))
    s = Structures.from_ase([atoms for atoms, _ in mixed_systems()])
    found, step = evaluate(model, s, ("energy", "forces", "virial")), 1e-4
    alone = [evaluate(model, s.select([index]), tuple(found)) for index in range(len(s))]
    for name, values in found.items():
        torch.testing.assert_close(values, torch.cat([one[name] for one in alone]), rtol=1e-9, atol=1e-9)
    slab = s.select([3])

    def slope(change):
        energies = [evaluate(model, change(k * step), ("energy",))["energy"].item() for k in (2, 1, -1, -2)]
        return (8 * (energies[1] - energies[2]) - energies[0] + energies[3]) / (12 * step)

    def strained(width):
        strain = torch.eye(3, dtype=torch.float64)
        strain[2, 2] += width
        return slab.replace(positions=slab.positions @ strain, cell=slab.cell @ strain)

    direction = torch.sin(torch.arange(3 * len(slab.positions))).reshape(-1, 3).double()
    moved = slope(lambda width: slab.replace(positions=slab.positions + width * direction))
    assert (alone[3]["forces"] * direction).sum().item() == pytest.approx(-moved, abs=2e-5)
    assert alone[3]["virial"][0, 2, 2].item() == pytest.approx(-slope(strained), abs=2e-4)


@pytest.mark.parametrize("networks", ["element", "shared"])
def test_elements_start_from_different_charges(networks):
    term = {"name": "latent_electrostatics", "channels": 2}
    model = small_model("eann", (1, 6, 8), ("energy",), (term,), networks=networks)
    network = model.parts["latent_charges"].network
    start = network.last() if networks == "shared" else network.layers[-1].bias[:, 0]
    assert start.detach().sort(dim=0).values.T.tolist() == [pytest.approx([-0.3, 0.0, 0.3], abs=1e-6)] * 2


def test_the_long_tail_between_two_ions_is_learned_from_energies_and_forces_beyond_the_cutoff():
    model = small_model("eann", (11, 17), ("energy",), ({"name": "latent_electrostatics"},), energies=None)
    r = torch.linspace(2.5, 12.0, 24, dtype=torch.float64)
    s = Structures.from_ase([Atoms("NaCl", positions=[[0, 0, 0], [0, 0, d]]) for d in r.tolist()])
    pull = torch.zeros(24, 2, 3, dtype=torch.float64)
    pull[:, 0, 2], pull[:, 1, 2] = units.coulomb / r**2, -units.coulomb / r**2
    labels = {"energy": -units.coulomb / r, "forces": pull.reshape(-1, 3)}
    masks = dict.fromkeys(labels, torch.ones(24, dtype=torch.bool))
    model.start(Statistics(), s, neighbor_pairs(s, model.cutoff))
    step = Step(model, tuple(labels), [1.0, 1.0], "mse", compiled=False)
    batch = make_batch(model, Labelled(s, labels, masks), tuple(labels))
    optimizer = torch.optim.Adam(model.parameters(), betas=(0.9, 0.97))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.03, 400)
    for _ in range(400):
        for parameter, gradient in zip(model.parameters(), step(batch, 1 / batch.counts).gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        schedule.step()
    distances = torch.tensor([8.0, 15.0, 30.0], dtype=torch.float64)
    far = Structures.from_ase([Atoms("NaCl", positions=[[0, 0, 0], [0, 0, d]]) for d in distances.tolist()])
    found = evaluate(model, far)
    torch.testing.assert_close(found["forces"][::2, 2], units.coulomb / distances**2, rtol=0.01, atol=0)
    torch.testing.assert_close(found["energy"], -units.coulomb / distances, rtol=0, atol=0.01)


def test_boundaries_without_an_energy_and_terms_given_twice_are_refused():
    chain = Atoms("HF", positions=[[0, 0, 0], [0, 0, 1]], cell=[9, 9, 5], pbc=(False, False, True))
    with pytest.raises(DataError, match="periodic along one direction"):
        latent(chain, charges_of(chain))
    with pytest.raises(DataError, match="Angstrom of vacuum"):
        latent(polar_slab(vacuum=5.0)[0], charges_of(polar_slab()[0]))
    with pytest.raises(SpecificationError, match="both bring the part latent_charges"):
        small_model("eann", terms=("latent_electrostatics",) * 2)


def test_single_precision_is_near_double():
    for atoms, charges in mixed_systems():
        s, q = Structures.from_ase(atoms), torch.as_tensor(charges)[:, None]
        single = latent(s.to(dtype=torch.float32), q.float())
        torch.testing.assert_close(single, latent(s, q), rtol=1e-5, atol=2e-5)
