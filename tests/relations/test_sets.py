# SPDX-License-Identifier: Apache-2.0
import typing

import pytest

from biobert_tf.common.errors import InputError
from biobert_tf.relations.sets import SETS, RelationSet, custom
from biobert_tf.relations.settings import RelationSetName

BINARY = ("gad", "euadr", "polysearch", "mirnadisease")


def test_the_named_sets_are_those_that_can_be_asked_for():
    assert {*SETS, "custom"} == set(typing.get_args(RelationSetName))
    assert all(SETS[name].name == name for name in SETS)


@pytest.mark.parametrize("name", BINARY)
def test_binary_sets(name):
    assert SETS[name] == RelationSet(name, ("0", "1"), "0")
    assert SETS[name].is_binary
    assert SETS[name].positives == ("1",)


def test_sets_of_several_classes():
    chemprot, ddi = SETS["chemprot"], SETS["ddi13"]
    # The ids of checkpoints that exist.
    assert chemprot.labels == ("cpr:3", "cpr:4", "cpr:5", "cpr:6", "cpr:9", "false")
    assert chemprot.positives == ("cpr:3", "cpr:4", "cpr:5", "cpr:6", "cpr:9")
    assert ddi.positives == ("DDI-advise", "DDI-effect", "DDI-int", "DDI-mechanism")
    assert ddi.negative == ddi.labels[-1] == "DDI-false"
    assert not chemprot.is_binary
    assert not ddi.is_binary


@pytest.mark.parametrize(
    ("name", "label", "known"),
    [
        ("chemprot", "cpr:3", "cpr:3"),
        ("chemprot", "CPR:3", "cpr:3"),
        ("chemprot", "False", "false"),
        ("chemprot", "CPR:1", None),
        ("chemprot", "cpr:3 ", None),
        ("chemprot", "", None),
        ("ddi13", "ddi-EFFECT", "DDI-effect"),
        ("ddi13", "effect", None),
        ("gad", "1", "1"),
        ("gad", "2", None),
    ],
)
def test_labels_of_a_named_set_in_any_case(name, label, known):
    assert SETS[name].canonical(label) == known


def test_labels_of_a_custom_set_are_exact():
    own = custom(["Up", "up", "none"], "")
    assert [own.canonical(label) for label in ("Up", "up", "UP")] == ["Up", "up", None]


@pytest.mark.parametrize(
    ("labels", "asked", "negative"),
    [
        (["a", "b"], "", None),
        (["a", "b"], "b", "b"),
        (["1", "0"], "", "0"),
        (["a", "False"], "", "False"),
        (["NONE", "a"], "", "NONE"),
        (["negative", "positive"], "", "negative"),
        (["none", "a"], "a", "a"),
        # Which of two it is cannot be guessed.
        (["0", "false", "a"], "", None),
        (["0", "false", "a"], "0", "0"),
    ],
)
def test_the_label_that_means_no_relation(labels, asked, negative):
    own = custom(labels, asked)
    assert own == RelationSet("custom", tuple(labels), negative)
    assert own.positives == tuple(label for label in labels if label != negative)
    assert own.is_binary == (len(labels) == 2 and negative is not None)


@pytest.mark.parametrize(
    ("labels", "negative", "message"),
    [
        ([], "", "--labels=: want two or more different labels"),
        (["a"], "", "--labels=a: want two or more different labels"),
        (["a", "b", "a"], "", "--labels=a,b,a: want two or more different labels"),
        (["a", "", "b"], "", "--labels=a,,b: want two or more different labels"),
        (["a", "b"], "c", "--negative_label=c is none of the labels a b"),
        (["a", "b"], "A", "--negative_label=A is none of the labels a b"),
    ],
)
def test_custom_sets_that_cannot_be(labels, negative, message):
    with pytest.raises(InputError) as error:
        custom(labels, negative)
    assert str(error.value) == message
