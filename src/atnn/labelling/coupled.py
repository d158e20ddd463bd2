"""Second derivatives of molecules through PySCF: coupled-perturbed Kohn-Sham equations, and the terms of a field."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from atnn.errors import LabellingError
from atnn.units import bohr, hartree

ITERATIONS, REFINEMENTS = 50, 5
SOLVED = 1e-8  # residual of the equations; the polarizability is then right to seven digits
Vector = Float[np.ndarray, "3"]  # a field in atomic units


def add_field(method: Any, field: Vector) -> None:
    """Put the electrons of a mean field into an electric field, h -> h + F . r."""
    integrals = method.mol.intor_symmetric("int1e_r", comp=3)
    core = method.get_hcore() + np.einsum("x,xpq->pq", field, integrals)
    method.get_hcore = lambda *_: core


def nuclear_energy(molecule: Any, field: Vector) -> float:
    """Energy of the nuclei in the field, -sum Z R . F [hartree]."""
    return -float(molecule.atom_charges() @ molecule.atom_coords() @ field)


def field_gradient(method: Any, field: Vector) -> Float[np.ndarray, "atoms 3"]:
    """What the field adds to the gradient of the energy: -Z F, and the motion of the orbitals with their atoms."""
    molecule = method.mol
    density = method.make_rdm1()
    density = density if density.ndim == 2 else density.sum(0)
    # <mu| r_i nabla_j |nu>; an orbital moves with its atom, d|nu>/dR = -nabla |nu>
    integrals = molecule.intor("int1e_irp").reshape(3, 3, molecule.nao, molecule.nao)
    moved = np.einsum("i,ijpq,pq->jq", field, integrals, density)
    gradient = -molecule.atom_charges()[:, None] * field
    for atom, (_, _, start, stop) in enumerate(molecule.aoslice_by_atom()):
        gradient[atom] -= 2 * moved[:, start:stop].sum(1)
    return gradient


def polarizability(method: Any) -> Float[np.ndarray, "3 3"]:
    """Static polarizability of a converged mean field, restricted or unrestricted [e^2 Angstrom^2/eV].

    alpha_xy = -2 sum_ai <a|x|i> U^y_ai for each spin, where U solves the coupled-perturbed equations.

    Raises:
        LabellingError: PySCF has no second derivatives of the functional, or the equations did not converge.

    Reference: Gerratt and Mills, J. Chem. Phys. 49, 1719 (1968), doi:10.1063/1.1670299.
    """
    from pyscf.scf import cphf, ucphf

    orbitals = _Orbitals(method)
    try:
        response = method.gen_response(hermi=1)
        perturbed = orbitals.project(method.mol.intor_symmetric("int1e_r", comp=3))

        def induced(flat: np.ndarray) -> np.ndarray:
            blocks = orbitals.split(flat)
            densities = orbitals.densities(blocks)
            potentials = response(densities[0] if orbitals.restricted else np.stack(densities))
            projected = orbitals.project(*([potentials] if orbitals.restricted else potentials))
            return np.concatenate([v.reshape(len(v), v[0].size) for v in projected], axis=1)

        solve = cphf.solve if orbitals.restricted else ucphf.solve
        first = [np.zeros_like(h) for h in perturbed]
        residual, worst = perturbed, 1.0
        for _ in range(REFINEMENTS):  # PySCF's solver does not say how far it came, and drops small vectors
            given = residual[0] / worst if orbitals.restricted else tuple(r / worst for r in residual)
            found = solve(induced, method.mo_energy, method.mo_occ, given, None, ITERATIONS, SOLVED, verbose=0)[0]
            steps = [found] if orbitals.restricted else found
            first = [u + worst * step for u, step in zip(first, steps, strict=True)]
            moved = orbitals.split(induced(np.concatenate([u.reshape(3, u[0].size) for u in first], axis=1)))
            spins = zip(orbitals.gaps, first, perturbed, moved, strict=True)
            residual = [gap * u + h + v for gap, u, h, v in spins]
            if (worst := max(float(np.abs(r).max(initial=0.0)) for r in residual)) < SOLVED:
                break
    except (NotImplementedError, RuntimeError, np.linalg.LinAlgError) as error:
        raise LabellingError(
            f"PySCF has no polarizability of this functional: {error}", remedy="use another functional, e.g. b3lyp"
        ) from error
    if not worst < SOLVED:
        raise LabellingError(
            f"the coupled-perturbed equations did not converge (residual {worst:.2g})",
            remedy="look at the geometry, the charge and the spin",
        )
    alpha = sum(np.einsum("xai,yai->xy", h, u) for h, u in zip(perturbed, first, strict=True))
    alpha = -orbitals.occupation * (alpha + alpha.T)
    return alpha * bohr**2 / hartree


def compute_hessian(method: Any) -> Float[np.ndarray, "pairs 3 3"]:
    """Second derivatives of the energy of a converged mean field by all pairs of atoms, analytic [eV/Angstrom^2].

    The row of the atoms a and b stands at a N + b. What the movement of the integration grid adds is left out, as
    PySCF does not have it.

    Raises:
        LabellingError: PySCF has no second derivatives of the functional.

    Reference: Pople, Krishnan, Schlegel and Binkley, Int. J. Quantum Chem. 16, 225 (1979),
    doi:10.1002/qua.560160825.
    """
    try:
        solver = method.Hessian()
        solver.auxbasis_response = 2  # PySCF leaves out half of the response of the fitted density otherwise
        found = np.asarray(solver.kernel())
    except (NotImplementedError, RuntimeError, ValueError, np.linalg.LinAlgError) as error:
        raise LabellingError(
            f"PySCF has no Hessian of this functional: {error}", remedy="use another functional, e.g. b3lyp"
        ) from error
    found = (found + found.transpose(1, 0, 3, 2)) / 2
    return found.reshape(-1, 3, 3) * (hartree / bohr**2)


class _Orbitals:
    """Virtual and occupied orbitals of each spin; one set of doubly occupied ones where the method is restricted."""

    def __init__(self, method: Any):
        self.restricted = np.ndim(method.mo_occ) == 1
        self.occupation = 2.0 if self.restricted else 1.0
        sets = [(method.mo_coeff, method.mo_occ, method.mo_energy)]
        if not self.restricted:
            sets = list(zip(method.mo_coeff, method.mo_occ, method.mo_energy, strict=True))
        self.virtual = [c[:, occupied == 0] for c, occupied, _ in sets]
        self.filled = [c[:, occupied > 0] for c, occupied, _ in sets]
        self.gaps = [e[occupied == 0][:, None] - e[occupied > 0] for _, occupied, e in sets]

    def project(self, *operators: np.ndarray) -> list[np.ndarray]:
        """Virtual-occupied blocks of operators [3, ao, ao]; one operator stands for all spins."""
        given = operators * len(self.filled) if len(operators) == 1 else operators
        spins = zip(given, self.virtual, self.filled, strict=True)
        return [np.einsum("xpq,pa,qi->xai", v, a, i, optimize=True) for v, a, i in spins]

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """Blocks of each spin out of the rows that the solvers give."""
        shapes = [gap.shape for gap in self.gaps]
        sizes = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1]
        rows = flat.reshape(-1, sum(gap.size for gap in self.gaps))
        return [b.reshape(len(rows), *s) for b, s in zip(np.split(rows, sizes, axis=1), shapes, strict=True)]

    def densities(self, blocks: list[np.ndarray]) -> list[np.ndarray]:
        """First-order density matrices."""
        spins = zip(blocks, self.virtual, self.filled, strict=True)
        halves = [self.occupation * np.einsum("xai,pa,qi->xpq", u, a, i, optimize=True) for u, a, i in spins]
        return [half + half.transpose(0, 2, 1) for half in halves]
