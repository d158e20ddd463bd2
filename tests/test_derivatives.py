"""Chains of derivatives of an analytic energy of positions, strain and field, against closed formulas."""

import pytest
import torch

from atnn.derivatives import derivable, derivation, differentiate, make_variables, strain_structures
from atnn.errors import SpecificationError
from atnn.quantities import QUANTITIES, Derivative, Quantity
from atnn.structures import Structures
from atnn.units import CHARGE, ENERGY, LENGTH

ROWS = (
    Quantity(
        "piezoelectricity", axis="structure", shape=(3, 3, 3), dimension=CHARGE / LENGTH**2, extensive=False,
        rank=3, parity=-1, derivative=Derivative("dipole", "strain", per_volume=True),
    ),
    Quantity(
        "hardness_forces", axis="atom", shape=(3, 3), dimension=ENERGY / LENGTH**2, extensive=False, rank=2, parity=1,
        derivative=Derivative("forces", "positions"),
    ),
)  # fmt: skip
ALL = ("energy", "forces", "stress", "virial", "dipole", "polarizability", "born_charges", "piezoelectricity")
COUPLING, HARDNESS, SPRING = 0.7, 3.0, 1.5
EXACT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def rows(monkeypatch):
    for row in ROWS:
        monkeypatch.setitem(QUANTITIES, row.name, row)


def batch(field=True):
    generator = torch.Generator().manual_seed(0)
    numbers = [3, 2]
    given = 0.1 * torch.randn(2, 3, generator=generator, dtype=torch.float64)
    return Structures(
        positions=torch.randn(sum(numbers), 3, generator=generator, dtype=torch.float64),
        numbers=torch.ones(sum(numbers), dtype=torch.int64),
        cell=4 * torch.eye(3, dtype=torch.float64).repeat(2, 1, 1) + torch.rand(2, 3, 3, generator=generator).double(),
        pbc=torch.ones(2, 3, dtype=torch.bool),
        batch=torch.repeat_interleave(torch.arange(2), torch.tensor(numbers)),
        field=given if field else None,
    )


def total(structures, values):
    """Sums over the atoms of each structure."""
    return values.new_zeros(len(structures), *values.shape[1:]).index_add(0, structures.batch, values)


def energy(structures, induced=True):
    """``E = k/2 sum r^2 - c F.sum r + min over q of [J/2 q^2 - q F.sum r^2 r]``.

    The charge q follows the field, so the energy is of second order in the field.
    """
    r, field = structures.positions, structures.field
    squares = (r * r).sum(1)
    linear = (field * total(structures, r)).sum(1)
    cubic = (field * total(structures, r * squares[:, None])).sum(1)
    charge = cubic / HARDNESS
    response = 0.5 * HARDNESS * charge**2 - charge * cubic if induced else 0.0
    return 0.5 * SPRING * total(structures, squares) - COUPLING * linear + response


def evaluate(structures, outputs, create_graph=False, function=energy):
    """Energy and the outputs derived from it, and the variables."""
    variables = make_variables(structures, outputs, {"energy"})
    moved = variables.apply(structures)
    moved = moved if moved.field is not None else moved.replace(field=torch.zeros_like(moved.cell[:, 0]))
    moved = moved if variables.strain is None else strain_structures(moved, variables.strain)
    values = {"energy": function(moved)}
    found = differentiate(values, variables, structures, outputs, create_graph)
    return {**values, **found}, variables


def numerical(structures, name, output, step=1e-3):
    """Derivative of an output by a field of the structures or by a strain, from four points.

    An atom moves in one structure only, a strain and a field act on all alike.
    """
    variable = torch.zeros_like(structures.cell) if name == "strain" else getattr(structures, name)
    columns = variable[0].numel()
    slopes = []
    for atom in range(len(variable)) if name == "positions" else [slice(None)]:
        for component in range(columns):
            values = []
            for factor in (1, -1, 2, -2):
                moved = variable.clone().reshape(len(variable), -1)
                moved[atom, component] += factor * step
                values.append(evaluate(displaced(structures, name, moved.reshape_as(variable)), (output,))[0][output])
            slope = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * step)
            slopes.append(slope[structures.batch[atom]] if name == "positions" else slope)
    stacked = torch.stack(slopes, -1).detach()
    if name == "positions":
        stacked = torch.stack(slopes).detach()
        return stacked.reshape(len(variable), columns, *stacked.shape[1:]).movedim(1, -1)
    return stacked.reshape(*stacked.shape[:-1], *variable.shape[1:])


