"""Unknown names are answered with the nearest known one, wherever a user may write one."""

from __future__ import annotations

import pytest
from ase.build import molecule

from atnn.dynamics.simulate import simulate
from atnn.errors import AtnnError, suggest
from atnn.model import Model, ModelPotential, ModelSpecification
from atnn.reading import read
from atnn.specification import parse
from atnn.structures import Structures
from atnn.training import RunConfig, TrainingConfig


def test_the_nearest_name_is_suggested_whatever_its_case():
    assert suggest("gfn2-xtb", ["GFN1-xTB", "GFN2-xTB"]) == "did you mean `GFN2-xTB`? "
    assert suggest("dipol", ["energy", "dipole"]) == "did you mean `dipole`? "
    assert suggest("zzz", ["energy", "dipole"]) == "" and suggest(None, []) == ""


def ask(name):
    model = Model(ModelSpecification(elements=(1, 8), representation="eann"))
    ModelPotential(model)(Structures.from_ase(molecule("H2O")), (name,))


def read_water(folder, **options):
    (folder / "water.xyz").write_text("1\nenergy=1.0\nO 0 0 0\n")
    read(folder / "water.xyz", **options)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda folder: ask("force"), "forces"),
        (lambda folder: simulate("m.atnn", "s.xyz", folder, integrator="langevine"), "langevin"),
        (lambda folder: read_water(folder, format="extxzy"), "extxyz"),
        (lambda folder: read_water(folder, keys={"energi": "E"}), "energy"),
        (lambda folder: read_water(folder, units={"lenght": "bohr"}), "length"),
        (lambda folder: read_water(folder, units={"energy": "hartre", "length": "bohr"}), "hartree"),
        (lambda folder: parse(TrainingConfig, {"weights": {"force": 1.0}}), "forces"),
        (lambda folder: parse(ModelSpecification, {"elements": [1], "outputs": ["dipol"]}), "dipole"),
        (lambda folder: parse(ModelSpecification, {"elements": [1], "representation": "rean"}), "reann"),
        (lambda folder: parse(RunConfig, {"data": {"train": "x"}, "model": {"preset": "fats"}}), "fast"),
        (lambda folder: parse(RunConfig, {"data": {"train": "x"}, "modle": {}}), "model"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(tmp_path, wrong, hint):
    with pytest.raises(AtnnError) as caught:
        wrong(tmp_path)
    assert f"did you mean `{hint}`?" in str(caught.value)
