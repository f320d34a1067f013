# SPDX-License-Identifier: Apache-2.0
import logging

from biobert_tf.training import examples

PIECES = dict(enumerate(["[PAD]", "[CLS]", "[SEP]", "a", "##b"]))
ROW = {
    "input_ids": [1, 3, 4, 2, 0],
    "input_mask": [1, 1, 1, 1, 0],
    "label_ids": [-1, 1, -1, -1, -1],
    "unread": [7],
}


def logged(caplog, rows, number, names, pieces=PIECES, labels=("O", "B")):
    with caplog.at_level(logging.INFO, examples.__name__):
        examples.log("train", rows, number, names, pieces, labels)
    return caplog.messages


def test_the_features_of_the_task_as_the_original_logs_them(caplog):
    names = ("input_ids", "input_mask", "label_ids")
    assert logged(caplog, [ROW], 5, names) == [
        "*** Example 1 of train ***",
        "tokens: [CLS] a ##b [SEP]",
        "input_ids: 1 3 4 2 0",
        "input_mask: 1 1 1 1 0",
        "label_ids: -1 1 -1 -1 -1",
        "labels: - B - -",
    ]


def test_no_more_rows_are_read_than_are_logged(caplog):
    def rows():
        yield ROW
        raise AssertionError("read too far")

    assert len(logged(caplog, rows(), 1, ("input_mask",))) == 2
    caplog.clear()
    assert logged(caplog, rows(), 0, ("input_mask",)) == []


def test_masked_pieces(caplog):
    row = ROW | {"masked_lm_ids": [3, 4, 0], "masked_lm_weights": [1.0, 1.0, 0.0]}
    names = ("input_mask", "masked_lm_ids")
    assert logged(caplog, [row], 1, names)[2:] == [
        "masked_lm_tokens: a ##b",
        "masked_lm_ids: 3 4 0",
    ]
    caplog.clear()
    assert logged(caplog, [row], 1, names, {})[2:] == ["masked_lm_ids: 3 4 0"]
