"""Models of SpookyNet's published code give its energies, and files that are none are refused."""

import pytest
import torch
from ase import Atoms

from atnn.errors import DataError, ModelFileError
from atnn.imports import import_spookynet
from atnn.model import load_model, save_model
from contracts.models import evaluate
from imports.spookynet_parameters import some_options, some_parameters, write_file
from references.loading import reference
from systems import ethanol

PUBLISHED = reference("spookynet")
OUTPUTS = ("energy", "forces", "charges")


def molecule(name):
    entry = PUBLISHED[name]
    return Atoms(entry["numbers"], entry["positions"], info={key: entry[key] for key in ("charge", "spin")})


@pytest.fixture
def make_file(tmp_path):
    """Write a file with other options, with and without tensors."""

    def make(without=(), more=None, **changes):
        options = some_options(**changes)
        parameters = some_parameters(options)
        parameters = {name: tensor for name, tensor in parameters.items() if name not in without} | (more or {})
        return write_file(tmp_path / "parameters.pth", options, parameters)

    return make


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_gives_what_the_published_code_gives(make_file, name):
    # The tables of D4, which the published code saves with a model, are those of this package.
    file = make_file(more={"d4_dispersion_energy.refq": torch.zeros(87, 7)})
    found = evaluate(import_spookynet(file), molecule(name), OUTPUTS)
    # Constants of nature with 8 digits, and tables of D4 in float32; without these, all agree to 1e-14.
    assert found["energy"].item() == pytest.approx(PUBLISHED[name]["energy"], abs=2e-7)
    torch.testing.assert_close(found["forces"], torch.tensor(PUBLISHED[name]["forces"]).double(), rtol=0, atol=1e-6)
    charges = torch.tensor(PUBLISHED[name]["charges"], dtype=torch.float64)
    torch.testing.assert_close(found["charges"], charges, rtol=0, atol=1e-13)


def test_the_dipole_is_that_of_the_charges(make_file):
    atoms = molecule("OH2")
    found = evaluate(import_spookynet(make_file()), atoms, ("dipole", "charges"))
    torch.testing.assert_close(found["dipole"][0], found["charges"] @ torch.tensor(atoms.positions))


def test_a_model_is_saved_as_any_other(make_file, tmp_path):
    model = import_spookynet(make_file())
    save_model(tmp_path / "model.atnn", model)
    expected, found = (evaluate(m, ethanol())["energy"] for m in (model, load_model(tmp_path / "model.atnn")))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("term", ["zbl", "electrostatics", "d4"])
def test_a_model_without_a_term_lacks_its_energy_alone(make_file, term):
    option = {"zbl": "zbl_repulsion", "d4": "d4_dispersion"}.get(term, term)
    whole = import_spookynet(make_file())
    without = import_spookynet(make_file(**{f"use_{option}": False}))
    names = [{part.name for part in model.specification.terms} for model in (whole, without)]
    assert names[0] - names[1] == {term}
    energies = [evaluate(model, molecule("C2H4"), ("energy",))["energy"].item() for model in (whole, without)]
    assert abs(energies[0] - energies[1]) > 0.01


def test_radial_functions_may_lack_the_further_factor(make_file):
    model = import_spookynet(make_file(exp_weighting=False))
    found = evaluate(model, molecule("C2H4"), ("energy",))["energy"].item()
    # Large charges, whose energy scales with the constant of Coulomb's law.
    assert found == pytest.approx(PUBLISHED["C2H4"]["energy_without_weighting"], rel=2e-8)
    assert abs(found - PUBLISHED["C2H4"]["energy"]) > 0.01


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "ssp"},
        {"basis_functions": "gaussian"},
        {"lr_cutoff": 10.0},
        {"num_residual_local_x": 2},
        {"num_features": 20},
        {"use_irreps": False},
        {"use_nonlinear_embedding": True},
        {"Zmax": 18},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_options_that_cannot_be_represented_are_named(tmp_path, changes):
    file = write_file(tmp_path / "parameters.pth", some_options(**changes), {})
    with pytest.raises(ModelFileError, match=rf"parameters.pth: .*cannot be represented.*{next(iter(changes))}"):
        import_spookynet(file)


def test_a_file_of_an_older_version_is_refused_by_the_options_that_it_lacks(tmp_path):
    options = some_options()
    del options["use_irreps"]
    with pytest.raises(ModelFileError, match="missing key `use_irreps`"):
        import_spookynet(write_file(tmp_path / "parameters.pth", options, {}))


def test_weights_that_are_missing_left_over_or_of_another_shape_are_named(make_file):
    file = make_file(["module.1.resblock.linear.bias"], {"idx": torch.ones(1), "output.weight": torch.ones(2, 8)})
    with pytest.raises(ModelFileError) as raised:
        import_spookynet(file)
    assert "missing module.1.resblock.linear.bias" in str(raised.value)
    assert "unexpected idx" in str(raised.value)
    assert "output.weight (2, 8) instead of (2, 16)" in str(raised.value)


def test_a_file_of_another_size_names_some_weights_and_counts_the_others(make_file, tmp_path):
    file = write_file(tmp_path / "parameters.pth", some_options(num_modules=3), some_parameters(some_options()))
    with pytest.raises(ModelFileError, match=r"missing module.2.*and \d+ more"):
        import_spookynet(file)


def test_weights_that_are_no_numbers_are_refused(make_file):
    with pytest.raises(ModelFileError, match="element_bias with NaN"):
        import_spookynet(make_file(more={"element_bias": torch.full((87, 2), torch.nan)}))


def test_elements_beyond_radon_are_refused(make_file):
    with pytest.raises(DataError, match="U"):
        evaluate(import_spookynet(make_file()), Atoms("UO2", [[0, 0, 0], [1.8, 0, 0], [-1.8, 0, 0]]))


def test_what_is_no_file_of_parameters_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent.pth: cannot be read"):
        import_spookynet(tmp_path / "absent.pth")
    text = tmp_path / "text.pth"
    text.write_text("text")
    with pytest.raises(ModelFileError, match=r"text.pth: no checkpoint of tensors"):
        import_spookynet(text)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ModelFileError, match="holds no options"):
        import_spookynet(tmp_path / "list.pth")
    torch.save({"state_dict": {}, "activation": make_code}, tmp_path / "code.pth")
    with pytest.raises(ModelFileError, match=r"code.pth: no checkpoint of tensors"):
        import_spookynet(tmp_path / "code.pth")


def make_code():
    """A function, which a file of weights may not hold."""
