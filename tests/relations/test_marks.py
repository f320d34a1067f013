# SPDX-License-Identifier: Apache-2.0
import pytest

from biobert_tf.relations import marks, reading
from biobert_tf.relations.reading import RelationExample


def example(text, data_format="biobert"):
    spans = reading.entity_spans(text, data_format)
    return RelationExample("0", text, None, spans)


HIDDEN = example("@GENE$ causes @DISEASE$ .")
JOINT = example("the @CHEM-GENE$ helps .")
MARKED = example("<< aspirin >> helps [[ men ]]", "scibert")
PLAIN = example("aspirin helps men .")


def test_the_marks_of_texts():
    assert marks.of(HIDDEN) == {"@GENE$", "@DISEASE$"}
    assert marks.of(MARKED) == {"<< >>", "[[ ]]"}
    assert marks.of(PLAIN) == frozenset()
    assert marks.of_all([HIDDEN, JOINT]) == ["@CHEM-GENE$", "@DISEASE$", "@GENE$"]
    # A set with a text that has none needs none.
    assert marks.of_all([HIDDEN, PLAIN]) == []
    assert marks.of_all([]) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["@gene$", "@DISEASE$"], [1, 2, 3]),
        (["<< >>", "[[ ]]"], [0, 1, 3]),
        (None, [3]),
        ([], []),
    ],
)
def test_texts_without(wanted, expected):
    assert marks.lacking([HIDDEN, JOINT, MARKED, PLAIN], wanted) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"task_name": "custom", "marks": ["@GENE$"]}, ["@GENE$"]),
        ({"task_name": "gad", "marks": []}, []),
        # Records of earlier versions, and of models that Transformers saved.
        ({"task_name": "gad"}, None),
        ({"task_name": "custom"}, []),
        ({}, []),
    ],
)
def test_what_is_recorded(settings, expected):
    assert marks.recorded(settings) == expected
