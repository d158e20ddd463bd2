"""Hartree-Fock by PySCF as a potential, without density fitting and with Cartesian d functions."""

from __future__ import annotations

import numpy as np
import torch
from pyscf import ao2mo, gto, scf

from atnn.units import bohr, hartree
from dynamics.analytic import WithoutMemory


class HartreeFock(WithoutMemory):
    """Restricted Hartree-Fock, the polarizability from the coupled-perturbed equations written out as a matrix."""

    outputs = frozenset({"energy", "forces", "dipole", "polarizability"})

    def __init__(self, basis: str):
        self.basis = basis

    def solve(self, structure) -> scf.hf.RHF:
        """The converged wave function of one structure."""
        atoms = list(zip(structure.numbers.tolist(), structure.positions.tolist(), strict=True))
        molecule = gto.M(atom=atoms, basis=self.basis, unit="Angstrom", cart=True, verbose=0)
        return scf.RHF(molecule).run(conv_tol=1e-12)

    def __call__(self, structures, outputs):
        found: dict[str, list] = {name: [] for name in outputs}
        calculations = {
            "energy": lambda field: field.e_tot * hartree,
            "forces": lambda field: -field.nuc_grad_method().kernel() * hartree / bohr,
            "dipole": lambda field: field.dip_moment(unit="AU", verbose=0) * bohr,
            "polarizability": polarizability,
        }
        for structure in structures.singles():
            field = self.solve(structure)
            for name in outputs:
                found[name].append(torch.as_tensor(np.asarray(calculations[name](field))))
        return {name: torch.cat(v) if name == "forces" else torch.stack(v) for name, v in found.items()}


def polarizability(field: scf.hf.RHF) -> np.ndarray:
    """alpha = 4 mu (A + B)^-1 mu of a closed shell [e^2*Angstrom^2/eV]."""
    occupied, virtual = field.mo_coeff[:, field.mo_occ > 0], field.mo_coeff[:, field.mo_occ == 0]
    i, a = occupied.shape[1], virtual.shape[1]
    moments = np.einsum("xpq,pi,qa->xia", field.mol.intor("int1e_r"), occupied, virtual).reshape(3, i * a)
    eri = field.mol.intor("int2e")
    iajb = ao2mo.general(eri, (occupied, virtual, occupied, virtual), compact=False).reshape(i, a, i, a)
    ijab = ao2mo.general(eri, (occupied, occupied, virtual, virtual), compact=False).reshape(i, i, a, a)
    matrix = 4 * iajb - ijab.transpose(0, 2, 1, 3) - iajb.transpose(0, 3, 2, 1)
    gaps = field.mo_energy[field.mo_occ == 0] - field.mo_energy[field.mo_occ > 0][:, None]
    matrix = matrix.reshape(i * a, i * a) + np.diag(gaps.ravel())
    return 4 * moments @ np.linalg.solve(matrix, moments.T) * bohr**2 / hartree
