"""Every example in the documentation runs, block by block, as a reader would run it.

Python blocks of a page share one namespace; ``bash`` blocks and the ``$`` lines of ``console`` blocks run in a
shell; a block with ``title="name"`` that is neither is written to a file of that name. A page runs in a folder of
its own. Blocks are left out only below ``<!-- not run: reason -->``, and only where they call make.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("python", "bash", "console")
FENCE = re.compile(r"^```+(?P<language>\w*)(?P<attributes>[^\n]*)\n(?P<text>.*?)^```+[ ]*$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, file name, text, first line on the page and whether it is run."""

    language: str
    title: str
    text: str
    line: int
    run: bool


def blocks(page: Path) -> Iterator[Block]:
    """The examples of a page in order."""
    content = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(content):
        before = content[: match.start()].rstrip().rsplit("\n", 1)[-1]
        title = re.search(r'title="([^"]+)"', match["attributes"])
        line = content[: match.start("text")].count("\n") + 1
        yield Block(match["language"], title[1] if title else "", match["text"], line, "<!-- not run:" not in before)


def run_page(page: Path) -> None:
    """Run all blocks of a page in the current folder."""
    from atnn.errors import AtnnWarning

    warnings.simplefilter("error", AtnnWarning)
    namespace: dict = {"__name__": "__main__"}
    for block in blocks(page):
        if not block.run:
            continue
        if block.language == "python":
            # The empty lines in front make a traceback name the line of the page. The page has none of the future
            # imports of this file.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
            exec(code, namespace)
        elif block.language in ("bash", "console"):
            for command in _commands(block):
                print(f"$ {command}", flush=True)
                subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True)
        elif block.title:
            Path(block.title).write_text(block.text)


def _commands(block: Block) -> list[str]:
    if block.language == "bash":
        return [block.text]
    return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]


def _has_examples(page: Path) -> bool:
    return any(block.run and block.language in RUN for block in blocks(page))


@pytest.mark.parametrize("page", [p for p in PAGES if p.exists() and _has_examples(p)], ids=lambda p: p.name)
def test_the_examples_of_the_page_run(page, tmp_path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}
    environment["PYTHONPATH"] = str(ROOT / "src")  # the package beside these pages
    command = [sys.executable, str(Path(__file__)), str(page)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_only_calls_of_make_are_not_run(page):
    for block in blocks(page):
        if not block.run:
            assert block.text.strip().startswith(("make ", "git clone")), f"line {block.line} of {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page):
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def build_page(name: str) -> str:
    """The text of a page after the hooks of MkDocs."""
    location = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    hooks = importlib.util.module_from_spec(location)
    location.loader.exec_module(hooks)
    return hooks.on_page_markdown((ROOT / "docs" / name).read_text())


def test_the_page_of_quantities_lists_what_the_tables_hold(monkeypatch):
    from atnn.quantities import QUANTITIES, Derivative, Quantity
    from atnn.reading.readers import FORMATS
    from atnn.structures import STATED
    from atnn.units import CHARGE, LENGTH

    field = Derivative("dipole", "field", sign=-1)
    row = Quantity("hyperdipole", "structure", (3, 3, 3), CHARGE * LENGTH**3, True, 3, -1, False, field, ("hyper",))
    monkeypatch.setitem(QUANTITIES, "hyperdipole", row)
    lines = build_page("quantities.md").splitlines()
    for entry in QUANTITIES.values():
        (line,) = (line for line in lines if line.startswith(f"| `{entry.name}` | {entry.axis}"))
        assert all(f"`{word}`" in line for word in (entry.unit, entry.display_unit, *entry.keys))
    for name, entry in STATED.items():
        (line,) = (line for line in lines if line.startswith(f"| {entry.title} | `{name}`"))
        assert all(f"`{key}`" in line for key in (entry.key, *entry.aliases))
    for form in FORMATS:
        (line,) = (line for line in lines if line.startswith(f"| `{form.name}` |") and line.count("|") == 5)
        assert all(f"`{key}`" in line for keys in form.aliases.values() for key in keys)
    for words in ("forces = -dE/dr", "stress = +1/V dE/d(strain)", "hyperdipole = -d(dipole)/d(field)"):
        assert any(f"`{words}`" in line for line in lines)


@pytest.mark.parametrize("page", PAGES[2:], ids=lambda p: p.name)
def test_no_table_is_left_to_be_made(page):
    assert "<!-- table of" not in build_page(str(page.relative_to(ROOT / "docs")))


def test_every_page_of_the_documentation_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [str(p.relative_to(ROOT / "docs")) for p in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in navigation] == []


def test_the_runner_stops_at_a_failing_example(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    result = subprocess.run([sys.executable, __file__, str(page)], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "line 8" in result.stderr


if __name__ == "__main__":
    run_page(Path(sys.argv[1]).resolve())
