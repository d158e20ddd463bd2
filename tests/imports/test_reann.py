"""Models of the REANN and EquiREANN packages: what is imported gives the energies and forces of the original."""

import ast

import numpy as np
import pytest
import torch
from ase import Atoms

from atnn.errors import AtnnError, DataError, ModelFileError, SpecificationError
from atnn.imports import IMPORTERS, import_model, import_reann
from atnn.model import ModelPotential, load_model, save_model
from atnn.structures import Structures
from atnn.units import bohr, hartree
from contracts.models import evaluate, small_model
from references.loading import reference

EV = {"energy": "eV", "length": "Angstrom"}


def write_checkpoint(folder, name="reann", edit=lambda weights: None, prefix="", key="reannparam", **changes):
    """The checkpoint and the input files of the original, in the layout of its package."""
    stored = reference(name)
    weights = {k: torch.tensor(v, dtype=None if "index" in k else torch.float64) for k, v in stored["weights"].items()}
    edit(weights)
    torch.save({key: {prefix + k: v for k, v in weights.items()}, "optimizer": {}}, folder / "REANN.pth")
    (folder / "para").mkdir(exist_ok=True)
    for file, text in stored["inputs"].items():
        lines = [line for line in text.splitlines() if line.split("=")[0].strip() not in changes]
        added = [f"{k} = {v}" for k, v in changes.items() if v is not None and file == "input_nn"]
        (folder / "para" / file).write_text("\n".join(lines + added) + "\n")
    return folder / "REANN.pth", folder / "para"


def frames(name):
    for entry in reference(name)["structures"]:
        yield Atoms(entry["symbols"], entry["positions"], cell=entry["cell"], pbc=entry["pbc"]), entry


def scaled(atoms, factor):
    atoms = atoms.copy()
    atoms.positions *= factor
    atoms.cell[:] *= factor
    return atoms


@pytest.mark.parametrize("name", ["reann", "equireann"])
@pytest.mark.parametrize("prefix", ["", "module."], ids=["one process", "several"])
def test_energies_and_forces_are_those_of_the_original(tmp_path, name, prefix):
    model = import_reann(*write_checkpoint(tmp_path, name, prefix=prefix), EV)
    assert model.elements == (1, 8) and model.dtype == torch.float64
    assert model.specification.representation.name == name == model.provenance["imported"]["package"]
    for atoms, entry in frames(name):
        found = evaluate(model, atoms)
        assert found["energy"].item() == pytest.approx(entry["energy"], rel=1e-14)
        np.testing.assert_allclose(found["forces"], entry["forces"], rtol=1e-10, atol=1e-11)
        assert np.abs(entry["forces"]).max() > 0.1  # eV/Angstrom


@pytest.mark.parametrize("name", ["reann", "equireann"])
def test_units_are_converted(tmp_path, name):
    model = import_reann(*write_checkpoint(tmp_path, name), {"energy": "hartree", "length": "bohr"})
    for atoms, entry in frames(name):
        found = evaluate(model, scaled(atoms, bohr))
        assert found["energy"].item() == pytest.approx(entry["energy"] * hartree, rel=1e-12)
        np.testing.assert_allclose(found["forces"], np.array(entry["forces"]) * hartree / bohr, rtol=1e-9, atol=1e-9)


def test_a_model_of_float32_stays_one_and_keeps_large_energies_apart(tmp_path):
    def round_weights(weights):
        weights.update({k: v.float() if v.is_floating_point() else v for k, v in weights.items()})

    model = import_reann(*write_checkpoint(tmp_path, edit=round_weights), EV)
    assert model.dtype == torch.float32
    for atoms, entry in frames("reann"):
        # float32 holds -430 eV to 3e-5 eV only, and so does the constant of the checkpoint for each of the atoms.
        assert evaluate(model, atoms)["energy"].item() == pytest.approx(entry["energy"], abs=1e-4)


def test_an_imported_model_is_saved_loaded_and_driven_like_any_other(tmp_path):
    model = import_reann(*write_checkpoint(tmp_path), EV)
    save_model(tmp_path / "model.atnn", model)
    loaded = load_model(tmp_path / "model.atnn")
    assert loaded.provenance == model.provenance and loaded.reference_energies == model.reference_energies
    atoms, entry = next(frames("reann"))
    found = ModelPotential(loaded)(Structures.from_ase(atoms), ("forces",))["forces"]
    np.testing.assert_allclose(found.detach(), entry["forces"], rtol=1e-10, atol=1e-11)


CHANGES = {
    "a parameter is missing": (lambda w: w.pop("density.hyper"), "missing density.hyper"),
    "one is left over": (lambda w: w.update({"nnmod1.x": torch.ones(1)}), "unexpected nnmod1.x"),
    "one has another shape": (
        lambda w: w.update({"density.params": torch.ones(2, 4)}),
        r"density.params has the shape \(2, 4\), expected \(2, 3\)",
    ),
    "one is not finite": (lambda w: w["density.rs"].fill_(float("nan")), "density.rs is NaN"),
    "another cutoff": (lambda w: w["density.cutoff"].fill_(4.0), "cutoff is 4 in the checkpoint and 3.3"),
}


