"""Settings of the whole test suite. Nothing of atnn may be imported here: the type-checking hook comes later."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile("local", deadline=None, max_examples=20, suppress_health_check=_QUIET)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(autouse=True)
def _fixed_seeds():
    """A test that forgets its generator is at least reproducible."""
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="module")
def _rows_are_forgotten():
    """Rows that tests add to the table of quantities are gone for the next file."""
    from atnn.quantities import QUANTITIES

    before = dict(QUANTITIES)
    yield
    QUANTITIES.clear()
    QUANTITIES.update(before)


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch):
    """Graphs run as they are traced, because a compilation takes a minute.

    What PyTorch's compiler makes of a graph is tested for every representation, for terms, and for a training step.
    """
    monkeypatch.setattr("atnn.model.tracing.compile_graph", lambda graph, stand_ins: graph)


@pytest.fixture
def hooked(request: pytest.FixtureRequest) -> bool:
    """Whether shapes and types are checked at run time in this pytest call."""
    return bool(request.config.getoption("--jaxtyping-packages", default=None))
