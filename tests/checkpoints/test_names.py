import json

import checkpoint_toys as toys
import pytest

from biobert_tf.checkpoints import names
from biobert_tf.model import encoder

FORMS = ("tf1", "huggingface")
HEADS = ("masked_lm", "next_sentence", "classifier", "squad")


@pytest.mark.parametrize(
    "tf1, huggingface",
    [
        (
            "bert/embeddings/token_type_embeddings",
            "bert.embeddings.token_type_embeddings.weight",
        ),
        (
            "bert/encoder/layer_11/attention/self/query/kernel",
            "bert.encoder.layer.11.attention.self.query.weight",
        ),
        (
            "bert/encoder/layer_0/attention/output/LayerNorm/gamma",
            "bert.encoder.layer.0.attention.output.LayerNorm.weight",
        ),
        (
            "bert/encoder/layer_3/output/LayerNorm/beta",
            "bert.encoder.layer.3.output.LayerNorm.bias",
        ),
        (
            "bert/pooler/dense/bias",
            "bert.pooler.dense.bias",
        ),
        (
            "cls/predictions/output_bias",
            "cls.predictions.bias",
        ),
        (
            "cls/seq_relationship/output_weights",
            "cls.seq_relationship.weight",
        ),
        (
            "cls/squad/output_bias",
            "qa_outputs.bias",
        ),
        ("output_weights", "classifier.weight"),
    ],
)
def test_two_names_of_one_weight(tf1, huggingface):
    for form, text in zip(FORMS, (tf1, huggingface), strict=True):
        name = names.lookup(form, text)
        assert (name.tf1, name.huggingface) == (tf1, huggingface)


def test_table_is_a_bijection_over_twelve_layers():
    expected = toys.shapes(*HEADS, num_layers=12)
    rows = [names.lookup("tf1", text) for text in expected]
    assert len(rows) == 5 + 12 * 16 + 2 + 5 + 2 + 2 + 2
    for form in FORMS:
        texts = [getattr(row, form) for row in rows]
        assert len(set(texts)) == len(rows)
        assert [names.lookup(form, text) for text in texts] == rows


def test_table_has_no_other_rows():
    layer_0 = set(toys.shapes(*HEADS, num_layers=1))
    assert {row.tf1.replace("{n}", "0") for row in names.TABLE} == layer_0


def test_names_are_sorted_as_a_model_needs_them():
    """Layer 10 after layer 9, and a layer's parts together."""
    rows = [
        "bert/embeddings/word_embeddings",
        "bert/embeddings/LayerNorm/beta",
        "bert/encoder/layer_9/attention/self/query/kernel",
        "bert/encoder/layer_9/attention/output/dense/kernel",
        "bert/encoder/layer_9/output/LayerNorm/beta",
        "bert/encoder/layer_10/attention/self/query/kernel",
        "bert/pooler/dense/kernel",
        "output_bias",
        "a_head_of_ones_own",
    ]
    assert sorted(sorted(rows), key=names.depth) == rows


def test_encoder_names_leave_out_the_pooler():
    expected = {name for name in toys.shapes() if "pooler" not in name}
    assert set(names.encoder_names(2)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "global_step",
        "beta1_power",
        "bert/pooler/dense/kernel/adam_m",
        "bert/pooler/dense/kernel/adam_v",
        "bert/encoder/layer_0/output/dense/bias/BERTAdam_1",
        "bert/encoder/layer_0/output/dense/bias/AdamWeightDecayOptimizer",
        "output_bias/Adam",
        "xbert/pooler/dense/kernel",
        "bert/encoder/layer_x/output/dense/bias",
        "bert/encoder/layer_0/layer_1/output/dense/bias",
        "bert/encoder/layer_0/output/dense",
        "",
    ],
)
def test_not_a_weight(text):
    assert names.lookup("tf1", text) is None


def test_names_of_another_form_are_unknown():
    assert names.lookup("tf1", "bert.pooler.dense.bias") is None
    assert names.lookup("huggingface", "bert/pooler/dense/bias") is None


def test_the_variables_of_the_encoder_have_tf1_names_and_shapes():
    variables = encoder.Encoder(toys.CONFIG).variables
    found = {v.name.removesuffix(":0"): tuple(v.shape) for v in variables}
    assert found == toys.shapes()


@pytest.mark.data
def test_real_variable_lists(data):
    lists = sorted((data / "checkpoints").rglob("*.vars.json"))
    assert lists
    for path in lists:
        entries = json.loads(path.read_text())
        slots = ("adam_m", "adam_v", "global_step")
        for entry in entries:
            is_slot = entry["name"].endswith(slots)
            assert (names.lookup("tf1", entry["name"]) is None) == is_slot, entry
        layers = {e["name"].split("/")[2] for e in entries if "/layer_" in e["name"]}
        stored = {entry["name"] for entry in entries}
        assert set(names.encoder_names(len(layers))) <= stored
