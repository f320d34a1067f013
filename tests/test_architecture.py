"""Imports point strictly downwards: this table is the architecture diagram."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "biobert_tf"

# These import no TensorFlow: they start fast, and in workers of a few megabytes.
LIGHT = [
    "errors corpora.document metrics.counts grammar processes windows background "
    "questions.answer_spans tasks.ner_words",
    "class_weights files subcommands corpora.sentences corpora.streams "
    "corpora.versions metrics.relations annotate.document tasks.relation_sets",
    "config tokenization metrics.conlleval metrics.pieces corpora.xml_records "
    "corpora.archives corpora.plain annotate.storage relation_demo qa_demo "
    "questions.bioasq_reading",
    "annotate.conversion annotate.framed annotate.plain_text annotate.html_colors "
    "annotate.html_marks annotate.conll_words annotate.json_values",
    "metrics.squad metrics.bioasq_answers bioasq_form bioasq_lists tasks.qa_reading",
    "metrics.bioasq tasks.qa_features tasks.yesno_reading qa_config export.characters",
    "flags program demo metrics.entities checkpoints.names pretraining_config "
    "checkpoints.tokenizer_files "
    "tasks.qa_scores corpora.mathml annotate.pubtator annotate.brat annotate.jsonl "
    "annotate.bioc_format annotate.xml_pieces annotate.json_text "
    "annotate.conll annotate.html_page features.settings features.reading "
    "relations.settings questions.settings tasks.relation_reading export.settings",
    "annotate.json_pieces",
    "annotate.bioc_xml annotate.bioc_json tasks.qa_decoding features.framing "
    "features.jsonl",
    "annotate.raw_sentences annotate.detection relations.candidates "
    "relations.check_report re_eval bioasq_yesno features.words",
    "qa_answers cli_scores features.tables",
    "relations.tsv relations.check features.writing",
    "relations.chemprot",
    "corpora.markup",
    "corpora.pubmed corpora.jats",
    "corpora.reading",
    "annotate.articles",
    "annotate.formats annotate.settings",
    "annotate.places",
    "annotate.jobs",
    "corpora.corpus pretraining_data.documents pretraining_data.tf_examples "
    "pretraining_data.workers vocabularies.settings vocabularies.case "
    "questions.abstracts questions.contexts",
    "pretraining_data.pairs pretraining_data.spool vocabularies.words "
    "questions.passages",
    "pretraining_data.masking vocabularies.learning vocabularies.report "
    "questions.conversion",
    "pretraining_data.shards",
    "pretraining_data.exact pretraining_data.manifest",
    "pretraining_data.units",
    "pretraining_data.outputs",
    "pretraining_data.conversion pretraining_data.beam_storage",
    "pretraining_data.beam_steps",
    "pretraining_data.beam_runner",
    "pretraining_data.beam_pipeline",
    "pretraining_data.runners",
]
HEAVY = [
    "encoder_prediction",
    "records learning_curves encoder optimizer checkpoints.base tasks.ner_reading "
    "export.graph_text",
    "heads record_streams checkpoints.archive checkpoints.native "
    "pretraining_data.inspection tasks.ner_features tasks.relation_features "
    "tasks.pretraining_masking export.graph_tokenizer export.ner_windows "
    "export.window_rows export.warmup export.graph_entities",
    "tasks.base export.served export.piece_windows export.qa_windows "
    "checkpoints.huggingface checkpoints.tf1 training.schedule",
    "checkpoints.saved_model",
    "checkpoints tasks.ner tasks.classification tasks.qa tasks.pretraining "
    "training.strategy training.progress training.precision",
    "tasks.relation tasks.yesno",
    "checkpoints.convert training.trainer",
    "released training.estimator pretraining_input inference",
    "run_directory vocabularies.extension features.network",
    "finetune pretrain_run trained features.extraction export.trained",
    "ner_run re_run qa_run extract_features export.ner_graph export.model_card "
    "export.saved_model export.qa_graph export.re_graph export.encoder_graph "
    "export.yesno_graph",
    "re_folds re_predict qa_ask ner_annotator export.masked_lm_graph",
    "re_classifier export.litert",
    "annotate_run api export.exporting export.serving",
    "demos cli_data",
    "cli",
]
LAYERS = [*LIGHT, *HEAVY]
LAYER = {name: i for i, names in enumerate(LAYERS) for name in names.split()}
WITHOUT_TENSORFLOW = {name for names in LIGHT for name in names.split()} | {
    *("cli", "cli_data", "tasks.ner_reading")
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
    own = set(imports(ast.parse(path.read_text("utf-8"))))
    if name in ("cli", "cli_data"):
        # What their functions import is loaded when they are called.
        own = set()
    below = {target.removeprefix("biobert_tf.") for target in own} & set(LAYER)
    assert below <= WITHOUT_TENSORFLOW


def test_nothing_mixes_in_keras_3():
    for _, path in MODULES:
        assert "keras" not in module_level_imports(path), path


def test_tasks_do_not_import_each_other():
    tasks = {"ner", "relation", "qa", "pretraining"}
    parts = {"yesno": "qa"}
    for name, path in MODULES:
        if name.startswith("tasks."):
            first = name.removeprefix("tasks.").split("_")[0]
            own = parts.get(first, first)
            for target in imports(ast.parse(path.read_text("utf-8"))):
                if target.startswith("biobert_tf.tasks."):
                    assert target.split(".")[2].split("_")[0] not in tasks - {own}
