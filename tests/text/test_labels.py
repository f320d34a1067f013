# SPDX-License-Identifier: Apache-2.0
import pytest

from biobert_tf.checkpoints import huggingface
from biobert_tf.text import labels


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["O", "B", "I"], True),
        (["[PAD]", "B", "I", "O", "X", "[CLS]", "[SEP]"], True),
        (["O-Gene", "O", "B-Gene", "I-Gene"], True),
        (["I-Dis", "O"], True),
        (["O", "Binding", "Inhibitor"], False),
        (["O", "no"], False),
        (["B-Dis", "I-Dis"], False),
        (["0", "1"], False),
        ([], False),
    ],
)
def test_whether_labels_are_those_of_words(names, expected):
    assert labels.are_of_words(names) is expected
    # The same rule names the class of Transformers.
    kind = "Token" if expected else "Sequence"
    found = huggingface.architecture({"output_weights": None}, names)
    assert found == f"BertFor{kind}Classification"
