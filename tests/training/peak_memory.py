"""Prints the peak memory of this process after training steps that take ever more.

python peak_memory.py LENGTH SIZES CASE..., where SIZES are those of the encoder as JSON
and a CASE is `recomputed:8` or `kept:8`: the way and the batch size.
"""

import json
import resource
import sys

import tensorflow as tf

from biobert_tf.model import heads
from biobert_tf.model.config import EncoderConfig
from biobert_tf.model.layers import Dropout

length, sizes, *cases = sys.argv[1:]
model = heads.TokenClassifier(
    EncoderConfig(**json.loads(sizes)), 3, 0, dropout=0.1, dtype=tf.float32
)


def gradients(input_ids):
    with tf.GradientTape() as tape:
        logits = model({"input_ids": input_ids}, Dropout(tf.constant([1, 2])))["logits"]
        loss = tf.reduce_mean(tf.square(logits))
    found = tape.gradient(loss, model.trainable_variables)
    return [tf.convert_to_tensor(each) for each in found]


for case in cases:
    way, batch_size = case.split(":")
    model.recomputes = way == "recomputed"
    step = tf.function(gradients, autograph=False)
    for _ in range(2):
        step(tf.ones([int(batch_size), int(length)], tf.int32))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
