"""No six consecutive code lines may appear in two places."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
WINDOW = 6


def code_lines(path: Path) -> list[str]:
    """Lines that mean something: formatting, comments, docstrings, imports are gone."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    tree.body = [n for n in tree.body if not isinstance(n, ast.Import | ast.ImportFrom)]
    return [line.strip() for line in ast.unparse(tree).splitlines() if line.strip()]


def clones(paths: Iterable[Path]) -> dict[tuple[str, ...], set[tuple[str, int]]]:
    places = defaultdict(set)
    for path in paths:
        lines = code_lines(path)
        for i in range(len(lines) - WINDOW + 1):
            places[tuple(lines[i : i + WINDOW])].add((path.name, i))
    return {window: where for window, where in places.items() if len(where) > 1}


def test_no_clones():
    sources = [*ROOT.glob("run_*.py"), *(ROOT / "biobert_tf").rglob("*.py")]
    assert not clones(sources)


def test_a_clone_is_seen(tmp_path):
    body = "\n".join(f"x{i} = {i}" for i in range(WINDOW))
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f'"""Doc {name}."""\n{body}\n')
    assert clones(sorted(tmp_path.glob("*.py")))


def test_scripts_are_wiring_only():
    for path in ROOT.glob("run_*.py"):
        assert len(path.read_text("utf-8").splitlines()) <= 45, path
