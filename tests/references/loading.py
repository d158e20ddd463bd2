"""Numbers from papers and other programs that tests compare with, one file each."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent


def reference(name):
    """The number, or the numbers by name, of ``NAME.json``; its other entries say the unit and where it is from."""
    return json.loads((FOLDER / f"{name}.json").read_text())["values"]
