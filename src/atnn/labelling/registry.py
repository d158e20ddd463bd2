"""The labellers that come with the package, by the name of their program, and methods by the names that people use."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, get_args

from atnn.errors import LabellingError, suggest
from atnn.labelling.models import ModelLabeller
from atnn.labelling.protocol import Labeller
from atnn.labelling.pyscf import PyscfLabeller, check_names
from atnn.labelling.tblite import Parametrisation, TbliteLabeller

# Program -> labeller; every labeller has a default for each of its settings.
LABELLERS: dict[str, Callable[..., Labeller]] = {"tblite": TbliteLabeller, "pyscf": PyscfLabeller}


def find_labeller(method: str, responses: Sequence[str] = ()) -> Labeller:
    """Make the labeller of a method.

    Args:
        method: ``GFN2-xTB`` or ``GFN1-xTB`` (tblite), ``functional/basis`` such as ``pbe/def2-svp`` (PySCF), files of
            models separated by commas, or a name of :data:`LABELLERS`, for the defaults of that labeller.
        responses: Which of ``polarizability``, ``born_charges`` and ``hessian`` to label, too; of models, any of their
            outputs.

    Raises:
        LabellingError: Nothing has this name, it gives no such response, or the program is not installed.
    """
    parametrisations = {name.lower(): name for name in get_args(Parametrisation)}
    functional, slash, basis = method.partition("/")
    further: dict[str, Any] = {"responses": tuple(responses)} if responses else {}  # labellers of users may know none
    if method.lower() in parametrisations:
        labeller: Labeller = TbliteLabeller(parametrisations[method.lower()], **further)
    elif method.endswith(".atnn"):
        labeller = ModelLabeller(tuple(method.split(",")), tuple(responses))
    elif method in LABELLERS:
        labeller = _make(method, further)
    elif slash:
        check_names(functional, basis)
        labeller = PyscfLabeller(functional, basis, **further)
    else:
        known = [*parametrisations.values(), *LABELLERS]
        raise LabellingError(
            f"no method is called {method!r}",
            remedy=f"{suggest(method, known)}known: {', '.join(known)}, functional/basis such as pbe/def2-svp, and "
            "files of models such as model.atnn",
        )
    _ = labeller.settings  # names the version of the program, and so tells whether it is installed
    return labeller


def _make(name: str, further: dict[str, Any]) -> Labeller:
    kind = LABELLERS[name]
    if further and "responses" not in inspect.signature(kind).parameters:
        raise LabellingError(f"the labeller {name!r} gives no responses", remedy="leave them out")
    return kind(**further)
