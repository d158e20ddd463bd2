"""The built documentation works without the network, and a chemist finds what matters from its front page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from test_docs import build_page, load_hooks

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
LOADS = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href|srcset)\s*=\s*[\"']?(?:https?:)?//[^>]*>")
IMPORTS = re.compile(r"(?:@import\s*|url\(\s*)[\"']?(?:https?:)?//[^;)]*")
EQUATION = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)]*)?\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(folder)]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_the_site_loads_nothing_from_the_network(site):
    loaded = {match[0] for page in site.rglob("*.html") for match in LOADS.finditer(page.read_text())}
    loaded |= {match[0] for sheet in site.rglob("*.css") for match in IMPORTS.finditer(sheet.read_text())}
    assert loaded == set()


def test_the_search_knows_every_page_and_works_from_the_disk(site):
    index = json.loads((site / "search" / "search_index.json").read_text())
    pages = {entry["location"].partition("#")[0] or "index.html" for entry in index["docs"]}
    assert pages == {str(page.relative_to(site)) for page in site.rglob("*.html")} - {"404.html"}
    assert (site / "search" / "search_index.js").exists()
    assert 'src="javascripts/iframe-worker.js"' in (site / "index.html").read_text()
    assert "window.Worker" in (site / "javascripts" / "iframe-worker.js").read_text()


def test_every_equation_is_mathml(site):
    equations = [match[2] for page in site.rglob("*.html") for match in EQUATION.finditer(page.read_text())]
    assert len(equations) > 80
    for equation in equations:
        words = "".join(ElementTree.fromstring(equation).itertext())
        assert "merror" not in equation and not re.search(r"[\\{}$]", words), equation
        assert set(re.findall(r'mathvariant="([^"]*)"', equation)) <= {"normal"}, "browsers know no other"
    assert not any(re.search(r"\\[(\[]", _prose(page.read_text())) for page in site.rglob("*.html"))


def _prose(page: str) -> str:
    return re.sub(r"<(script|style|code|pre)\b.*?</\1>", "", page, flags=re.DOTALL)


def test_letters_of_equations_are_bold_without_attributes():
    html = r'<span class="arithmatex">\(\mathbf r_i + \boldsymbol\mu + \mathrm{NN} &gt; \mathcal{E}\)</span>'
    mathml = ElementTree.fromstring(load_hooks().on_page_content(html))
    assert list(mathml.itertext()) == ["𝐫", "i", "+", "𝝁", "+", "NN", ">", "ℰ"]
    assert "mathvariant" not in ElementTree.tostring(mathml, encoding="unicode")


def test_an_equation_that_cannot_be_shown_stops_the_build():
    with pytest.raises(ValueError, match="foo"):
        load_hooks().on_page_content(r'<span class="arithmatex">\(\foo\)</span>')


QUESTIONS = {
    "keys that are recognised": ("quantities.md", "| name | one per |"),
    "formats": ("data.md", "| format | recognised by |"),
    "isotopes": ("quantities.md", "masses=deuterium"),
    "GPUs": ("hardware.md", "What is tested"),
    "uncertainty": ("uncertainty.md", "What there is not"),
    "many processes": ("hardware.md", "torchrun"),
    "known issues": ("known-issues.md", "SIGFPE"),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_chemist_finds_it_within_two_links(question):
    """The answer stands on a page that a link of the front page names, or a link of a page that it links to."""
    name, answer = QUESTIONS[question]
    links = list(_links(DOCS / "index.md"))
    assert any(question in words for words, _ in links), "the front page does not have the words"
    first = {target for _, target in links}
    second = {target for page in first for _, target in _links(page)}
    assert DOCS / name in first | second
    assert answer in build_page(name)


def _links(page: Path) -> Iterator[tuple[str, Path]]:
    for match in re.finditer(r"\[([^\]]*)\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text()):
        yield match[1], (page.parent / match[2]).resolve()
