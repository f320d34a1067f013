"""Who may import whom: this table is the architecture diagram."""

import ast
import functools
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "biobert_tf"

# A folder or loose module, and what its modules may import beside each other.
BELOW = "common text model corpora checkpoints vocabularies documents training export"
PROBLEMS = " ".join(
    path.parent.name
    for path in sorted(PACKAGE.glob("*/problem.py"))
    if path.parent.name != "training"
)
MAY_IMPORT = {
    "common": "",
    "text": "common",
    "model": "common",
    "corpora": "common text",
    "checkpoints": "common text model",
    "vocabularies": "common text corpora checkpoints",
    "documents": "common text corpora",
    "training": "common text model checkpoints",
    "export": "common text model checkpoints training",
    # Problems never import each other.
    **{problem: BELOW for problem in PROBLEMS.split()},
    # The list of problems sees their doors only, which start at once.
    "problems": f"common training {PROBLEMS}",
    "results": "common documents classification qa relations",
    "published": "common text training ner relations qa classification",
    "api": f"{BELOW} {PROBLEMS} problems results",
    "demo": f"{BELOW} {PROBLEMS} problems",
    "doctor": "common training",
    "tpu": f"common text model checkpoints training {PROBLEMS} problems demo",
    "reproduce": f"{BELOW} {PROBLEMS} problems published",
    "cli": f"{BELOW} {PROBLEMS} problems demo doctor tpu published reproduce",
    # The package itself: `biobert_tf.load`, `Model` and what its methods return.
    "": "common api",
    "__main__": "cli",
}
# These import no TensorFlow, not even through others: programs start at once.
WITHOUT_TENSORFLOW = (
    "common",
    "text",
    "corpora",
    "documents",
    "problems",
    "doctor",
    "published",
    "reproduce",
)
LIGHT_NAMES = (
    "settings",
    "reading",
    "problem",
    "main",
    "reload",
    "annotate",
    "ask",
    "classify",
)
HEAVY = {"tensorflow", "tf_keras", "keras", "official", "orbit", "tensorflow_text"}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def folder_of(module: str) -> str:
    return ".".join(module.split(".")[1:2])


@functools.cache
def imported(module: str, everywhere: bool) -> frozenset[str]:
    """The modules that a module imports; everywhere also within functions."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    nodes = ast.walk(tree) if everywhere else at_start(tree.body)
    return frozenset(name for node in nodes for name in targets(node)) - {module}


def at_start(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that run when a module is imported."""
    return (node for node in body if isinstance(node, ast.Import | ast.ImportFrom))


def targets(node: ast.AST) -> Iterator[str]:
    """The modules of ours, and the packages of others, that a statement imports."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        # `from package import module` depends on the module, not the package.
        members = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name in MODULES else node.module for name in members]
    for name in names:
        yield name if name in MODULES else name.split(".")[0]


def misplaced(folder: str, names: frozenset[str]) -> list[str]:
    """Imports that the table does not allow."""
    may = {folder, *MAY_IMPORT[folder].split()}
    return [name for name in names if name in MODULES and folder_of(name) not in may]


@pytest.mark.parametrize("module", MODULES)
def test_the_table_holds(module):
    assert not misplaced(folder_of(module), imported(module, everywhere=True))


@pytest.mark.parametrize(
    ("folder", "module"),
    [("common", "training.estimator"), ("ner", "relations.reading"), ("ner", "api")],
)
def test_an_import_that_is_not_allowed_is_seen(folder, module):
    assert misplaced(folder, frozenset({f"biobert_tf.{module}"}))


def test_the_list_of_problems_imports_their_doors_only():
    names = imported("biobert_tf.problems", everywhere=True) & set(MODULES)
    doors = [name for name in names if folder_of(name) in PROBLEMS.split()]
    assert doors
    assert all(name.endswith(".problem") for name in doors)


def test_there_are_no_circles():
    """Not even through imports within functions, or for types alone."""
    graph = {module: imported(module, everywhere=True) for module in MODULES}
    TopologicalSorter(graph).prepare()


def reached(module: str) -> set[str]:
    """Everything that is loaded together with a module, the packages it is in too."""
    found, rest = set(), [module]
    while rest:
        name = rest.pop()
        if name not in found:
            found.add(name)
            rest += imported(name, everywhere=False) if name in MODULES else ()
            rest += [name.rpartition(".")[0]] if "." in name else ()
    return found


@pytest.mark.parametrize("module", MODULES)
def test_what_must_start_at_once_loads_no_tensorflow(module):
    if folder_of(module) in WITHOUT_TENSORFLOW or module.split(".")[-1] in LIGHT_NAMES:
        assert not reached(module) & HEAVY


def test_nothing_mixes_in_keras_3():
    for module in MODULES:
        assert "keras" not in imported(module, everywhere=True)


# Modules that make a `Path` of a text, and what it is. A path that a user gives may be
# a URL: `remote_path.parse` makes those.
_NAME = "a name, whose ending counts"
_BEAM = "a local place, told from the places of Beam's file systems before"
_TEMPORARY = "a temporary folder"
MAKES_PATHS = {
    "checkpoints.hub": "the folder where a package keeps its downloads",
    "common.beam_storage": _BEAM,
    "common.comma_lists": "what a local glob matches",
    "common.files": _TEMPORARY,
    "common.flags": "the program's name",
    "common.leftovers": _TEMPORARY,
    "common.remote_path": "all others come from here",
    "common.settings": "a record, perhaps of a computer that knows more schemes",
    "common.streams": _NAME,
    "common.wheels": "where Python has found a package",
    "doctor.checks": "a local folder; a URL's parser needs TensorFlow",
    "documents.brat": _NAME,
    "documents.detection": _NAME,
    "documents.places": _NAME,
    "documents.pubtator": "the number of a document, for messages",
    "embeddings.settings": _NAME,
    "embeddings.writing": _TEMPORARY,
    "export.saved_model": _TEMPORARY,
    "ner.annotate_beam": _BEAM,
    "pretraining.data.beam_pipeline": _BEAM,
    "pretraining.data.beam_steps": _BEAM,
    "pretraining.data.conversion": _TEMPORARY,
    "published.expected": _NAME,
    "published.unpacking": _NAME,
    "reproduce.estimate": _TEMPORARY,
    "reproduce.survey": _NAME,
    "tpu.check": _TEMPORARY,
    "tpu.command": "the name of a script",
    "tpu.compiling": _TEMPORARY,
    "training.checking": _NAME,
    "training.openvino_engine": _TEMPORARY,
}


def makes_paths(source: str) -> bool:
    """Whether code calls `Path` with more than constants, and not on `__file__`."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Name)
        and call.func.id == "Path"
        and not all(isinstance(value, ast.Constant) for value in call.args)
        and "__file__" not in ast.unparse(call)
        for call in calls
    )


def test_paths_of_users_may_be_urls():
    """Both ways: nobody else makes paths, and nobody is excused in vain."""
    found = {name for name, path in MODULES.items() if makes_paths(path.read_text())}
    assert found == {f"biobert_tf.{name}" for name in MAKES_PATHS}
    assert makes_paths("Path(flag)") and not makes_paths("Path('a'), Path(__file__)")
