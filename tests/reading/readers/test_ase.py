"""Whatever ASE reads."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from atnn.errors import DataError
from atnn.reading import read


@pytest.fixture
def copper():
    frames = []
    for index in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.05, seed=index)
        atoms.positions += 0.5
        atoms.calc = EMT()
        atoms.get_potential_energy(), atoms.get_stress(), atoms.get_forces()
        frames.append(atoms)
    return frames


@pytest.mark.parametrize(("name", "form"), [("a.traj", "traj"), ("a.json", "json"), ("a.db", "db")])
def test_trajectories_and_databases_keep_their_results(tmp_path, copper, name, form):
    ase.io.write(tmp_path / name, copper, format=form)
    data = read(tmp_path / name)
    for index, atoms in enumerate(copper):
        batch = data[[index]]
        assert np.allclose(batch.structures.positions, atoms.positions) and batch.structures.pbc.all()
        assert batch.labels["energy"][0] == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
        assert np.allclose(batch.labels["forces"], atoms.get_forces(), atol=1e-12)
        assert np.allclose(batch.labels["stress"][0], atoms.get_stress(voigt=False), atol=1e-12)


def test_a_structure_without_labels_is_read(tmp_path, copper):
    ase.io.write(tmp_path / "a.cif", copper[0])
    data = read(tmp_path / "a.cif")
    assert len(data) == 1 and "energy" in data.summary.missing


def test_a_file_that_nobody_understands_is_an_error(tmp_path):
    (tmp_path / "a.txt").write_text("nothing of interest\n")
    with pytest.raises(DataError, match="ASE cannot read it"):
        read(tmp_path / "a.txt")


def test_a_missing_file_and_an_unknown_format_are_errors(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "a.xyz")
    (tmp_path / "a.xyz").touch()
    with pytest.raises(DataError, match="no format is called 'xyzz'") as caught:
        read(tmp_path / "a.xyz", format="xyzz")
    assert "extxyz" in caught.value.remedy
