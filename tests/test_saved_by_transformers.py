"""Models that Transformers saved: no settings of ours, no `vocab.txt`, no pooler."""

import dataclasses
import json

import ner_toys
import pytest
import qa_toys
import re_toys

import biobert_tf
from biobert_tf.checkpoints import convert, huggingface, native, tokenizer_files
from biobert_tf.cli import exporting
from biobert_tf.cli import main as cli
from biobert_tf.common import files
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.export.settings import ExportConfig
from biobert_tf.model import heads
from biobert_tf.relations.problem import RELATIONS

pytest.importorskip("safetensors.numpy")

CPU = DeviceConfig(strategy="cpu")
POSITIONS = 96
# The vocabulary, the class of the model, its labels, and a setting that our runs have.
KINDS = {
    "ner": (ner_toys, heads.TokenClassifier, list(ner_toys.LABELS), "train_on"),
    # They look as if they were labels of words.
    "re": (
        re_toys,
        heads.SequenceClassifier,
        ["INHIBITS", "none", "BINDS"],
        "task_name",
    ),
    "qa": (qa_toys, heads.SpanClassifier, None, "question_type"),
}
RECORDED = {"train_on": "train", "task_name": "custom", "question_type": "factoid"}
TEXT = "severe Liver cancer . aspirin helps with nephritis ."
USES = {
    "ner": lambda model: model.annotate([TEXT, "", "aspirin"]),
    "re": lambda model: model.classify([text for text, _ in re_toys.TEST]),
    "qa": lambda model: model.answer(*qa_toys.TRAIN[0][:2]),
}
COMMANDS = {
    "ner": (cli.annotate, {"min_probability": 0}),
    "re": (cli.re_predict, {"pair": "Gene-Disease"}),
    "qa": (cli.ask, {}),
}


def lower(vocab):
    return list(dict.fromkeys(x if x[0] == "[" else x.lower() for x in vocab))


def save(folder, kind, do_lower_case=False, **changed):
    """Writes a model as Transformers does; `changed` are entries of `config.json`."""
    toys, network, labels, _ = KINDS[kind]
    vocab = lower(toys.VOCAB) if do_lower_case else toys.VOCAB
    config = dataclasses.replace(
        ner_toys.STRONG, vocab_size=len(vocab), max_position_embeddings=POSITIONS
    )
    sizes = [] if labels is None else [len(labels)]
    model = network(config, *sizes, seed=1, **({"dropout": 0.1} if sizes else {}))
    weights = native.extract(model.variables)
    if not network.has_pooler:
        weights = {x: weights[x] for x in weights if not x.startswith("bert/pooler/")}
    data = "".join(f"{piece}\n" for piece in vocab).encode()
    ids = {piece: i for i, piece in enumerate(vocab)}
    vocabulary = tokenizer_files.Vocabulary(data, ids)
    huggingface.write(
        weights,
        folder,
        config,
        vocabulary,
        do_lower_case,
        labels,
        {"ner": "token", "re": "sequence", "qa": "auto"}[kind],
    )
    (folder / "vocab.txt").unlink()
    path = folder / "config.json"
    values = files.read_json(path) | changed
    files.write_json(path, {k: v for k, v in values.items() if v is not None})
    return folder


def default_labels(kind):
    count = len(KINDS[kind][2])
    return {"id2label": {str(i): f"LABEL_{i}" for i in range(count)}}


def load(path):
    return biobert_tf.load(path, device=CPU, batch_size=4)


def recorded(source, target, kind, do_lower_case):
    """The same weights with the settings of a run of ours."""
    convert.convert(source, target / "model.ckpt-7")
    sign = KINDS[kind][3]
    text = {"do_lower_case": do_lower_case, "max_seq_length": POSITIONS}
    files.write_json(target / "settings.json", {sign: RECORDED[sign], **text})
    return target


