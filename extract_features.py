# SPDX-License-Identifier: Apache-2.0
r"""Writes the vectors of texts as JSON lines, or in a table.

python extract_features.py --input_file=input.txt --output_file=output.jsonl \
    --init_checkpoint=cased_L-12_H-768_A-12/bert_model.ckpt
"""

import sys

from biobert_tf.cli import main as cli
from biobert_tf.common import program

if __name__ == "__main__":
    sys.exit(program.run(cli.extract_features, sys.argv))