def displaced(structures, name, value):
    return strain_structures(structures, value) if name == "strain" else structures.replace(**{name: value})


def closed(structures):
    """Dipole, polarizability and Born charges by hand."""
    r, field = structures.positions, structures.field
    squares = (r * r).sum(1)
    linear, cubic = total(structures, r), total(structures, r * squares[:, None])
    charge = (field * cubic).sum(1) / HARDNESS
    of_atom, there = cubic[structures.batch], field[structures.batch]
    one = torch.eye(3, dtype=r.dtype)
    by_position = one * squares[:, None, None] + 2 * r[:, :, None] * r[:, None]  # d (r r^2)_x / d r_y, symmetric
    along = torch.einsum("ax,axy->ay", there, by_position)
    induced = charge[structures.batch][:, None, None] * by_position + of_atom[:, :, None] * along[:, None] / HARDNESS
    return {
        "dipole": COUPLING * linear + charge[:, None] * cubic,
        "polarizability": cubic[:, :, None] * cubic[:, None] / HARDNESS,
        "born_charges": COUPLING * one + induced,
        "forces": -SPRING * r + COUPLING * there + charge[structures.batch][:, None] * along,
    }


def test_what_follows_from_an_energy_depends_on_the_variables():
    assert derivable({"energy"}, {"positions"}) == {"forces", "hessian"}
    assert derivable({"energy"}, {"positions", "strain"}) == {"forces", "hessian", "stress", "virial"}
    assert derivable({"energy"}, {"field"}) == {"dipole", "polarizability", "hyperpolarizability"}
    further = {"hessian", "hyperpolarizability", "polarizability_gradients"}
    assert derivable({"energy"}, {"positions", "strain", "field"}) == {*ALL, *further} - {"energy"}
    assert derivable({"dipole"}, {"positions"}) == {"born_charges"}
    assert derivable({"charges"}, {"positions", "strain", "field"}) == frozenset()


def test_derivatives_of_what_each_atom_has_are_not_derivable():
    assert "hardness_forces" not in derivable({"energy", "forces"}, {"positions", "strain", "field"})


def test_every_row_is_derived_after_the_one_it_is_the_derivative_of():
    names = [row.name for row in derivation(("polarizability", "forces", "born_charges"), {"energy"})]
    assert names == ["dipole", "polarizability", "forces", "born_charges"]
    assert [row.name for row in derivation(("polarizability",), {"energy", "dipole"})] == ["polarizability"]
    assert derivation(("energy",), {"energy"}) == ()


def test_unknown_outputs_are_named_with_the_known_ones():
    with pytest.raises(KeyError, match=r"unknown quantity 'hyperforce'; .*known: energy, forces"):
        derivation(("hyperforce",), {"energy"})


@pytest.mark.parametrize("name", ["charges", "hardness_forces"])
def test_outputs_that_neither_are_given_nor_follow_are_named(name):
    with pytest.raises(SpecificationError, match=f"{name} is not given.*follow from energy"):
        derivation((name,), {"energy"})


def test_only_variables_that_outputs_ask_for_are_made():
    structures = batch()
    assert make_variables(structures, ("energy",), {"energy"}) == (None, None, None)
    variables = make_variables(structures, ("born_charges",), {"energy"})
    assert variables.strain is None and variables.positions.requires_grad and variables.field.requires_grad
    assert torch.equal(variables.field, structures.field)
    assert make_variables(structures, ("dipole",), {"energy", "dipole"}) == (None, None, None)