@pytest.mark.parametrize("do_lower_case", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_what_it_finds_is_what_our_own_run_finds(tmp_path, kind, do_lower_case):
    saved = save(tmp_path / "hf", kind, do_lower_case)
    names = {"config.json", "model.safetensors", "tokenizer.json"}
    assert {x.name for x in saved.iterdir()} == {*names, "tokenizer_config.json"}
    expected = USES[kind](load(recorded(saved, tmp_path / "own", kind, do_lower_case)))
    assert expected
    model = load(saved)
    assert model.kind == kind
    assert model.labels == tuple(KINDS[kind][2] or ())
    assert model.text.do_lower_case is do_lower_case
    assert USES[kind](model) == expected
    assert model.embed([TEXT]).shape == (1, 8)
    # And what is made of it.
    exporting.export(ExportConfig(model=saved, output=tmp_path / "export"))
    exported = load(tmp_path / "export")
    assert exported.kind == kind
    assert USES[kind](exported) == expected
    cli.convert(["", f"--from={saved}", f"--to={tmp_path / 'tf1' / 'model.ckpt'}"])
    assert USES[kind](load(tmp_path / "tf1")) == expected
    cli.convert(["", f"--from={tmp_path / 'export'}", f"--to={tmp_path / 'hf2'}"])
    assert USES[kind](load(tmp_path / "hf2")) == expected


def test_the_commands(tmp_path, capsys):
    """Every command gives the same with the model, and with the export of it."""
    inputs = {
        "ner": {"id": "1", "text": TEXT},
        "re": {
            "id": "1",
            "text": "Liver causes cancer .",
            "entities": [
                {"id": "T1", "start": 0, "end": 5, "type": "Gene"},
                {"id": "T2", "start": 13, "end": 19, "type": "Disease"},
            ],
        },
    }
    for kind, (command, flags) in COMMANDS.items():
        saved = save(tmp_path / kind, kind)
        exported = tmp_path / f"{kind}-export"
        exporting.export(ExportConfig(model=saved, output=exported))
        found = []
        for model in (saved, exported):
            given = {"model": model, "strategy": "cpu", **flags}
            if kind == "qa":
                question, text, _ = qa_toys.TRAIN[0]
                (tmp_path / "passage.txt").write_text(text)
                given |= {"question": question, "context": tmp_path / "passage.txt"}
            else:
                source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
                source.write_text(json.dumps(inputs[kind]))
                given |= {"input": source, "output": output}
            capsys.readouterr()
            command(["biobert", *(f"--{k}={v}" for k, v in given.items())])
            said = capsys.readouterr().out
            found.append(said if kind == "qa" else output.read_text())
        assert found[0] == found[1]
        assert len(found[0]) > 20


@pytest.mark.parametrize("kind", ["ner", "re"])
def test_labels_without_names(tmp_path, kind):
    saved = save(tmp_path / "hf", kind, **default_labels(kind))
    model = load(saved)
    assert model.embed([TEXT]).shape == (1, 8)
    with pytest.raises(
        InputError, match=r"labels are unknown: config\.json names them"
    ):
        USES[kind](model)
    with pytest.raises(
        InputError, match=r"labels are unknown: config\.json names them"
    ):
        exporting.export(ExportConfig(model=saved, output=tmp_path / "no"))
    if kind == "re":  # Transformers saves the others without a pooler.
        encoder = ExportConfig(model=saved, output=tmp_path / "encoder", kind="encoder")
        assert load(exporting.export(encoder)).kind == "encoder"
    # What the message says helps.
    files.write_json(saved / "labels.json", {"labels": KINDS[kind][2]})
    expected = USES[kind](load(save(tmp_path / "named", kind)))
    assert USES[kind](load(saved)) == expected


def test_labels_that_are_numbers(tmp_path):
    saved = save(tmp_path / "hf", "re", id2label={"0": 0, "1": 1, "2": 2})
    assert load(saved).labels == ("0", "1", "2")


def test_labels_of_words_that_form_no_entities(tmp_path):
    names = {"0": "NOUN", "1": "VERB", "2": "O", "3": "X", "4": "B"}
    saved = save(tmp_path / "hf", "ner", id2label=names)
    with pytest.raises(InputError, match="labels of the model are NOUN VERB"):
        load(saved).annotate([TEXT])


def test_a_text_with_several_labels(tmp_path):
    """It is no relation; see tests/classification for what it is."""
    problem = "multi_label_classification"
    saved = save(tmp_path / "hf", "re", problem_type=problem)
    assert load(saved).kind != "re"
    wanted = f"config.json says BertForSequenceClassification of {problem}$"
    with pytest.raises(InputError, match=wanted):
        RELATIONS.load(saved, DeviceConfig())


@pytest.mark.parametrize("kind", KINDS)
def test_the_methods_of_others_are_refused(tmp_path, kind):
    model = load(save(tmp_path / "hf", kind))
    for other, use in USES.items():
        if other != kind:
            with pytest.raises(InputError, match=f"of kind {kind}, not {other}"):
                use(model)


def test_an_export_of_an_export_has_its_own_length(tmp_path):
    saved = save(tmp_path / "hf", "re")
    source = saved
    for length in (8, 12):
        output = tmp_path / str(length)
        config = ExportConfig(model=source, output=output, max_seq_length=length)
        source = exporting.export(config)
        assert load(output).text.max_seq_length == length
        assert "--max_seq_length" not in (output / "model_card.md").read_text()


def test_a_class_that_no_command_trains(tmp_path):
    """Its weights have the names of a classifier; what they mean is not known."""
    saved = save(tmp_path / "hf", "re", architectures=["BertForMultipleChoice"])
    assert load(saved).kind == "encoder"
    with pytest.raises(InputError, match="of kind encoder, not re"):
        load(saved).classify(["aspirin"])
    wanted = (
        "give its --output_dir, or a BertForSequenceClassification of Transformers; "
        "config.json says BertForMultipleChoice"
    )
    with pytest.raises(InputError, match=wanted):
        RELATIONS.load(saved, DeviceConfig())


@pytest.mark.parametrize(
    "normalizer",
    [
        {"type": "BertNormalizer", "lowercase": True},
        {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "Lowercase"}]},
    ],
)
def test_the_case_of_the_tokenizer_alone(tmp_path, normalizer):
    saved = save(tmp_path / "hf", "ner", do_lower_case=True)
    (saved / "tokenizer_config.json").unlink()
    path = saved / "tokenizer.json"
    files.write_json(path, files.read_json(path) | {"normalizer": normalizer})
    assert load(saved).text.do_lower_case is True
    text = "severe Liver cancer with aspirin"
    [upper], [plain] = (load(saved).annotate([x]) for x in (text.upper(), text))
    assert upper
    assert [(x.start, x.type) for x in upper] == [(x.start, x.type) for x in plain]
