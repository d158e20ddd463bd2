"""Every example in the documentation runs, block by block, as a reader would run it.

The Python blocks of a page are one script without a main guard; ``bash`` blocks and the ``$`` lines of ``console``
blocks run in a shell at their place; a block with ``title="name"`` that is neither is written to a file of that name.
A page runs in a folder of its own. Blocks are left out only below ``<!-- not run: reason -->``, and only where they
call make.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("python", "bash", "console")
FENCE = re.compile(r"^```+(?P<language>\w*)(?P<attributes>[^\n]*)\n(?P<text>.*?)^```+[ ]*$", re.MULTILINE | re.DOTALL)
STRICT = "import warnings; from atnn.errors import AtnnWarning; warnings.simplefilter('error', AtnnWarning)"
# A module of its own, because the names of a script that a worker process imported again would be there, too.
SHELL = """import subprocess


def run(commands):
    for command in commands:
        print(f"$ {command}", flush=True)
        subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True)
"""
# The cells of a notebook come from no file, and `__main__` has none.
NOTEBOOK = """import code, pathlib, sys

main = sys.modules["__main__"]
assert not hasattr(main, "__file__")
cell = pathlib.Path(sys.argv[1]).read_text()
code.InteractiveInterpreter(vars(main)).runcode(compile(cell, "<cell>", "exec"))
"""


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


def write_script(page: Path, path: Path) -> None:
    """Write the blocks of a page as one script.

    Every line of Python has the number that it has on the page, so that a traceback names the line of the page.
    """
    lines = [""] * (page.read_text(encoding="utf-8").count("\n") + 1)
    lines[0] = STRICT  # above all blocks there is a title
    for block in blocks(page):
        if not block.run:
            continue
        if block.language == "python":
            lines[block.line - 1 : block.line - 1 + block.text.count("\n")] = block.text.splitlines()
        elif block.language in ("bash", "console"):
            lines[block.line - 1] = f"__import__('test_docs_shell').run({_commands(block)!r})"
        elif block.title:
            lines[block.line - 1] = f"__import__('pathlib').Path({block.title!r}).write_text({block.text!r})"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.with_name("test_docs_shell.py").write_text(SHELL, encoding="utf-8")


def _commands(block: Block) -> list[str]:
    if block.language == "bash":
        return [block.text]
    return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]


def run_script(page: Path, folder: Path) -> subprocess.CompletedProcess:
    """Run the blocks of a page in a folder, as a script that a reader has copied from it."""
    script = folder / f"{page.stem}_page.py"
    write_script(page, script)
    command = [sys.executable, script.name]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=300)


def start_form(arguments: list[str], text: str, folder: Path) -> subprocess.Popen:
    """Start Python on a text in ``block.py``, which is its standard input, too."""
    folder.mkdir()
    block = folder / "block.py"
    block.write_text(text)
    with block.open() as lines:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env=environment(),
            stdin=lines,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def environment() -> dict[str, str]:
    """That of a reader who has activated the environment, with the package beside these pages."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTHONPATH": str(ROOT / "src")}


def _has_examples(page: Path) -> bool:
    return any(block.run and block.language in RUN for block in blocks(page))


@pytest.mark.parametrize("page", [p for p in PAGES if p.exists() and _has_examples(p)], ids=lambda p: p.name)
def test_the_examples_of_the_page_run_as_a_script(page, tmp_path):
    result = run_script(page, tmp_path)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def test_the_first_example_runs_as_a_script_in_the_interpreter_and_in_a_notebook(tmp_path):
    text = next(block.text for block in blocks(ROOT / "README.md") if block.language == "python")
    assert "count=20" in text and "label(" in text  # it starts processes
    text = text.replace("count=20", "count=1")
    forms = {"script": ["block.py"], "interpreter": ["-i"], "notebook": ["-c", NOTEBOOK, "block.py"]}
    running = {form: start_form(arguments, text, tmp_path / form) for form, arguments in forms.items()}
    printed = {}
    for form, process in running.items():
        printed[form], errors = process.communicate(timeout=300)
        assert process.returncode == 0 and "Traceback" not in errors, f"as a {form}: {errors}"
    numbers = {form: re.findall(r"\d+\.\d", output) for form, output in printed.items()}
    assert len(numbers["script"]) == 6, printed  # three frequencies and three intensities
    assert numbers["interpreter"] == numbers["notebook"] == numbers["script"]


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


def load_hooks():
    """The hooks of MkDocs."""
    location = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    hooks = importlib.util.module_from_spec(location)
    location.loader.exec_module(hooks)
    return hooks


def build_page(name: str) -> str:
    """The text of a page after the hooks of MkDocs."""
    return load_hooks().on_page_markdown((ROOT / "docs" / name).read_text())


def test_the_pages_of_data_and_quantities_list_what_the_tables_hold(monkeypatch):
    from atnn.quantities import QUANTITIES, Derivative, Quantity
    from atnn.reading.readers import FORMATS
    from atnn.stated import STATED
    from atnn.units import CHARGE, LENGTH

    field = Derivative("dipole", "field", sign=-1)
    row = Quantity(
        "hyperdipole", "structure", (3, 3, 3), CHARGE * LENGTH**3, True, 3, -1, derivative=field, keys=("hyper",)
    )
    monkeypatch.setitem(QUANTITIES, "hyperdipole", row)
    lines = build_page("quantities.md").splitlines()
    for entry in QUANTITIES.values():
        (line,) = (line for line in lines if line.startswith(f"| `{entry.name}` | {entry.axis}"))
        assert all(f"`{word}`" in line for word in (entry.unit, entry.display_unit, *entry.keys))
    for name, entry in STATED.items():
        (line,) = (line for line in lines if line.startswith(f"| {entry.title} | `{name}`"))
        assert all(f"`{key}`" in line for key in (entry.key, *entry.aliases))
    for form in FORMATS:
        (line,) = (line for line in build_page("data.md").splitlines() if line.startswith(f"| `{form.name}` |"))
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
    result = run_script(page, tmp_path)
    assert result.returncode != 0
    assert "line 8" in result.stderr


def test_the_runner_stops_at_a_failing_command(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```bash\nfalse\n```\n")
    assert run_script(page, tmp_path).returncode != 0
