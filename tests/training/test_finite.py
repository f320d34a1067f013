"""Which weights and gradients a divergence names; see also test_estimator.py."""

import numpy as np
import pytest
import tensorflow as tf

from biobert_tf.training import finite

NAMES = (
    "bert/encoder/layer_10/output/dense/bias",
    "bert/embeddings/word_embeddings",
    "output_bias",
    "bert/encoder/layer_9/output/dense/bias",
)


def explained(bad_weights, bad_gradients):
    weights = [
        tf.Variable([1.0, np.inf if name in bad_weights else -3.0], name=name)
        for name in NAMES
    ]
    are_finite = np.array([name not in bad_gradients for name in NAMES])
    return finite.explanation(weights, are_finite)


@pytest.mark.parametrize(
    "number, said",
    [(0, "so are all gradients"), (4, "no gradient is")],
)
def test_all_or_none(number, said):
    found = explained((), NAMES[:number])
    assert (
        found == f"all weights are finite, the largest is 3, in {NAMES[0]}, and {said}"
    )


def test_the_gradient_next_to_the_loss_comes_first():
    found = explained((), NAMES[:2] + NAMES[3:])
    assert found.endswith(f"not the gradients of {NAMES[0]}, {NAMES[3]}, {NAMES[1]}")


def test_weights_come_before_gradients_and_as_a_model_needs_them():
    found = explained((NAMES[0], NAMES[3]), NAMES)
    assert found == f"not finite before it: {NAMES[3]}, {NAMES[0]}"