@pytest.mark.parametrize("edit, message", CHANGES.values(), ids=CHANGES)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, edit, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        import_reann(*write_checkpoint(tmp_path, edit=edit), EV)
    assert "REANN.pth" in str(caught.value) and "->" in str(caught.value)


SETTINGS = {
    "another size": ({"oc_loop": 1}, "unexpected density.ocmod.memssage_1"),
    "more layers": ({"nl": "[4, 3, 3]"}, "missing nnmod.elemental_nets.O"),
    "no normalisation": ({"table_norm": False}, "the parameters do not fit"),
    "other order": ({"atomtype": "['H', 'O']"}, "elements are O, H, in this order, in the checkpoint"),
    "no elements": ({"atomtype": None}, "elements are missing"),
    "no such element": ({"atomtype": "['O', 'Hx']"}, r"no elements: \['Hx'\]"),
    "no activation": ({"activate": None}, "activate names no activation"),
    "no activation of updates": ({"oc_activate": None}, "oc_activate names no activation"),
    "unknown activation": ({"activate": "'SiLU'"}, "activate = 'SiLU' is unknown"),
    "unknown setting": ({"oc_lop": 2}, "unknown setting 'oc_lop'"),
    "a dipole": ({"start_table": 2}, "no model of energies"),
    "code": ({"cutoff": "__import__('os').getcwd()"}, "is no assignment of a number"),
    "no number": ({"nwave": "'three'"}, "nwave = 'three' is of the wrong kind"),
    "no widths": ({"nl": "[]"}, r"nl = \[\]"),
    "endless rounds": ({"oc_loop": 10**9}, "`representation.reann.rounds` = 1000000000"),
}


@pytest.mark.parametrize("changes, message", SETTINGS.values(), ids=SETTINGS)
def test_input_files_that_do_not_fit_are_refused(tmp_path, changes, message):
    with pytest.raises((SpecificationError, ModelFileError), match=message) as caught:
        import_reann(*write_checkpoint(tmp_path, **changes), EV)
    assert "->" in str(caught.value)


def test_lines_of_the_input_files_are_never_run(tmp_path):
    path, folder = write_checkpoint(tmp_path)
    for line in ("import os", "print(1)", "a.b = 1", "nl[0] = 1", "nl = nwave = 3", "cutoff: float = 3", "(" * 500):
        (folder / "input_nn").write_text(f"nblock = 1\n{line}\n")
        with pytest.raises(SpecificationError, match="input_nn, line 2"):
            import_reann(path, folder, EV)


def test_defaults_are_those_of_the_published_code(tmp_path):
    # The stored model has none of the defaults; without the lines that say so, sizes no longer fit.
    path, folder = write_checkpoint(tmp_path, nl=None)
    with pytest.raises(ModelFileError, match=r"expected \(128, 7\)"):
        import_reann(path, folder, EV)


def test_files_of_another_kind_are_refused(tmp_path):
    path, folder = write_checkpoint(tmp_path, key="eannparam")
    with pytest.raises(ModelFileError, match="holds no parameters `reannparam`, but eannparam, optimizer"):
        import_reann(path, folder, EV)
    torch.save({"reannparam": ast.Name("x")}, path)  # an object whose loading would run code
    with pytest.raises(ModelFileError, match="no checkpoint of tensors"):
        import_reann(path, folder, EV)
    path.write_text("hello")
    with pytest.raises(ModelFileError, match="no checkpoint of tensors"):
        import_reann(path, folder, EV)
    with pytest.raises(DataError, match="cannot be read"):
        import_reann(tmp_path / "nothing.pth", folder, EV)


@pytest.mark.parametrize(
    "units, message",
    [
        ({}, "units of energy and length are not declared"),
        ({"energy": "eV"}, "units of length are not declared"),
        ({"energy": "eV", "length": "parsec"}, "parsec"),
    ],
)
def test_units_that_are_missing_or_unknown_are_refused(tmp_path, units, message):
    with pytest.raises(DataError, match=message):
        import_reann(*write_checkpoint(tmp_path), units)


def test_options_that_an_importer_lacks_or_does_not_take_are_named(tmp_path, monkeypatch):
    with pytest.raises(AtnnError, match="no importer for rean\n-> did you mean `reann`"):
        import_model("rean", tmp_path / "REANN.pth")
    with pytest.raises(AtnnError, match="importer of reann needs input"):
        import_model("reann", tmp_path / "REANN.pth", input=None)
    model = small_model("reann")
    monkeypatch.setitem(IMPORTERS, "plain", lambda path: model)
    assert import_model("plain", tmp_path, input=None) is model
    with pytest.raises(AtnnError, match="importer of plain takes no units"):
        import_model("plain", tmp_path, units=EV)
