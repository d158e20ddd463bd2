"""One file for each reference, written by the scripts beside it."""

import datetime
import json
from pathlib import Path


def write_reference(name, values, unit, source, version, script):
    """``NAME.json`` in this folder.

    Args:
        name: Of the file.
        values: One number, or numbers by name.
        unit: Of the numbers.
        source: Paper with its DOI, or program.
        version: Of the program, or year of the paper.
        script: What wrote it, in this folder; None where the numbers were typed in.
    """
    entry = {"values": values, "unit": unit, "source": source, "version": version}
    entry |= {"date": datetime.date.today().isoformat(), "script": script}
    Path(__file__).with_name(f"{name}.json").write_text(json.dumps(entry, indent=2, ensure_ascii=False) + "\n")
