"""Reference data of the D3 and D4 dispersion energies, from the packages of their authors.

    pip download --no-deps --dest WHEELS tad-dftd3==0.7.0 tad-dftd4==0.8.0 tad-mctc==0.11.3
    OMP_NUM_THREADS=1 python scripts/tabulate_dispersion.py WHEELS        (five seconds)

Writes dispersion_references.safetensors, dispersion_functionals.json and dispersion-LICENSE.txt in src/atnn/physics.
The wheels are unpacked, not installed: tad-dftd4 asks for an older NumPy, and of all three only tables are needed. All
are under the Apache licence 2.0, which allows to pass the numbers on with its text and a note of what was changed:
references that do not exist are left out, and C6 coefficients of pairs are stored once and as integers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.numpy import save_file

PHYSICS = Path(__file__).resolve().parents[1] / "src/atnn/physics"
PACKAGES = ("tad_dftd3-0.7.0", "tad_dftd4-0.8.0", "tad_mctc-0.11.3")
ELEMENTS = 104  # with a row for the number zero
C6_UNIT = 1e-4  # hartree bohr^6; the published coefficients have four decimals
# As the dftd4 program has had them since: wb97x now means wB97X-V (doi:10.1002/jcc.26411), not the functional of 2008;
# a2 of r2SCAN-CIDH is another (doi:10.1063/5.0174988).
LATER_D4 = {"wb97x": [1.0, 0.5093, 0.0662, 5.4487], "r2scan-cidh": [0.8666, 0.5336, 0.4171, 5.9125]}


def load(path: Path) -> ModuleType:
    """One file as a module, without the package around it."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def element_data(folder: Path) -> dict[str, np.ndarray]:
    """Per element: covalent radii [Angstrom], sqrt(r4/r2) [bohr], electronegativity, hardness [hartree], charge."""
    from tad_mctc.data import GAM, radii
    from tad_mctc.data.en import PAULING
    from tad_mctc.data.zeff import ZEFF
    from tad_mctc.units import length

    expectation = load(folder / "tad_dftd3/data/r4r2.py").R4R2(dtype=torch.float64)
    columns = {
        "covalent_radii": radii.COV_D3() / length.AA2AU,  # enlarged by 4/3, as the methods use them
        "expectation_ratios": expectation,
        "electronegativities": PAULING(),
        "hardnesses": GAM(),
        "effective_charges": ZEFF().double(),
    }
    return {name: values[:ELEMENTS].double().numpy() for name, values in columns.items()}


def d3_data(folder: Path) -> dict[str, np.ndarray]:
    """References of D3, and the lower triangle of their C6 coefficients in units of ``C6_UNIT``."""
    coordination = load(folder / "tad_dftd3/reference.py")._load_cn()
    c6 = torch.load(folder / "tad_dftd3/reference-c6.pt", weights_only=True)
    element, reference = torch.nonzero(coordination >= 0, as_tuple=True)
    square = c6[element[:, None], element, reference[:, None], reference].numpy()
    units = np.rint(square / C6_UNIT)
    assert np.abs(units * C6_UNIT - square).max() < 1e-8 and (units == units.T).all() and units.min() > 0
    return {
        "d3.elements": element.numpy(),
        "d3.coordination": coordination[element, reference].numpy(),
        "d3.c6": units[np.tril_indices(len(units))].astype(np.int32),
    }


def d4_data(folder: Path) -> dict[str, np.ndarray]:
    """References of D4: molecules, and their hydrogens, halogens or other partners, with dynamic polarizabilities.

    Polarizabilities [bohr^3] are at imaginary frequencies. That of the atom itself is what the partners leave.
    """
    tables = load(folder / "tad_dftd4/reference/d4/params.py")
    charges = load(folder / "tad_dftd4/reference/d4/charge_eeq.py")
    element, reference = torch.nonzero(tables.refc > 0, as_tuple=True)
    place = (element, reference)
    assert tables.refsys[place].min() > 0
    return {
        "d4.elements": element.numpy(),
        "d4.coordination": tables.refcovcn[place].numpy(),
        "d4.gaussians": tables.refc[place].numpy(),
        "d4.charges": charges.clsq[place].double().numpy(),
        "d4.molecules": tables.refalpha[place].numpy(),
        "d4.shares": tables.refascale[place].numpy(),
        "d4.partners": tables.refsys[place].numpy(),
        "d4.partner_counts": tables.refscount[place].numpy(),
        "d4.partner_charges": charges.clsh[place].double().numpy(),
        "d4.partner_polarizabilities": (tables.secscale * tables.secalpha).numpy(),
        "d4.integration": integration_weights(folder),
    }


