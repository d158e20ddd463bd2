"""Small models of every registered representation, for the tests that all of them pass."""

import torch

from atnn.basis import Basis
from atnn.model import REPRESENTATIONS, Model, ModelSpecification, bring_home
from atnn.neighbors import neighbor_pairs
from atnn.neighbors.pairs import edges_of
from atnn.quantities import TRANSITION_DIPOLES
from atnn.structures import Structures

# A new representation adds a line; without it the whole suite fails.
SMALL = {
    "acsf": {"cutoff": 4.0, "radial": 5, "angular": 2, "zetas": (1, 3), "reach": "both"},
    "eann": {"cutoff": 4.0, "channels": 4},
    "gmp": {"cutoff": 4.0, "sigmas": (0.4, 0.8, 1.4), "degree": 3},
    "equireann": {"cutoff": 4.0, "channels": 3, "rounds": 2, "hidden": (8, 8)},
    "neat": {"cutoff": 4.0, "channels": 3, "radial": 4},
    "nemp": {"cutoff": 4.0, "channels": 3, "rounds": 2, "radial": 4, "hidden": (8,)},
    "reann": {"cutoff": 4.0, "channels": 3, "rounds": 2, "hidden": (8, 8)},
    "spookynet": {"cutoff": 4.0, "channels": 6, "rounds": 2, "radial": 6, "random_features": 16},
}
# Options that change what a representation computes.
OPTIONS = {"neat-projections": ("neat", {"projections": True})}
# Representations with a nonlocal part are asked for the additivity of distant fragments without it.
LOCAL = {"spookynet": {"attention": False}}
NAMES = sorted(REPRESENTATIONS)
CASES = {f"{name}-{networks}": (name, {"networks": networks}) for name in NAMES for networks in ("element", "shared")}
CASES |= OPTIONS
# A new output, source of charges or physics term adds a line; without it the suite fails.
ANYWHERE = {"name": "electrostatics", "cutoff": 5.0, "background": "uniform"}
SMALL_TERMS = {
    "d3": {"name": "d3", "functional": "pbe", "cutoff": 7.0},
    "d4": {"name": "d4", "functional": "pbe", "cutoff": 7.0, "s9": 1.0, "three_body_cutoff": 5.0},
    "electrostatics": ANYWHERE,
    "latent_electrostatics": {"name": "latent_electrostatics", "channels": 2},
    "zbl": {"name": "zbl", "learnable": True},
}
SMALL_CHARGES = {"network": {"name": "network"}, "equilibration": {"name": "equilibration", "background": "uniform"}}
SMALL_OUTPUTS = {
    **{name: (name,) for name in ("energy", "dipole", "charges", "hamiltonian")},
    "tensors": ("polarizability", "atomic_dipoles", "born_charges", "shieldings"),
    "transition dipoles": TRANSITION_DIPOLES,
    "friction": ("energy", "friction"),
    "embedding_density": ("energy", "embedding_density"),
}
SMALL_BASIS = Basis(name="small", shells={"H": (0,), "C": (0, 1), "O": (1, 0), "Si": (0, 1, 2), "Cu": (2, 0)})
# Representations that have vectors of their own; the model adds vectors to the others where a part reads them.
VECTORIAL = [name for name in NAMES if name != "acsf"]


def small_model(
    name,
    elements=(1, 6, 8, 14, 29),
    outputs=None,
    terms=(),
    seed=3,
    networks="element",
    conditions=None,
    energies="large",
    charges="network",
    basis=SMALL_BASIS,
    **changes,
):
    outputs = outputs or (("energy", "dipole") if name in VECTORIAL else ("energy",))
    specification = ModelSpecification(
        elements=elements,
        representation={"name": name, **SMALL[name], **changes},
        outputs=outputs,
        terms=terms,
        conditions=conditions,
        charges=SMALL_CHARGES[charges],
        networks=networks,
        hidden=(12, 12),
        basis=basis if "hamiltonian" in outputs else None,
    )
    energies = {z: -10.0 * z for z in elements} if "energy" in outputs and energies == "large" else energies
    energies = None if energies == "large" else energies
    return Model(specification, energies, seed=seed).double()


def evaluate(model, atoms, outputs=("energy", "forces")):
    structures = atoms if isinstance(atoms, Structures) else Structures.from_ase(atoms)
    structures = structures.to(dtype=model.dtype)
    return {k: v.detach() for k, v in model(structures, neighbor_pairs(structures, model.cutoff), outputs).items()}


def features(model, atoms):
    structures = Structures.from_ase(atoms)
    inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
    home = bring_home(inputs)
    pairs = edges_of(home.positions, inputs.near.translations, inputs.near.neighbors)
    with torch.no_grad():
        return model.representation(home, pairs, inputs.elements)
