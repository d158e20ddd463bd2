"""SpookyNet: its equations written out plainly, and what charge, spin and attention do."""

import math

import numpy as np
import pytest
import torch
from ase.build import molecule

from atnn.errors import SpecificationError
from atnn.functions import electron_shells
from atnn.functions.species import electron_configuration
from atnn.model import ModelPotential
from atnn.model.compiled import CompiledModel
from atnn.neighbors import neighbor_pairs
from atnn.representations import SpookyNetSpecification
from atnn.structures import Structures
from contracts.models import evaluate, features, small_model
from systems import crystal, ethanol, methane, two_fragments

SIZES = ("cutoff", "channels", "rounds", "radial", "random_features")
DEFAULT = {name: SpookyNetSpecification.model_fields[name].default for name in SIZES}


def state(charge=None, spin=None, atoms=None):
    atoms = ethanol() if atoms is None else atoms
    atoms.info |= {name: value for name, value in (("charge", charge), ("spin", spin)) if value is not None}
    return atoms


def energy(model, atoms):
    return evaluate(model, atoms, ("energy",))["energy"].item()


@pytest.fixture
def model():
    return small_model("spookynet")


# -- the equations, atom by atom ---------------------------------------------------------------------------------------


def layer(module, network, x):
    """Generalised SiLU and linear map, written out."""
    n, width = network, x.shape[-1]
    alpha, beta = (p[n * width : (n + 1) * width] for p in (module.alpha, module.beta))
    result = (alpha * x / (1 + torch.exp(-beta * x))) @ module.weight[n]
    return result if module.bias is None else result + module.bias[n * width : (n + 1) * width]


def residual(module, network, x):
    return x + layer(module.second, network, layer(module.first, network, x))


def resmlp(module, network, x):
    return layer(module.last, network, residual(module.block, network, x))


def harmonics(unit):
    x, y, z = unit
    root3 = math.sqrt(3)
    p, d = [x, y, z], [root3 * x * y, root3 * x * z, root3 * y * z, (3 * z * z - 1) / 2, root3 / 2 * (x * x - y * y)]
    return [torch.stack([torch.ones_like(x)]), torch.stack(p), torch.stack(d)]


def radial(r, cutoff, gamma, count):
    n, x = count - 1, torch.exp(-gamma * r)
    envelope = torch.exp(-(r**2) / ((cutoff - r) * (cutoff + r)))
    return torch.stack([math.comb(n, v) * x**v * (1 - x) ** (n - v) for v in range(count)]) * envelope


def embedded(embedding, psi, x):
    """What a positive number of one molecule adds to the features of its atoms."""
    k, v = (parameter[: x.shape[1]] for parameter in (embedding.keys, embedding.values))
    q = x @ embedding.weight + embedding.bias
    a = torch.log(1 + torch.exp(q @ (k * min(1.0, psi)) / math.sqrt(x.shape[1])))
    return resmlp(embedding.network, 0, a[:, None] / a.sum() * v * psi)


def published(net, atoms, numbers, charge, spin):
    """Features of one molecule, all atoms of which are neighbors, with attention by the model's random features."""
    positions, count = torch.tensor(atoms.positions), len(atoms)
    rows = torch.tensor([numbers.index(z) for z in atoms.numbers])
    shells = electron_shells(atoms.numbers.tolist()).float().double()  # as models keep them
    x = net.shells.table + shells @ net.shells.slopes + (net.rows.table[rows] if net.rows is not None else 0.0)
    electrons = net.electrons.embeddings
    x = x + embedded(electrons["charge"], charge, x) + embedded(electrons["spin"], spin, x)
    gamma, total = torch.log(1 + torch.exp(net.decay)), torch.zeros_like(x)
    for module in net.rounds:
        y = residual(module.before, 0, x)
        sums = [torch.zeros(count, m, x.shape[1], dtype=x.dtype) for m in (1, 3, 5)]
        for i in range(count):
            for j in set(range(count)) - {i}:
                vector = positions[j] - positions[i]
                g = radial(vector.norm(), net.cutoff, gamma, net.specification.radial) / net.neighbor_count.sqrt()
                for degree, angular in enumerate(harmonics(vector / vector.norm())):
                    weights = (g @ module.radial[degree]) * resmlp(module.sources, 1 + degree, y[j])
                    sums[degree][i] += angular[:, None] * weights
        combined = resmlp(module.sources, 0, y) + sums[0][:, 0]
        for tensor, matrix in zip(sums[1:], module.products, strict=True):
            first, second = (tensor @ matrix).chunk(2, dim=2)
            combined = combined + (first * second).sum(1)
        q, k, v = (resmlp(module.attending, n, y) for n in range(3))
        scale = x.shape[1] ** -0.25
        phi = [torch.exp(scale * z @ module.features - 0.5 * (scale * z).square().sum(1, keepdim=True)) for z in (q, k)]
        attention = phi[0] @ phi[1].T
        nonlocal_part = attention @ v / attention.sum(1, keepdim=True)
        x = residual(module.after, 0, y + resmlp(module.combined, 0, combined) + nonlocal_part)
        total = total + resmlp(module.output, 0, x)
    return total


@pytest.mark.parametrize("networks", ["element", "shared"])
def test_features_follow_the_published_equations(networks):
    atoms = state(1, 1, molecule("CH3OH"))
    atoms.rattle(0.1, seed=1)
    model, generator = small_model("spookynet", networks=networks), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.representation.parameters():  # biases and activations, too
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        expected = published(model.representation, atoms, list(model.elements), 1.0, 1.0)
    torch.testing.assert_close(features(model, atoms).nodes[0][:, 0], expected, rtol=1e-7, atol=1e-7)


