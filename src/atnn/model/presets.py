"""Models by name: one for speed, one for accuracy; benchmarks/science/accuracy.py compares them."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "accurate": {
        "representation": {"name": "neat", "cutoff": 5.0, "channels": 64},
        "hidden": (16,),
    },
    "fast": {
        "representation": {
            "name": "reann", "cutoff": 5.0, "channels": 12, "rounds": 1, "densities": 60, "hidden": (32, 32),
        },
        "hidden": (32, 32),
    },
}  # fmt: skip
