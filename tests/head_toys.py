"""The toy of `checkpoint_toys` with every head, as the models of this project."""

from pathlib import Path

import checkpoint_toys as toys
import tensorflow as tf

from biobert_tf.checkpoints import native
from biobert_tf.model import encoder, heads

# Kind of model -> its heads in `checkpoint_toys`.
HEADS = {
    "encoder": (),
    "pretraining": ("masked_lm", "next_sentence"),
    "ner": ("classifier",),
    "re": ("classifier",),
    "qa": ("squad",),
}
_BUILD = {
    "encoder": encoder.Encoder,
    "pretraining": lambda config: heads.PretrainingModel(config, seed=0),
    "ner": lambda config: heads.TokenClassifier(config, 3, seed=0),
    "re": lambda config: heads.SequenceClassifier(config, 3, seed=0),
    "qa": lambda config: heads.SpanClassifier(config, seed=0),
}


def weights(kind):
    return toys.weights(*HEADS[kind])


def random_model(kind, config=toys.CONFIG):
    return _BUILD[kind](config)


def model(kind):
    """The model with the toy's weights."""
    made = random_model(kind)
    native.assign(made.variables, weights(kind), source=Path("toys"))
    return made


def assert_loads(kind, given):
    """Loaded into another model, every variable has the bits of the toy's."""
    other = random_model(kind)
    report = native.assign(other.variables, given, source=Path("given"))
    assert not report.missing
    assert not report.unexpected
    toys.assert_same(native.extract(other.variables), weights(kind))


def export(variables, directory):
    """A SavedModel of these variables and one function, as an export of a model has."""
    module = tf.Module()
    module.weights = list(variables)
    module.first = tf.function(
        lambda: module.weights[0] + 1.0, input_signature=[], autograph=False
    )
    tf.saved_model.save(module, str(directory))
    return directory


def encode(model, batch):
    return model(*encoder.inputs(batch))._asdict()
