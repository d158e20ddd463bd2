"""Importing costs nothing before something is used."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

HEAVY = ("torch", "ase", "scipy", "h5py", "plotly", "pyscf", "tblite", "pydantic", "matplotlib", "tensorboard")


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def _seconds(code: str) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return min(times)


def test_import_atnn_loads_no_heavy_package():
    assert _python(f"import sys, atnn; print([m for m in {HEAVY} if m in sys.modules])").strip() == "[]"


def test_import_atnn_takes_less_time_than_two_imports_of_numpy():
    assert _seconds("import atnn") < 2 * _seconds("import numpy")  # half of one where this was measured


def test_help_loads_no_heavy_package_and_takes_less_time_than_ten_imports_of_numpy():
    command = "import sys; sys.argv = ['atnn', '--help']; from atnn.cli import main"
    code = f"{command}\ntry:\n    main()\nexcept SystemExit: pass\nprint([m for m in {HEAVY} if m in sys.modules])"
    assert _python(code).strip().splitlines()[-1] == "[]"
    # Two imports, a tenth of a second, where this was measured; numpy tells how fast the machine is.
    assert _seconds(f"{command}; main()") < 10 * _seconds("import numpy")


def test_every_public_name_exists():
    import atnn

    for name in atnn.__all__:
        assert getattr(atnn, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    import atnn

    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = atnn.nonsense
