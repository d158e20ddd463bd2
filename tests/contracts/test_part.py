"""What every part of a model says about itself, and what it owes: readouts, sources of charges, physics terms."""

import pytest
import torch
from ase.build import molecule
from scipy.spatial.transform import Rotation

from atnn.model import CHARGES, OUTPUTS, TERMS
from atnn.neighbors import neighbor_pairs
from atnn.neighbors.pairs import edges, select_pairs
from atnn.parts import add_values
from atnn.quantities import QUANTITIES
from atnn.stated import STATED
from atnn.structures import Structures
from contracts.models import SMALL_CHARGES, SMALL_OUTPUTS, SMALL_TERMS, evaluate, small_model
from scenes import make_scene
from systems import crystal, ethanol, methane
from tensors import shape, turn

DIPOLE = {"outputs": ("energy", "dipole")}
# Readouts see tensors of a representation. A cheap representation does for all other parts.
CASES = {
    # Quantities of adsorbates, which these scenes do not have, are tested in tests/readouts/test_friction.py.
    **{
        f"output {name}": ("neat", {"outputs": outputs})
        for name, outputs in SMALL_OUTPUTS.items()
        if name not in ("friction", "embedding_density")
    },
    **{f"charges {name}": ("eann", DIPOLE | {"charges": name}) for name in SMALL_CHARGES},
    **{f"term {name}": ("eann", DIPOLE | {"terms": (term,)}) for name, term in SMALL_TERMS.items()},
    "term electrostatics of dipoles": (
        "eann",
        DIPOLE | {"terms": (SMALL_TERMS["electrostatics"] | {"dipoles": True},)},
    ),
}
ROTATION = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
FAR = 1e5  # Angstrom
MOVED = {"charge": 1.0, "spin": 2, "field": 0.1}


@pytest.fixture(params=CASES)
def model(request):
    representation, settings = CASES[request.param]
    return small_model(representation, **settings)


def scene_of(model, structures, cutoff=None):
    """What parts see, with pairs up to a cutoff, that of the model if none is given."""
    near = edges(structures, neighbor_pairs(structures, model.representation.cutoff))
    far = edges(structures, neighbor_pairs(structures, model.cutoff if cutoff is None else cutoff))
    scene = make_scene(structures, far, numbers=model.elements)
    return scene._replace(features=model.representation(structures, near, scene.elements))


def run_parts(model, scene):
    """Name, part, the values given before it and those that it gives, for every part."""
    values = {}
    for name in model.order:
        part = model.parts[name]
        before, given = values, part(scene, values)
        values = add_values(values, given)
        yield name, part, before, given


def crowded():
    """A crystal so dense that repulsions count."""
    atoms = crystal()
    atoms.set_cell(0.75 * atoms.cell, scale_atoms=True)
    return atoms


def frames(model=None):
    """Molecules and a crystal, without it for a model that describes molecules only."""
    bent = ethanol()
    bent.rattle(0.1, seed=3)
    uneven = methane()  # a transition dipole has no direction where symmetry makes all alike
    uneven.rattle(0.1, seed=4)
    other = bent if model is not None and "hamiltonian" in model.outputs else crowded()
    return [bent, other, uneven]


def batch(model=None):
    return Structures.from_ase(frames(model))


def all_outputs(model):
    """Those that molecules have, too."""
    return tuple(name for name in sorted(model.outputs) if not QUANTITIES[name].per_volume)


def same(found, expected):
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in found)


def assert_close(name, found, expected, **tolerance):
    torch.testing.assert_close(found, expected, **tolerance, msg=lambda text: f"{name}: {text}")


def test_every_registered_component_is_tested():
    assert {output for outputs in SMALL_OUTPUTS.values() for output in outputs} == set(OUTPUTS)
    assert set(SMALL_CHARGES) == set(CHARGES)
    assert set(SMALL_TERMS) == set(TERMS)


def test_a_part_reads_what_it_needs_and_nothing_else_and_gives_what_it_says(model):
    scene = scene_of(model, batch())
    for name, part, before, given in run_parts(model, scene):
        needed = {value: before[value] for value in part.needs}
        assert given.keys() == part.gives, name
        assert same(part(scene, needed), given), name
        for value in part.needs:
            assert not same(part(scene, needed | {value: 1.5 * needed[value]}), given), (name, value)


def test_a_part_reads_features_up_to_its_degree_and_no_others(model):
    scene = scene_of(model, batch())
    nodes = scene.features.nodes
    for name, part, before, given in run_parts(model, scene):
        count = 0 if part.degree is None else part.degree + 1
        assert count <= len(nodes), name
        features = scene.features._replace(nodes=nodes[:count])
        assert same(part(scene._replace(features=features), before), given), name
        for degree in range(count):
            changed = [2 * x if d == degree else x for d, x in enumerate(nodes)]
            features = scene.features._replace(nodes=tuple(changed))
            assert not same(part(scene._replace(features=features), before), given), (name, degree)


def test_pairs_beyond_its_cutoff_mean_nothing_to_a_part_and_closer_ones_do(model):
    structures = batch()
    wide = scene_of(model, structures, model.cutoff + 2)
    neighbors = neighbor_pairs(structures, model.cutoff + 2)
    lengths = wide.edges.lengths
    for name, part, before, given in run_parts(model, wide):
        near = edges(structures, select_pairs(neighbors, lengths < part.cutoff))
        found = part(wide._replace(edges=near, far=near), before)
        for value in given:
            assert_close(name, found[value], given[value], rtol=1e-12, atol=1e-12)
        if part.cutoff:
            fewer = edges(structures, select_pairs(neighbors, lengths < 0.25 * part.cutoff))
            assert not same(part(wide._replace(edges=fewer, far=fewer), before), given), name


