# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import feature_toys as toys
import pytest

from biobert_tf.common import flags
from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import to_dict
from biobert_tf.embeddings.settings import ExtractFeaturesConfig, Layers


def test_the_defaults_of_the_original():
    settings = toys.settings(output_file="out.jsonl")
    assert settings.vectors.layers.numbers == (-1, -2, -3, -4)
    assert settings.text.max_seq_length == 128
    assert settings.batch_size == 32
    assert settings.output_format == "jsonl"
    assert settings.model.init_checkpoint == Path("model")


@pytest.mark.parametrize("word", ["=True", "=false", ""])
def test_a_flag_of_the_original_without_effect(word):
    words = ["x", "--input_file=in", "--output_file=o.jsonl", "--init_checkpoint=model"]
    given = flags.parse(
        ExtractFeaturesConfig, [*words, f"--use_one_hot_embeddings{word}"]
    )
    without = flags.parse(ExtractFeaturesConfig, words)
    assert to_dict(given) == to_dict(without)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("out.jsonl", "jsonl"),
        ("out.json", "jsonl"),
        ("out.jsonl.gz", "jsonl"),
        ("OUT.NPZ", "npz"),
        ("a.b/out.h5", "hdf5"),
        ("out.hdf5", "hdf5"),
        ("out.parquet", "parquet"),
    ],
)
def test_format_by_suffix(name, expected):
    assert toys.settings(output_file=name).output_format == expected


def test_format_by_flag():
    settings = toys.settings(output_file="out.txt", format="hdf5")
    assert settings.output_format == "hdf5"


@pytest.mark.parametrize("name", ["out", "out.txt", "npz", "out.npz.gz", "out.gz"])
def test_a_suffix_that_says_nothing(name):
    with pytest.raises(InputError, match=f"^--output_file={name}: want a name that"):
        toys.settings(output_file=name)


@pytest.mark.parametrize("layers", ["", "-1,", "last", "1.0", "-1 -2"])
def test_layers_that_are_no_numbers(layers):
    with pytest.raises(InputError, match=r"^--layers=.*: want numbers with commas"):
        toys.settings(layers=layers)


def test_layers_are_counted_from_both_ends():
    assert Layers.parse("-1, 0,-12,11").indexes(12) == (11, 0, 0, 11)


@pytest.mark.parametrize("layer", [-13, 12])
def test_a_layer_the_model_does_not_have(layer):
    with pytest.raises(InputError) as caught:
        Layers.parse(f"-1,{layer}").indexes(12)
    assert str(caught.value) == (
        f"--layers=-1,{layer}: no layer {layer}; the model has 12: -12 to 11"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pooling": "mean"}, "--pooling=mean: JSON lines hold the layers of every"),
        ({"layer_mix": "sum"}, "--layer_mix=sum: JSON lines hold"),
        ({"words": True}, "--words=true: JSON lines hold"),
        ({"dtype": "float16"}, "--dtype=float16: JSON lines hold"),
    ],
)
def test_what_json_lines_do_not_hold(given, message):
    with pytest.raises(InputError, match=f"^{message}"):
        toys.settings(output_file="out.jsonl", **given)
    toys.settings(output_file="out.npz", **given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"words": True, "pooling": "cls"},
            "--words writes a vector per word, --pooling=",
        ),
        ({"word_pooling": "first"}, "--word_pooling=first needs --words"),
        ({"layers": "-1,0,-1"}, "--layers=-1,0,-1: a layer is named twice"),
        ({"output_file": "-", "format": "npz"}, "--format=npz: only JSON lines go to"),
        ({"output_file": "-"}, "--output_file=-: want a name that ends in"),
        ({"batch_size": 0}, "--batch_size=0: must be at least 1"),
        ({"max_seq_length": 2}, "--max_seq_length=2: must be at least 3"),
        ({"input_file": "./out.npz"}, "--output_file=out.npz is the input"),
        ({"pooling": "median"}, "flag --pooling=median: value should be one of"),
    ],
)
def test_contradictions(given, message):
    with pytest.raises(InputError, match=f"^{message}"):
        toys.settings(**given)


def test_standard_input_and_output_are_not_one_file():
    settings = toys.settings(input_file="-", output_file="-", format="jsonl")
    assert settings.is_printed
    assert not toys.settings(input_file="-").is_printed


def test_json_lines_may_name_a_layer_twice():
    settings = toys.settings(output_file="out.jsonl", layers="-1,-1")
    assert settings.vectors.layers.numbers == (-1, -1)
