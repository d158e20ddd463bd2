"""Electron shells against PySCF's table, and the cost of many elements."""

import numpy as np
import pytest
import torch

from atnn.functions import PerElement, Species, electron_shells
from atnn.functions.species import HEAVIEST, SHELLS, electron_configuration


def test_configurations_hold_all_electrons_and_match_an_independent_table():
    elements = pytest.importorskip("pyscf.data.elements")
    for number in range(1, HEAVIEST + 1):
        found = electron_configuration(number)
        assert sum(found.values()) == number
        by_kind = [sum(found[shell] for shell in SHELLS if shell[1] == kind) for kind in "spdf"]
        if number != 65:  # PySCF moves an f electron of terbium to d; the ground state (NIST) is 4f9 6s2
            assert by_kind == list(elements.CONFIGURATION[number]), number


def test_no_two_elements_look_alike_and_all_codes_are_of_order_one():
    codes = electron_shells(range(1, HEAVIEST + 1))
    assert codes.shape == (86, 20) and codes.min() >= 0 and codes.max() <= 1
    distances = torch.cdist(codes, codes) + 10 * torch.eye(86, dtype=torch.float64)
    assert distances.min() > 0.01


def test_carbon_has_two_electrons_in_each_valence_shell():
    code = electron_shells([6])[0].numpy()
    np.testing.assert_allclose(code[[1, 2, 3]], [1, 1, 2 / 6])
    np.testing.assert_allclose(code[16:], [1, 2 / 6, 0, 0])


def test_elements_beyond_the_table_are_refused():
    with pytest.raises(ValueError, match="up to Z = 86"):
        electron_shells([92])


def test_shared_parameters_of_an_element_do_not_depend_on_which_others_are_known():
    torch.manual_seed(0)
    few = PerElement(Species((1, 6), shared=True), torch.randn(2, 3).double())
    many = PerElement(Species((1, 6, 8, 9), shared=True), torch.randn(4, 3).double())
    many.load_state_dict(few.state_dict())
    torch.testing.assert_close(many()[:2], few())
    assert (many()[2] - many()[3]).abs().max() > 0
