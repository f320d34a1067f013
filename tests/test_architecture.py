"""Imports point strictly downwards: this table is the architecture diagram."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "biobert_tf"

LAYERS = [
    "errors",
    "files",
    "config tokenization corpora.document metrics.conlleval metrics.pieces",
    "flags program demo metrics.entities checkpoints.names pretraining_config "
    "corpora.plain corpora.pubmed corpora.jats corpora.sentences",
    "checkpoints.base encoder optimizer records tasks.ner_reading corpora.reading "
    "pretraining_data.documents pretraining_data.tf_examples",
    "checkpoints.archive checkpoints.native heads tasks.ner_features corpora.corpus "
    "pretraining_data.pairs pretraining_data.masking pretraining_data.exact",
    "checkpoints.huggingface checkpoints.tf1 tasks.base pretraining_data.shards "
    "vocabulary",
    "checkpoints tasks.ner training.strategy training.progress "
    "pretraining_data.spool",
    "checkpoints.convert training.trainer pretraining_data.conversion "
    "pretraining_data.inspection",
    "released training.estimator pretraining_data.beam_pipeline",
    "finetune",
    "ner_run",
    "cli",
]
LAYER = {name: i for i, names in enumerate(LAYERS) for name in names.split()}
WITHOUT_TENSORFLOW = {
    *("errors", "files", "config", "flags", "program", "cli", "tokenization", "demo"),
    *("metrics.conlleval", "metrics.pieces", "metrics.entities"),
    *("checkpoints.names", "tasks.ner_reading", "pretraining_config"),
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = [
    (name_of(path), path)
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py" or path.parent.name == "checkpoints"
]


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [m for m in members if m.removeprefix("biobert_tf.") in LAYER]
            # `from package import module` depends on the module, not the package.
            yield from (
                modules
                if len(modules) == len(members)
                else [
                    node.module,
                    *members,
                ]
            )


def upward_imports(name: str, source: str) -> list[str]:
    targets = (
        target.removeprefix("biobert_tf.") for target in imports(ast.parse(source))
    )
    return [t for t in targets if t in LAYER and LAYER[t] >= LAYER[name] and t != name]


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_point_downwards(name, path):
    assert name in LAYER, f"give {name} a layer"
    assert not upward_imports(name, path.read_text("utf-8"))


def test_an_upward_import_is_seen():
    assert upward_imports("config", "from biobert_tf import finetune") == ["finetune"]


def test_every_layer_names_a_module():
    assert set(LAYER) == {name for name, _ in MODULES}


def module_level_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    tree.body = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    return {target.split(".")[0] for target in imports(tree)}


@pytest.mark.parametrize("name", sorted(WITHOUT_TENSORFLOW))
def test_imports_without_tensorflow(name):
    path = PACKAGE.joinpath(*name.split(".")).with_suffix(".py")
    heavy = {"tensorflow", "tf_keras", "keras", "official", "orbit", "tensorflow_text"}
    assert not module_level_imports(path) & heavy
    own = set(imports(ast.parse(path.read_text("utf-8")))) if name != "cli" else set()
    below = {target.removeprefix("biobert_tf.") for target in own} & set(LAYER)
    assert below <= WITHOUT_TENSORFLOW


def test_nothing_mixes_in_keras_3():
    for _, path in MODULES:
        assert "keras" not in module_level_imports(path), path


def test_tasks_do_not_import_each_other():
    tasks = {"ner", "relation", "qa", "pretraining"}
    for name, path in MODULES:
        if name.startswith("tasks."):
            own = name.removeprefix("tasks.").split("_")[0]
            for target in imports(ast.parse(path.read_text("utf-8"))):
                if target.startswith("biobert_tf.tasks."):
                    assert target.split(".")[2].split("_")[0] not in tasks - {own}
