"""The house of the design stands: every room imports lower floors only."""

from __future__ import annotations

import ast
import builtins
import dis
import importlib
import subprocess
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "atnn").rglob("*.py"))


def test_every_room_imports_lower_floors_only():
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_layer_contract_notices_a_forbidden_import(tmp_path):
    package = tmp_path / "atnn"
    package.mkdir()
    for name in ("__init__", "structures", "quantities", "units", "errors", "training"):
        (package / f"{name}.py").touch()
    (package / "units.py").write_text("def lazy():\n    from atnn import training\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    code = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    result = subprocess.run([sys.executable, "-c", code, "--no-cache"], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "atnn.units -> atnn.training" in result.stdout


def test_all_rooms_have_a_floor():
    contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[[tool.importlinter.contracts]]")[1]
    rooms = {
        p.stem if p.suffix else p.name for p in (ROOT / "src" / "atnn").iterdir() if not p.name.startswith(("_", "."))
    }
    missing = {room for room in rooms - {"py"} if room not in contract}
    assert missing == set()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_reads_pickles_or_runs_text(path):
    forbidden = {"pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve"}
    if path.relative_to(ROOT).as_posix().endswith("labelling/worker.py"):
        forbidden.remove("pickle")  # over pipes between a process and its own child; no file is read
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not forbidden & {alias.name.split(".")[0] for alias in node.names}, f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in forbidden, f"line {node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}, f"line {node.lineno}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"torch.load", "torch.save"}:
            assert any(k.arg == "weights_only" for k in node.keywords), f"line {node.lineno}: pickle inside"
        if isinstance(node, ast.ClassDef) and path.name == "documents.py" and node.name.endswith("Loader"):
            assert [ast.unparse(parent) for parent in node.bases] == ["yaml.SafeLoader"]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "yaml.load":
            assert path.name == "documents.py", f"line {node.lineno}: YAML is read in one place"


@pytest.mark.parametrize("path", [p for p in SOURCES if p.name == "derivatives.py"] or [None])
def test_only_derivatives_differentiates(path):
    """And the operations that a graph cannot look into, whose derivatives are part of what they are."""
    users = [p.name for p in SOURCES if "autograd.grad(" in p.read_text(encoding="utf-8")]
    assert sorted(users) == ["derivatives.py", "opaque.py"]


def test_no_room_is_a_drawer():
    drawers = {"utils", "util", "common", "base", "helpers", "core", "misc"}
    assert [str(p.relative_to(ROOT)) for p in SOURCES if drawers & {*p.with_suffix("").parts[-3:]}] == []


def _public_functions(tree: ast.Module):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node, node.name, False
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and (method.name[0] != "_" or method.name == "__init__"):
                    yield method, f"{node.name}.{method.name}", not _is_static(method)


def _is_static(method: ast.FunctionDef) -> bool:
    return any(ast.unparse(decorator) == "staticmethod" for decorator in method.decorator_list)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_public_signature_is_complete(path):
    for function, name, is_method in _public_functions(ast.parse(path.read_text(encoding="utf-8"))):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare = [a.arg for a in arguments[is_method:] if a.annotation is None]
        if function.returns is None and not name.endswith(".__init__"):
            bare.append("return")
        assert bare == [], f"{name} (line {function.lineno}) has no type for {', '.join(bare)}"


def _list_code(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _list_code(constant)


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path.name != "__main__.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_name_is_defined(path):
    """Shape strings keep the linter from looking for undefined names, so that compiled code is looked at instead."""
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
    module = importlib.import_module(name)
    known = vars(module).keys() | vars(builtins).keys()
    for code in _list_code(compile(path.read_text(encoding="utf-8"), str(path), "exec")):
        used = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
        assert used <= known, f"{code.co_name}: {sorted(used - known)}"