def test_first_and_mixed_derivatives_equal_closed_formulas():
    structures = batch()
    found, _ = evaluate(structures, ALL)
    for name, expected in closed(structures).items():
        torch.testing.assert_close(found[name], expected, **EXACT)
    assert found["polarizability"].abs().max() > 0.1


def test_forces_and_virial_together_are_those_alone():
    structures = batch()
    together, _ = evaluate(structures, ALL)
    for name in ALL[1:]:
        torch.testing.assert_close(evaluate(structures, (name,))[0][name], together[name], **EXACT)


@pytest.mark.parametrize(
    ("of", "by", "output", "sign"),
    [
        ("energy", "positions", "forces", -1),
        ("energy", "field", "dipole", -1),
        ("energy", "strain", "virial", -1),
        ("dipole", "field", "polarizability", 1),
        ("dipole", "positions", "born_charges", 1),
    ],
)
def test_derivatives_equal_finite_differences(of, by, output, sign):
    structures = batch()
    found, _ = evaluate(structures, (output,))
    torch.testing.assert_close(found[output], sign * numerical(structures, by, of), rtol=0, atol=1e-8)


def test_the_response_to_strain_is_over_the_volume_and_equals_finite_differences():
    structures = batch()
    found, _ = evaluate(structures, ("stress", "virial", "piezoelectricity"))
    volumes = structures.volumes[:, None, None]
    torch.testing.assert_close(found["stress"], -found["virial"] / volumes, **EXACT)
    expected = numerical(structures, "strain", "dipole") / volumes[..., None]
    torch.testing.assert_close(found["piezoelectricity"], expected, rtol=0, atol=1e-8)
    assert expected.abs().max() > 1e-3


def test_without_a_stated_field_responses_are_those_at_no_field():
    found, _ = evaluate(batch(field=False), ("dipole", "polarizability"))
    structures = batch().replace(field=torch.zeros(2, 3, dtype=torch.float64))
    for name in ("dipole", "polarizability"):
        torch.testing.assert_close(found[name], closed(structures)[name], **EXACT)


def test_a_structure_responds_to_its_own_field_only():
    structures = batch()
    for name, value in evaluate(structures, ALL)[0].items():
        alone = torch.cat([evaluate(single, ALL)[0][name] for single in structures.singles()])
        torch.testing.assert_close(value, alone, **EXACT)


def test_an_energy_without_second_order_has_no_polarizability():
    found, _ = evaluate(batch(), ("polarizability",), function=lambda structures: energy(structures, induced=False))
    assert torch.equal(found["polarizability"], torch.zeros(2, 3, 3, dtype=torch.float64))


def test_losses_of_derivatives_can_be_differentiated_by_parameters():
    structures, scale = batch(), torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    outputs = ("forces", "virial", "dipole", "polarizability", "born_charges")
    found, _ = evaluate(structures, outputs, create_graph=True, function=lambda s: scale * energy(s))
    unscaled, _ = evaluate(structures, outputs)
    for name in outputs:  # each again and again: the graph stays
        (slope,) = torch.autograd.grad(found[name].square().sum(), scale, retain_graph=True)
        torch.testing.assert_close(slope, 2 * scale.detach() * unscaled[name].square().sum(), **EXACT)


def test_without_create_graph_results_are_detached_from_it():
    found, _ = evaluate(batch(), ALL)
    assert not any(found[name].requires_grad for name in ("forces", "virial", "polarizability", "born_charges"))


def test_given_quantities_of_several_sources_keep_the_graph_that_they_share():
    """A dipole that a part gives, beside the energy: one graph of positions, two sources of derivatives."""
    structures = batch()
    variables = make_variables(structures, ("forces", "born_charges"), {"energy", "dipole"})
    moved = variables.apply(structures)
    shared = moved.positions.sin()  # both hang on it
    values = {"energy": total(moved, shared.square().sum(1)), "dipole": total(moved, shared)}
    found = differentiate(values, variables, structures, ("forces", "born_charges"))
    r = structures.positions
    torch.testing.assert_close(found["forces"], -2 * r.sin() * r.cos(), **EXACT)
    torch.testing.assert_close(found["born_charges"], torch.diag_embed(r.cos()), **EXACT)
