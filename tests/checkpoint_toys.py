"""A BERT small enough to write down: two layers of width 4, every weight another."""

import hashlib

import numpy as np

from biobert_tf.model.config import EncoderConfig

CONFIG = EncoderConfig(
    vocab_size=11,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=8,
)
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "B", "c", "d", "##E"]

_EMBEDDINGS = {
    "bert/embeddings/word_embeddings": (11, 4),
    "bert/embeddings/position_embeddings": (8, 4),
    "bert/embeddings/token_type_embeddings": (2, 4),
    "bert/embeddings/LayerNorm/beta": (4,),
    "bert/embeddings/LayerNorm/gamma": (4,),
}
_LAYER = {
    "attention/self/query/kernel": (4, 4),
    "attention/self/query/bias": (4,),
    "attention/self/key/kernel": (4, 4),
    "attention/self/key/bias": (4,),
    "attention/self/value/kernel": (4, 4),
    "attention/self/value/bias": (4,),
    "attention/output/dense/kernel": (4, 4),
    "attention/output/dense/bias": (4,),
    "attention/output/LayerNorm/beta": (4,),
    "attention/output/LayerNorm/gamma": (4,),
    "intermediate/dense/kernel": (4, 6),
    "intermediate/dense/bias": (6,),
    "output/dense/kernel": (6, 4),
    "output/dense/bias": (4,),
    "output/LayerNorm/beta": (4,),
    "output/LayerNorm/gamma": (4,),
}
_POOLER = {"bert/pooler/dense/kernel": (4, 4), "bert/pooler/dense/bias": (4,)}
_HEADS = {
    "none": {},
    "masked_lm": {
        "cls/predictions/transform/dense/kernel": (4, 4),
        "cls/predictions/transform/dense/bias": (4,),
        "cls/predictions/transform/LayerNorm/beta": (4,),
        "cls/predictions/transform/LayerNorm/gamma": (4,),
        "cls/predictions/output_bias": (11,),
    },
    "next_sentence": {
        "cls/seq_relationship/output_weights": (2, 4),
        "cls/seq_relationship/output_bias": (2,),
    },
    "classifier": {"output_weights": (3, 4), "output_bias": (3,)},
    "squad": {"cls/squad/output_weights": (2, 4), "cls/squad/output_bias": (2,)},
}


def shapes(*heads: str, num_layers: int = 2) -> dict[str, tuple[int, ...]]:
    """TF1 name -> shape of the toy, with these heads."""
    layers = {
        f"bert/encoder/layer_{n}/{name}": shape
        for n in range(num_layers)
        for name, shape in _LAYER.items()
    }
    chosen = {name: shape for head in heads for name, shape in _HEADS[head].items()}
    return {**_EMBEDDINGS, **layers, **_POOLER, **chosen}


def weights(*heads: str, num_layers: int = 2) -> dict[str, np.ndarray]:
    """Random weights that depend on nothing but their names."""

    def draw(name, shape):
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        return np.random.default_rng(seed).normal(size=shape).astype(np.float32)

    wanted = shapes(*heads, num_layers=num_layers)
    return {name: draw(name, shape) for name, shape in wanted.items()}


def assert_same(actual, expected):
    """Same names, shapes, types and bits."""
    assert sorted(actual) == sorted(expected)
    for name, array in expected.items():
        assert actual[name].shape == array.shape, name
        assert actual[name].dtype == np.float32, name
        assert actual[name].tobytes() == array.tobytes(), name


def write_vocab(path):
    path.write_text("".join(f"{piece}\n" for piece in VOCAB), encoding="utf-8")
    return path
