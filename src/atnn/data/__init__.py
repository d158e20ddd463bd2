"""Labelled structures as data sets: in memory and in stores, split, judged and written."""

from atnn.data.checks import charge_excess
from atnn.data.columns import data_hash
from atnn.data.dataset import Dataset, Frames, Joined, batches_of
from atnn.data.inspection import Inspection, inspect, render
from atnn.data.labelled import concatenate, select
from atnn.data.reference import isolated_atoms, reference_energies
from atnn.data.splits import duplicate_groups, load_split, save_split, split
from atnn.data.store import Store
from atnn.data.store_writer import write_store
from atnn.data.summary import Summary
from atnn.data.writing import write_extxyz

__all__ = [
    "Dataset",
    "Frames",
    "Inspection",
    "Joined",
    "Store",
    "Summary",
    "batches_of",
    "charge_excess",
    "concatenate",
    "data_hash",
    "duplicate_groups",
    "inspect",
    "isolated_atoms",
    "load_split",
    "reference_energies",
    "render",
    "save_split",
    "select",
    "split",
    "write_extxyz",
    "write_store",
]
