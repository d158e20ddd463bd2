"""Importing loads nothing heavy before something is used; the seconds are in benchmarks/speed/import_time.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "ase", "scipy", "h5py", "plotly", "pyscf", "tblite", "pydantic", "matplotlib", "tensorboard")


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_atnn_loads_no_heavy_package():
    assert _python(f"import sys, atnn; print([m for m in {HEAVY} if m in sys.modules])").strip() == "[]"


def test_help_loads_no_heavy_package():
    command = "import sys; sys.argv = ['atnn', '--help']; from atnn.cli import main"
    code = f"{command}\ntry:\n    main()\nexcept SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules])"
    assert _python(code).strip().splitlines()[-1] == "[]"


def test_every_public_name_exists():
    import atnn

    for name in atnn.__all__:
        assert getattr(atnn, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import atnn

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = atnn.nonsense
