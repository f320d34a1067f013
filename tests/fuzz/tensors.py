# SPDX-License-Identifier: Apache-2.0
"""The readers of weights and of records, which need TensorFlow; see `readers`."""

import json

import checkpoint_toys
import numpy as np
import safetensors.numpy
from fuzz.readers import HF_CONFIG, Reader

NAMES = (
    "TF1 checkpoint, .index",
    "TF1 checkpoint, .data",
    "safetensors",
    "TFRecord",
    "manifest of TFRecords",
)
SPECS = {"input_ids": (4, 11), "label": (1, 3)}


def readers(folder):
    """Returns the readers, with sound files that are made in an empty folder."""
    from biobert_tf.checkpoints import tf1

    tf1.write(checkpoint_toys.weights("classifier"), folder / "model.ckpt-3", 3)
    index, data = (
        (folder / f"model.ckpt-3.{end}").read_bytes()
        for end in ("index", "data-00000-of-00001")
    )
    names = {"index": "model.ckpt-3.index", "data": "model.ckpt-3.data-00000-of-00001"}
    records = _records(folder / "a.tf_record")
    entry = {
        "file": "a.tf_record",
        **dict.fromkeys(
            ("num_records", "num_random_next", "num_masked", "num_tokens"), 3
        ),
        "num_bytes": len(records),
        "sha256": "0" * 64,
    }
    manifest = {
        "settings": {"vocab_sha256": "1" * 64, "do_lower_case": False, "seed": 1},
        "corpus": {"num_documents": 2, "num_skipped": {"no text": 1}},
        "files": [entry],
    }
    return [
        Reader(
            "TF1 checkpoint, .index",
            names["index"],
            index,
            _checkpoint,
            {names["data"]: data},
            lines=100_000,
        ),
        Reader(
            "TF1 checkpoint, .data",
            names["data"],
            data,
            _checkpoint,
            {names["index"]: index},
            lines=100_000,
        ),
        Reader(
            "safetensors",
            "model.safetensors",
            safetensors.numpy.save(
                {
                    "bert.pooler.dense.weight": np.eye(4, dtype=np.float32),
                    "bert.pooler.dense.bias": np.ones(4, np.float16),
                }
            ),
            _safetensors,
            {"config.json": HF_CONFIG},
            lines=100_000,
        ),
        Reader("TFRecord", "a.tf_record", records, _tfrecord, lines=500_000),
        Reader(
            "manifest of TFRecords",
            "a.tf_record.manifest.json",
            json.dumps(manifest, indent=1).encode(),
            _manifest,
            {"a.tf_record": records},
            True,
        ),
    ]


def _specs():
    from biobert_tf.training.records import FeatureSpec

    return {name: FeatureSpec(n, below=below) for name, (n, below) in SPECS.items()}


def _records(path):
    from biobert_tf.training import records

    rows = [{"input_ids": [1, 2, 3, n], "label": [n]} for n in range(3)]
    records.write(path, rows, _specs())
    return path.read_bytes()


def _checkpoint(path, on_bad):
    from biobert_tf.checkpoints import tf1

    found = tf1.read(path)
    # A changed number in a name or a shape is a weight that the model does not fit.
    assert all(array.dtype == np.float32 for array in found.weights.values())
    return len(found.weights)


def _safetensors(path, on_bad):
    from biobert_tf.checkpoints import huggingface

    return len(huggingface.read(path.parent).weights)


def _tfrecord(path, on_bad):
    from biobert_tf.training import records

    records.features_of(path)
    records.check([path], _specs())
    found = list(records.rows([path], _specs()))
    assert len(found) == records.count([path])
    return len(found)


def _manifest(path, on_bad):
    from biobert_tf.pretraining.data.manifest import Manifest

    found = Manifest.load(path)
    assert found.summary()
    assert isinstance(found.settings["do_lower_case"], bool)
    return len(found.files)
