# SPDX-License-Identifier: Apache-2.0
r"""Converts a corpus to the TFRecords of masked sentence pairs.

python create_pretraining_data.py --input_file=corpus.txt \
    --output_file=pairs.tfrecord --vocab_file=cased_L-12_H-768_A-12/vocab.txt
"""

import sys

from biobert_tf.cli import data
from biobert_tf.common import program

if __name__ == "__main__":
    sys.exit(program.run(data.create_pretraining_data, sys.argv))