def integration_weights(folder: Path) -> np.ndarray:
    """Weights of the imaginary frequencies [hartree], read off the package's integral of a unit polarizability."""
    integral = load(folder / "tad_dftd4/utils.py").trapzd_noref
    units = torch.eye(23, dtype=torch.float64)
    return np.array([float(integral(unit[None])) * np.pi / 3 for unit in units])


def functionals(folder: Path) -> dict[str, dict]:
    """Damping parameters [s6, s8, a1, a2 (bohr)] of every functional, and other names of some."""
    d3 = tomllib.loads((folder / "tad_dftd3/param/parameters.toml").read_text())["parameter"]
    d4 = tomllib.loads((folder / "tad_dftd4/damping/parameters/d4.toml").read_text())["parameter"]
    aliases = tomllib.loads((folder / "tad_dftd3/param/aliases.toml").read_text())["alias"]
    tables: dict[str, dict] = {"d3": {}, "d4": {}}
    for method, parameters, variant in (("d3", d3, "bj"), ("d4", d4, "bj-eeq-atm")):
        for name, entry in sorted(parameters.items()):
            found = entry.get(method, {}).get(variant)
            if found:
                tables[method][name] = [found.get("s6", 1.0), found["s8"], found["a1"], found["a2"]]
    tables["d4"] |= {"wb97x-2008": tables["d4"]["wb97x"]} | LATER_D4
    known = tables["d3"] | tables["d4"]
    return {"aliases": {a: n for a, n in sorted(aliases.items()) if n in known}, **tables}


def write_functionals(tables: dict[str, dict], source: str) -> None:
    blocks = []
    for key, table in tables.items():
        lines = ",\n".join(f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(v)}" for name, v in table.items())
        blocks.append(f' "{key}": {{\n{lines}\n }}')
    head = {"source": source, "parameters": "s6, s8, a1, a2 [bohr] of rational damping"}
    top = ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items())
    text = "{\n" + top + ",\n" + ",\n".join(blocks) + "\n}\n"
    (PHYSICS / "dispersion_functionals.json").write_text(text)


def main() -> None:
    wheels = [Path(sys.argv[1]) / f"{package}-py3-none-any.whl" for package in PACKAGES]
    source = ", ".join(f"{w.name} (sha256 {hashlib.sha256(w.read_bytes()).hexdigest()[:16]})" for w in wheels)
    with tempfile.TemporaryDirectory() as unpacked:
        for wheel in wheels:
            zipfile.ZipFile(wheel).extractall(unpacked)
        folder = Path(unpacked)
        sys.path.insert(0, unpacked)
        elements = element_data(folder)
        arrays = elements | d3_data(folder) | d4_data(folder)
        metadata = {
            "source": source,
            "license": "Apache-2.0, dispersion-LICENSE.txt",
            "changes": "scripts/tabulate_dispersion.py: absent references left out, symmetric C6 stored once",
            "references": "D3 doi:10.1063/1.3382344, 10.1002/jcc.21759; D4 doi:10.1063/1.5090222",
            "units": f"d3.c6 in {C6_UNIT} hartree bohr^6; polarizabilities in bohr^3; see the script",
        }
        save_file(
            {k: np.ascontiguousarray(v) for k, v in arrays.items()},
            PHYSICS / "dispersion_references.safetensors",
            metadata,
        )
        write_functionals(functionals(folder), source)
        text = (folder / "tad_dftd4-0.8.0.dist-info/licenses/LICENSE").read_text()
        (PHYSICS / "dispersion-LICENSE.txt").write_text(text)
    for name, values in arrays.items():
        print(f"{name:22s} {values.dtype!s:8s} {values.shape}")


if __name__ == "__main__":
    main()