def test_the_embedding_starts_from_the_electrons_of_every_shell():
    assert [electron_configuration(8)[shell] for shell in ("1s", "2s", "2p", "3s")] == [2, 2, 4, 0]
    assert [electron_configuration(26)[shell] for shell in ("3p", "4s", "3d", "4p")] == [6, 2, 6, 0]
    assert [electron_configuration(79)[shell] for shell in ("6s", "4f", "5d", "6p")] == [1, 14, 10, 0]


def test_elements_without_known_shells_are_refused():
    with pytest.raises(SpecificationError, match="up to Z = 86"):
        small_model("spookynet", elements=(1, 92))


@pytest.mark.parametrize("atoms", [molecule("H2O"), ethanol(), crystal()], ids=str)
def test_features_of_the_default_size_start_of_order_one(atoms):
    """Products in every module make features grow like a power of a power if they start too large."""
    model = small_model("spookynet", **DEFAULT)
    assert 0.3 < features(model, atoms).nodes[0].std() < 30


# -- charge and spin ---------------------------------------------------------------------------------------------------


def test_charge_and_spin_change_energy_and_forces(model):
    states = [state(0, 0), state(1, 1), state(-1, 1), state(0, 2), state(2, 0), state(0.5, 0)]
    found = [evaluate(model, atoms) for atoms in states]
    for a in range(len(found)):
        for b in range(a):
            assert (found[a]["energy"] - found[b]["energy"]).abs() > 1e-4
            assert (found[a]["forces"] - found[b]["forces"]).abs().max() > 1e-4


def test_what_nobody_stated_is_a_neutral_singlet(model):
    assert energy(model, ethanol()) == energy(model, state(0, 0)) == energy(model, state(charge=0))


def test_mixed_charges_in_a_batch_give_what_they_give_alone(model):
    frames = [ethanol(), state(1, 1), state(-2, 0, methane()), crystal(), state(0, 2, molecule("O2"))]
    batch = evaluate(model, Structures.from_ase(frames))
    alone = [evaluate(model, frame) for frame in frames]
    for name in ("energy", "forces"):
        torch.testing.assert_close(batch[name], torch.cat([a[name] for a in alone]), rtol=1e-11, atol=1e-11)


def test_the_shares_of_a_molecule_do_not_depend_on_what_the_batch_holds(model):
    charged = Structures.from_ase([state(1, 1), state(-7, 1)])
    torch.testing.assert_close(evaluate(model, charged)["energy"][0].item(), energy(model, state(1, 1)))


def test_the_energy_is_continuous_in_the_charge(model):
    energies = [energy(model, state(q, 0)) for q in np.linspace(-1.2, 1.2, 61)]
    assert np.abs(np.diff(energies)).max() < 0.15 * np.ptp(energies)


def test_without_charges_in_the_features_they_change_nothing():
    model = small_model("spookynet", conditions=())
    assert model.depends["energy"] == frozenset()
    assert energy(model, state(1, 1)) == energy(model, ethanol())


def test_a_potential_takes_charge_and_spin_from_the_structures():
    model = small_model("spookynet", outputs=("energy",))
    potential = ModelPotential(model)
    for atoms in (state(1, 1), state(0, 0), state(0, 2), ethanol()):
        assert potential(Structures.from_ase(atoms), ("energy",))["energy"].item() == energy(model, atoms)


@pytest.mark.compiled
@pytest.mark.usefixtures("traced_only")
def test_charge_and_spin_are_arguments_of_the_compiled_graph():
    model = small_model("spookynet", outputs=("energy",), rounds=1)  # they enter before the first
    graph = CompiledModel(model)
    for frames in ([state(1, 1)], [state(0, 2), state(-1, 1, methane())], [state(0, 0)]):
        s = Structures.from_ase(frames)
        found = graph(model.prepare(s, neighbor_pairs(s, model.cutoff)), ("energy", "forces"))
        torch.testing.assert_close(found["forces"], evaluate(model, s)["forces"], rtol=1e-9, atol=1e-9)
    assert len(graph._graphs) == 1


# -- the nonlocal part -------------------------------------------------------------------------------------------------


def test_fragments_feel_each_other_at_any_distance_and_the_model_says_so(model):
    parts = energy(model, methane()) + energy(model, molecule("H2O"))
    distant = [energy(model, two_fragments(distance)) for distance in (30.0, 60.0)]
    assert not model.representation.local
    assert abs(distant[0] - parts) > 1e-4 and distant[0] == pytest.approx(distant[1], abs=1e-9)


def test_a_charge_is_shared_by_distant_fragments():
    model = small_model("spookynet", attention=False)
    whole = energy(model, state(1, 1, two_fragments(30.0)))
    parts = [
        energy(model, state(q, q, methane())) + energy(model, state(1 - q, 1 - q, molecule("H2O"))) for q in (0, 1)
    ]
    assert all(abs(whole - part) > 1e-4 for part in parts)


@pytest.mark.parametrize("charge", [0, 2])
def test_a_supercell_with_as_many_charges_has_twice_the_energy_in_spite_of_attention(model, charge):
    small, large = state(charge, 0, crystal()), state(2 * charge, 0, crystal().repeat((1, 2, 1)))
    assert energy(model, large) == pytest.approx(2 * energy(model, small), abs=1e-6)


def test_random_features_follow_from_the_seed_and_differ_between_modules():
    one, two, other = (small_model("spookynet", seed=seed).representation.rounds for seed in (1, 1, 2))
    assert torch.equal(one[0].features, two[0].features)
    assert not torch.equal(one[0].features, one[1].features)
    assert not torch.equal(one[0].features, other[0].features)
