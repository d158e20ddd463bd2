"""Energies and forces of fixed models: a change of the mathematics does not go unnoticed.

The models are built in float64 from normal numbers of numpy. Those of torch, and anything rounded to float32, differ
in the last bits from one processor to the next. The numbers are used up in the order in which the parts of a model draw
them, so the names of the parts do not matter.

After a change that is meant, ``python tests/contracts/test_golden.py`` writes the values anew.
"""

import json
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from contracts.models import NAMES, evaluate, small_model
from systems import ethanol

VALUES = Path(__file__).with_name("golden.json")


@contextmanager
def the_same_start_on_every_processor():
    """Weights in float64, and ``torch.randn`` by numpy's PCG64 generator."""
    generator, default = np.random.Generator(np.random.PCG64(3)), torch.get_default_dtype()

    def randn(*shape, dtype=None):
        return torch.from_numpy(generator.standard_normal(shape)).to(dtype or torch.get_default_dtype())

    torch.set_default_dtype(torch.float64)
    try:
        with mock.patch("torch.randn", randn):
            yield
    finally:
        torch.set_default_dtype(default)


def values(name, networks):
    atoms = ethanol()
    atoms.rattle(0.1, seed=5)
    with the_same_start_on_every_processor():
        model = small_model(name, networks=networks)
    found = evaluate(model, atoms)
    return {"energy": found["energy"].item(), "forces": found["forces"][:3].tolist()}


@pytest.mark.parametrize("networks", ["element", "shared"])
@pytest.mark.parametrize("name", NAMES)
def test_fixed_models_give_the_recorded_values(name, networks):
    expected, found = json.loads(VALUES.read_text())[f"{name} {networks}"], values(name, networks)
    assert found["energy"] == pytest.approx(expected["energy"], rel=1e-10)
    np.testing.assert_allclose(found["forces"], expected["forces"], rtol=1e-8, atol=1e-10)


if __name__ == "__main__":
    recorded = {f"{name} {kind}": values(name, kind) for name in NAMES for kind in ("element", "shared")}
    VALUES.write_text(json.dumps(recorded, indent=1) + "\n")