def test_only_parts_that_ask_for_all_pairs_of_molecules_use_them(model):
    scene = scene_of(model, batch())
    for name, part, before, given in run_parts(model, scene):
        if part.molecular:
            assert not same(part(scene._replace(molecular=scene.molecular[:, :0]), before), given), name
        else:
            assert same(part(scene._replace(molecular=None), before), given), name


def test_a_part_depends_by_itself_on_the_conditions_that_it_names_and_on_nothing_else_stated(model):
    structures = batch()
    structures = structures.replace(
        charge=torch.zeros(3, dtype=torch.float64),
        spin=torch.zeros(3, dtype=torch.int64),
        field=torch.zeros(3, 3, dtype=torch.float64),
    )
    scene = scene_of(model, structures)
    assert set(MOVED) == set(STATED)
    for name, part, before, given in run_parts(model, scene):
        for stated, step in MOVED.items():
            moved = scene._replace(structures=structures.replace(**{stated: getattr(structures, stated) + step}))
            assert same(part(moved, before), given) == (stated not in part.conditions), (name, stated)


def test_outputs_have_the_shape_of_the_table_and_turn_as_it_says(model):
    outputs = all_outputs(model)
    before = evaluate(model, batch(model), outputs)
    for matrix in (ROTATION, -torch.eye(3).double().numpy(), -ROTATION):
        turned = frames(model)
        for atoms in turned:
            atoms.positions, atoms.cell = atoms.positions @ matrix.T, atoms.cell[:] @ matrix.T
        after = evaluate(model, Structures.from_ase(turned), outputs)
        for name in outputs:
            assert before[name].shape == shape(name, batch(model)), name
            if name == "hamiltonian":  # turns by matrices of its basis, see tests/readouts/test_hamiltonian.py
                continue
            expected = turn(name, before[name], matrix)
            if QUANTITIES[name].sign_free:
                expected = expected * torch.sign((expected * after[name]).sum(-1, keepdim=True))
            assert_close(name, after[name], expected, rtol=1e-7, atol=1e-7)


def test_the_stress_of_a_crystal_turns_as_the_table_says(model):
    if "stress" not in model.outputs:
        pytest.skip("without an energy")
    turned = crowded()
    turned.positions, turned.cell = turned.positions @ ROTATION.T, turned.cell[:] @ ROTATION.T
    before, after = (evaluate(model, atoms, ("stress",))["stress"] for atoms in (crowded(), turned))
    torch.testing.assert_close(after, turn("stress", before, ROTATION), rtol=1e-7, atol=1e-8)
    assert before.abs().max() > 1e-3


def test_extensive_outputs_of_far_fragments_add_and_those_of_atoms_stay(model):
    """Of two alike, between which no charge flows."""
    one, two = methane(), methane()
    one.rattle(0.1, seed=3)
    two.positions = one.positions
    two.translate([FAR, 0.0, 0.0])
    outputs = all_outputs(model)
    if "charges" in model.given:  # where one fragment is distorted, charge does flow, and over any distance
        outputs = tuple(name for name in outputs if name != "born_charges")
    whole, alone = evaluate(model, one + two, outputs), evaluate(model, one, outputs)
    # Latent charges need not sum to zero: what two charges of a few e have left at that distance.
    nothing = 1e-3 if "latent_charges" in model.parts else 1e-7
    for name in outputs:
        row = QUANTITIES[name]
        if row.sign_free:
            continue  # of an excited state of both fragments
        if row.axis == "atom_pair":  # see tests/readouts/test_hamiltonian.py
            continue
        assert row.extensive or row.axis == "atom"
        expected = 2 * alone[name] if row.extensive else alone[name].repeat(2, *(1,) * (alone[name].dim() - 1))
        assert_close(name, whole[name], expected, rtol=0, atol=nothing)


def test_a_structure_in_a_batch_gives_what_it_gives_alone(model):
    outputs = all_outputs(model)
    whole, alone = evaluate(model, batch(model), outputs), [evaluate(model, atoms, outputs) for atoms in frames(model)]
    for name in outputs:
        expected = torch.cat([one[name] for one in alone])
        assert_close(name, whole[name], expected, rtol=1e-9, atol=1e-9)


def test_nothing_of_one_structure_depends_on_the_atoms_of_another(model):
    structures = batch()
    positions = structures.positions.clone().requires_grad_()
    inputs = model.prepare(structures, neighbor_pairs(structures, model.cutoff))
    inputs = inputs._replace(structures=inputs.structures.replace(positions=positions))
    for name, value in model.compute(inputs, tuple(sorted(model.given))).items():
        of = structures.rows(QUANTITIES[name].axis)
        for index in range(len(structures)):
            own = torch.cos(torch.arange(value[of == index].numel())).reshape_as(value[of == index])
            total = (own * value[of == index]).sum()
            (slope,) = torch.autograd.grad(total, positions, retain_graph=True, materialize_grads=True)
            assert slope[structures.batch == index].abs().max() > 0, name
            assert slope[structures.batch != index].abs().max() == 0, name


def test_float32_agrees_with_float64(model):
    outputs = all_outputs(model)
    double = evaluate(model, batch(model), outputs)
    single = evaluate(model.float(), batch(model), outputs)
    for name in outputs:
        scale = max(1.0, float(double[name].abs().max()))
        assert_close(name, single[name].double() / scale, double[name] / scale, rtol=1e-3, atol=1e-5)


def test_an_atom_alone_has_finite_outputs(model):
    outputs = all_outputs(model)
    for name, value in evaluate(model, molecule("O"), outputs).items():
        assert torch.isfinite(value).all(), name
