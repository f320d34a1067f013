"""Checkpoints of the TensorFlow model garden: the same outputs as in the garden."""

import functools
import json

import head_toys
import numpy as np
import pytest
import tensorflow as tf

from biobert_tf import checkpoints
from biobert_tf.checkpoints import convert, native, tf1
from biobert_tf.common.errors import InputError
from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig

WHY = "the model garden is not installed; pip install tf-models-official==2.20.0"
networks = pytest.importorskip("official.nlp.modeling.networks", reason=WHY)
layers = pytest.importorskip("official.nlp.modeling.layers", reason=WHY)
models = pytest.importorskip("official.nlp.modeling.models", reason=WHY)
tf_keras = pytest.importorskip("tf_keras", reason=WHY)

CONFIG = EncoderConfig(
    vocab_size=11,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=16,
    type_vocab_size=2,
    # The garden's own default.
    hidden_act="gelu_new",
)
SIZES = {
    "vocab_size": 11,
    "hidden_size": 8,
    "num_layers": 2,
    "num_attention_heads": 2,
    "max_sequence_length": 16,
    "type_vocab_size": 2,
    # Large enough that every part of the model shows in the outputs.
    "initializer": tf_keras.initializers.TruncatedNormal(stddev=0.5),
}
ENCODERS = {
    "v1": functools.partial(networks.BertEncoder, intermediate_size=12, **SIZES),
    "v2": functools.partial(networks.BertEncoderV2, inner_dim=12, **SIZES),
}


@pytest.fixture(autouse=True)
def same_weights_every_time():
    """The garden draws its first weights from Keras' own generator."""
    tf_keras.utils.set_random_seed(1)
    yield
    # TensorFlow's own seed would change how later tests shuffle.
    tf.random.set_seed(None)


def inputs():
    rng = np.random.default_rng(2)
    mask = (np.arange(7) < np.array([[7], [4]])).astype(np.int32)
    return {
        "input_ids": (rng.integers(11, size=(2, 7)) * mask).astype(np.int32),
        "input_mask": mask,
        "segment_ids": (np.arange(7) > 2).astype(np.int32) * mask,
        "masked_lm_positions": np.array([[1, 3], [0, 2]], np.int32),
    }


def call(model, *, masked=False):
    """What a model of the garden says to our inputs."""
    own = inputs()
    given = {
        "input_word_ids": own["input_ids"],
        "input_mask": own["input_mask"],
        "input_type_ids": own["segment_ids"],
    }
    if masked:
        given["masked_lm_positions"] = own["masked_lm_positions"]
    return model({name: tf.constant(array) for name, array in given.items()})


def no_zeros(model):
    rng = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign_add(rng.normal(size=variable.shape, scale=0.1))
    return model


