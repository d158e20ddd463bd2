"""Labelled structures and files for the tests of this folder."""

from labelled_data import assert_same, random_labelled, water_file  # noqa: F401
