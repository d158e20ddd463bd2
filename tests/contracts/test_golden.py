"""Energies and forces of fixed models: a change of the mathematics does not go unnoticed.

After a change that is meant, ``python tests/contracts/test_golden.py`` writes the values anew.
"""

import json
from pathlib import Path

import pytest
import torch

from contracts.models import NAMES, evaluate, small_model
from systems import ethanol

VALUES = Path(__file__).with_name("golden.json")


def values(name, networks):
    atoms = ethanol()
    atoms.rattle(0.1, seed=5)
    found = evaluate(small_model(name, networks=networks), atoms)
    return {"energy": found["energy"].item(), "forces": found["forces"][:3].tolist()}


@pytest.mark.parametrize("networks", ["element", "shared"])
@pytest.mark.parametrize("name", NAMES)
def test_fixed_models_give_the_recorded_values(name, networks):
    expected, found = json.loads(VALUES.read_text())[f"{name} {networks}"], values(name, networks)
    assert found["energy"] == pytest.approx(expected["energy"], rel=1e-10)
    torch.testing.assert_close(torch.tensor(found["forces"]), torch.tensor(expected["forces"]), rtol=1e-5, atol=1e-7)


if __name__ == "__main__":
    recorded = {f"{name} {kind}": values(name, kind) for name in NAMES for kind in ("element", "shared")}
    VALUES.write_text(json.dumps(recorded, indent=1) + "\n")