def saved(folder, **items):
    """Writes objects as a training of the garden does; returns the folder."""
    tf.train.Checkpoint(**items).write(str(folder / "ckpt-7"))
    (folder / "bert_config.json").write_text(json.dumps(vars(CONFIG)))
    (folder / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n" + "A\n" * 8)
    return folder


def loaded(folder, model):
    """Our model with the weights of a folder."""
    found = checkpoints.locate(folder).read()
    unread = () if getattr(model, "has_pooler", True) else ("bert/pooler",)
    native.assign(model.variables, found.weights, source=found.source, new_head=unread)
    return model


def assert_close(ours, theirs):
    assert np.std(theirs) > 0.01
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder(tmp_path, name):
    encoder = ENCODERS[name]()
    call(encoder)
    no_zeros(encoder)
    theirs = call(encoder)
    if name == "v1":
        theirs = dict(zip(("sequence_output", "pooled_output"), theirs, strict=True))
    folder = saved(tmp_path, encoder=encoder)
    model = loaded(folder, head_toys.random_model("encoder", CONFIG))
    ours = head_toys.encode(model, inputs())
    for output in ("sequence_output", "pooled_output"):
        assert_close(ours[output], theirs[output])


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("own_pooler", [False, True])
def test_a_classifier_of_texts_while_it_trains(tmp_path, name, own_pooler):
    """The optimizer's slots have the names of weights, after a prefix."""
    classifier = models.BertClassifier(
        ENCODERS[name](), 3, use_encoder_pooler=not own_pooler
    )
    optimizer = tf_keras.optimizers.Adam()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(call(classifier) ** 2)
    variables = classifier.trainable_variables
    both = zip(tape.gradient(loss, variables), variables, strict=True)
    optimizer.apply_gradients([pair for pair in both if pair[0] is not None])
    no_zeros(classifier)
    folder = saved(tmp_path, model=classifier, optimizer=optimizer)
    ours = loaded(folder, heads.SequenceClassifier(CONFIG, 3, seed=1, dropout=0.1))
    assert_close(ours(inputs())["logits"], call(classifier))
    assert any("Adam" in x for x in checkpoints.locate(folder).read().ignored)


def test_a_classifier_of_words_and_one_of_spans(tmp_path):
    """Their heads have one name, and here one shape."""
    (tmp_path / "words").mkdir()
    (tmp_path / "spans").mkdir()
    words = no_zeros(models.BertTokenClassifier(ENCODERS["v1"](), 2))
    folder = saved(tmp_path / "words", model=words)
    ours = loaded(folder, heads.TokenClassifier(CONFIG, 2, seed=1, dropout=0.1))
    found = call(words)
    assert_close(ours(inputs())["logits"], found.get("logits", found))
    spans = no_zeros(models.BertSpanLabeler(ENCODERS["v1"]()))
    folder = saved(tmp_path / "spans", model=spans)
    ours = loaded(folder, heads.SpanClassifier(CONFIG, seed=1))(inputs())
    start, end = call(spans)
    for own, theirs in ((ours["start_logits"], start), (ours["end_logits"], end)):
        # The garden does not mask padding.
        assert_close(own[0], theirs[0])


def test_a_pretraining(tmp_path):
    head = layers.ClassificationHead(8, 2, name="next_sentence")
    model = models.BertPretrainerV2(
        ENCODERS["v2"](),
        classification_heads=[head],
        mlm_activation=functools.partial(tf.nn.gelu, approximate=True),
    )
    call(model, masked=True)
    no_zeros(model)
    found = call(model, masked=True)
    folder = saved(tmp_path, model=model, **model.checkpoint_items)
    ours = loaded(folder, heads.PretrainingModel(CONFIG, seed=1))(inputs())
    assert_close(ours["next_sentence_logits"], found["next_sentence"])
    assert_close(ours["masked_lm_logits"], found["mlm_logits"])


def test_the_older_pretraining(tmp_path):
    """Its head of sentences is named as one that labels words."""
    model = no_zeros(models.BertPretrainer(ENCODERS["v1"](), 2, 2, activation="gelu"))
    found = call(model, masked=True)
    ours = loaded(saved(tmp_path, model=model), heads.PretrainingModel(CONFIG, seed=1))
    assert_close(ours(inputs())["next_sentence_logits"], found["classification"])


def test_a_saved_model(tmp_path):
    encoder = ENCODERS["v2"]()
    call(encoder)
    no_zeros(encoder)
    tf.saved_model.save(encoder, str(tmp_path / "saved"))
    model = loaded(tmp_path / "saved", head_toys.random_model("encoder", CONFIG))
    ours = head_toys.encode(model, inputs())
    assert_close(ours["sequence_output"], call(encoder)["sequence_output"])


def test_conversion(tmp_path):
    encoder = ENCODERS["v1"]()
    folder = saved(tmp_path, model=encoder)
    report = convert.convert(folder, tmp_path / "back" / "model.ckpt")
    assert "wrote" in report
    expected = checkpoints.locate(folder).read().weights
    written = tf1.read(tmp_path / "back").weights
    assert set(written) == set(expected)
    assert all(np.array_equal(written[x], expected[x]) for x in expected)


def test_two_encoders(tmp_path):
    folder = saved(tmp_path, one=ENCODERS["v1"](), two=ENCODERS["v1"]())
    with pytest.raises(InputError, match=r"holds bert/.* twice; save one model"):
        checkpoints.locate(folder).read()


def test_another_network(tmp_path):
    """One layer with a name of the garden is no encoder."""
    module = tf.Module()
    module.x = tf.Variable([1.0], name="pooler_transform/kernel")
    tf.train.Checkpoint(model=module).write(str(tmp_path / "ckpt"))
    with pytest.raises(InputError, match="no variable with a BERT name, but pooler"):
        tf1.read(tmp_path / "ckpt")
