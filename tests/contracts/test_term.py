"""What physics terms must satisfy; values against the textbook formula."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii

from atnn.errors import SpecificationError
from atnn.model import ModelPotential, load_model, save_model
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.structures import Structures
from contracts.models import ANYWHERE, NAMES, SMALL_TERMS, evaluate, small_model
from references.loading import reference
from systems import crystal, ethanol


def unswitched_zbl(z1, z2, r):
    """Ziegler, Biersack, Littmark (1985), in eV and Angstrom."""
    published = reference("zbl")
    x = r * (z1 ** published["power"] + z2 ** published["power"]) / published["length"]
    waves = zip(published["amplitudes"], published["decays"], strict=True)
    return 14.399645 * z1 * z2 / r * sum(c * np.exp(-d * x) for c, d in waves)


def textbook_zbl(z1, z2, r):
    """The same, switched off where bonds begin."""
    x = r / (covalent_radii[z1] + covalent_radii[z2])
    switch = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8 if x < 1 else 0.0
    return unswitched_zbl(z1, z2, r) * switch


def repulsion(atoms, outputs=("energy",)):
    """With the term minus without it."""
    with_term = evaluate(small_model("eann", terms=({"name": "zbl"},)), atoms, outputs)
    without = evaluate(small_model("eann"), atoms, outputs)
    return {name: with_term[name] - without[name] for name in outputs}


@pytest.mark.parametrize(("symbols", "numbers"), [("HH", (1, 1)), ("CO", (6, 8)), ("CuSi", (29, 14))])
@pytest.mark.parametrize("part", [0.05, 0.2, 0.5, 0.9, 0.999, 1.2])
def test_zbl_is_the_textbook_formula_switched_off_at_bonds(symbols, numbers, part):
    distance = part * float(covalent_radii[numbers[0]] + covalent_radii[numbers[1]])
    found = repulsion(Atoms(symbols, positions=[[0, 0, 0], [0, 0, distance]]))["energy"].item()
    assert found == pytest.approx(textbook_zbl(*numbers, distance), rel=1e-6, abs=1e-9)


def test_the_envelope_is_the_published_polynomial_and_smooth_at_its_end():
    reach = 2 * covalent_radii[6]
    energies = np.array(
        [repulsion(Atoms("CC", positions=[[0, 0, 0], [reach + k * 1e-3, 0, 0]]))["energy"].item() for k in range(-3, 2)]
    )
    assert np.abs(np.diff(energies, 2) / 1e-6).max() < 5.0
    assert energies[-1] == 0.0


@pytest.mark.parametrize("distance", [0.2, 1.1, 3.0, 4.6])
def test_with_a_cutoff_zbl_has_the_cutoff_function_of_spookynet(distance):
    atoms = Atoms("CO", positions=[[0, 0, 0], [0, 0, distance]])
    models = [small_model("eann", terms=terms) for terms in (({"name": "zbl", "cutoff": 4.5},), ())]
    assert models[0].cutoff == 4.5
    found, without = (evaluate(model, atoms, ("energy",))["energy"].item() for model in models)
    switch = np.exp(-(distance**2) / (4.5**2 - distance**2)) if distance < 4.5 else 0.0
    assert found - without == pytest.approx(unswitched_zbl(6, 8, distance) * switch, rel=1e-6, abs=1e-9)


def test_zbl_has_one_range():
    with pytest.raises(SpecificationError, match="either a cutoff or a reach"):
        small_model("eann", terms=({"name": "zbl", "cutoff": 4.5, "reach": 0.7},))


def test_forces_equal_finite_differences():
    s = Structures.from_ase(crystal()).replace(positions=Structures.from_ase(crystal()).positions * 0.6)
    s = s.replace(cell=s.cell * 0.6)
    forces, step = repulsion(s, ("forces",))["forces"], 1e-5
    for atom, axis in ((0, 0), (3, 2)):
        energies = []
        for sign in (1, -1):
            positions = s.positions.clone()
            positions[atom, axis] += sign * step
            energies.append(repulsion(s.replace(positions=positions))["energy"].item())
        slope = -(energies[0] - energies[1]) / (2 * step)
        assert forces[atom, axis].item() == pytest.approx(slope, rel=1e-5, abs=1e-5)
    assert forces.abs().max() > 1.0


def test_in_a_batch_as_alone():
    frames = [ethanol(), Atoms("CO", positions=[[0, 0, 0], [0, 0, 0.7]])]
    batch = repulsion(Structures.from_ase(frames))["energy"]
    torch.testing.assert_close(batch, torch.cat([repulsion(f)["energy"] for f in frames]), rtol=1e-9, atol=1e-9)


def test_a_learnable_zbl_starts_from_the_universal_one_learns_another_and_keeps_it_in_a_file(tmp_path):
    s = Structures.from_ase([Atoms("CO", positions=[[0, 0, 0], [0, 0, d]]) for d in (0.1, 0.3, 0.5, 0.8, 1.1)])
    model, fixed = (small_model("eann", terms=({"name": "zbl", "learnable": x},)) for x in (True, False))
    start, universal = evaluate(model, s, ("energy",))["energy"], evaluate(fixed, s, ("energy",))["energy"]
    torch.testing.assert_close(start, universal, rtol=1e-6, atol=0)
    target = universal + 0.5 * torch.stack([repulsion(s.select([i]))["energy"][0] for i in range(5)])
    (parameters,) = model.parts["zbl"].parameters()
    optimizer, pairs, losses = torch.optim.Adam([parameters], lr=0.03), neighbor_pairs(s, model.cutoff), []
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.log(model(s, pairs, ("energy",), create_graph=True)["energy"] / target).square().sum()
        loss.backward()
        assert (parameters.grad != 0).all()
        losses.append(loss.item())
        optimizer.step()
    assert losses[-1] < 0.2 * losses[0]
    learned = model.parts["zbl"].screening
    torch.testing.assert_close(learned(torch.zeros(1, dtype=torch.float64)), torch.ones(1, dtype=torch.float64))
    save_model(tmp_path / "model.atnn", model)
    kept = evaluate(load_model(tmp_path / "model.atnn"), s)["energy"]
    torch.testing.assert_close(kept, evaluate(model, s)["energy"], rtol=0, atol=0)


def with_terms(name, terms=tuple(SMALL_TERMS), **changes):
    wide = SMALL_TERMS | {"electrostatics": ANYWHERE | {"dipoles": True}}
    return small_model(name, outputs=("energy", "dipole"), terms=tuple(wide[term] for term in terms), **changes)


@pytest.mark.parametrize("name", NAMES)
def test_all_terms_on_every_representation_have_the_forces_and_the_stress_of_their_energy(name):
    model, s = with_terms(name), Structures.from_ase([crystal(), crystal()])
    found, step = evaluate(model, s, ("energy", "forces", "stress")), 1e-4
    for atom, axis in ((0, 0), (2, 1)):
        slopes = []
        for width in (step, 2 * step):
            energies = []
            for sign in (1, -1):
                positions = s.positions.clone()
                positions[atom, axis] += sign * width
                energies.append(evaluate(model, s.replace(positions=positions), ("energy",))["energy"][0].item())
            slopes.append((energies[0] - energies[1]) / (2 * width))
        assert found["forces"][atom, axis].item() == pytest.approx(-(4 * slopes[0] - slopes[1]) / 3, abs=2e-5)
    energies = []
    for sign in (1, -1):
        strain = torch.eye(3, dtype=torch.float64)
        strain[0, 1] += sign * step / 2
        strain[1, 0] += sign * step / 2
        moved = s.replace(positions=s.positions @ strain, cell=s.cell @ strain)
        energies.append(evaluate(model, moved, ("energy",))["energy"][0].item())
    slope = (energies[0] - energies[1]) / (2 * step) / float(s.volumes[0])
    assert found["stress"][0, 0, 1].item() == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_all_terms_on_every_representation_in_a_batch_as_alone_and_from_a_file(name, tmp_path):
    frames = [ethanol(), crystal(), Atoms("CO", positions=[[0, 0, 0], [0, 0, 1.2]])]
    model = with_terms(name)
    save_model(tmp_path / "model.atnn", model)
    batch = evaluate(load_model(tmp_path / "model.atnn"), Structures.from_ase(frames))
    alone = [evaluate(model, frame) for frame in frames]
    for quantity in ("energy", "forces"):
        torch.testing.assert_close(batch[quantity], torch.cat([one[quantity] for one in alone]), rtol=1e-9, atol=1e-8)


def test_a_representation_sees_the_pairs_of_its_own_cutoff_and_a_term_farther_ones():
    model = small_model("eann", outputs=("energy",), terms=(SMALL_TERMS["d3"],))
    s = Structures.from_ase(Atoms("CO", positions=[[0, 0, 0], [0, 0, 6.0]]))
    inputs = model.prepare(s, neighbor_pairs(s, model.cutoff))
    assert (len(inputs.near.neighbors.i), len(inputs.far.neighbors.i)) == (0, 2)
    alone = evaluate(small_model("eann", outputs=("energy",)), s)
    assert evaluate(model, s)["energy"].item() < alone["energy"].item() - 1e-5


@pytest.mark.parametrize("skin", [0.0, 1.5])
def test_pairs_of_the_skin_stay_in_both_lists(skin):
    model = small_model("eann", outputs=("energy",), terms=(SMALL_TERMS["d3"],))
    potential = ModelPotential(model, skin=skin)
    s = Structures.from_ase(ethanol())
    potential(s, ("energy",))
    moved = s.replace(positions=s.positions + 0.1 * torch.sin(7 * s.positions))
    expected = evaluate(model, moved)
    torch.testing.assert_close(potential(moved, ("energy", "forces"))["forces"], expected["forces"], rtol=0, atol=1e-10)
    assert potential.builds == (2 if skin == 0 else 1)


def test_terms_that_need_charges_are_refused_without():
    with pytest.raises(SpecificationError, match=r"electrostatics needs charges.*\n.*add charges or dipole"):
        small_model("eann", outputs=("energy",), terms=(ANYWHERE,))


def test_atomic_dipoles_are_refused_without_the_output_that_has_them():
    with pytest.raises(
        SpecificationError, match=r"electrostatics needs atomic_dipoles.*\n.*add atomic_dipoles or dipole to outputs"
    ):
        small_model("eann", outputs=("energy", "charges"), terms=(ANYWHERE | {"dipoles": True},))


def test_charges_twice_are_refused():
    with pytest.raises(SpecificationError, match="the dipole includes the charges"):
        small_model("eann", outputs=("energy", "dipole", "charges"))


@pytest.mark.compiled
@pytest.mark.parametrize("dipoles", [False, True])
def test_compiled_terms_equal_eager_ones_for_molecules_and_crystals(dipoles, request):
    """Those that are not electrostatics are in either model. The larger graph is compiled, the other one traced."""
    if not dipoles:
        request.getfixturevalue("traced_only")
    other = SMALL_TERMS["d4" if dipoles else "latent_electrostatics"]
    model = small_model("eann", terms=(other, ANYWHERE | {"dipoles": dipoles}))
    graph = CompiledModel(model)
    for frames in ([ethanol()], [crystal(), ethanol()]):
        s = Structures.from_ase(frames)
        inputs = model.prepare(s, neighbor_pairs(s, model.cutoff))
        found, expected = graph(inputs, ("energy", "forces")), evaluate(model, s)
        for quantity in expected:
            torch.testing.assert_close(found[quantity], expected[quantity], rtol=1e-9, atol=1e-9)


def test_charges_sum_to_the_total_charge():
    model = small_model("eann", outputs=("energy", "charges"))
    s = Structures.from_ase([ethanol(), Atoms("OH", positions=[[0, 0, 0], [0, 0, 1.0]])])
    s = s.replace(charge=torch.tensor([0.0, -1.0], dtype=torch.float64))
    charges = evaluate(model, s, ("charges",))["charges"]
    assert [charges[:9].sum().item(), charges[9:].sum().item()] == pytest.approx([0.0, -1.0], abs=1e-12)
