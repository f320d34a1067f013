# SPDX-License-Identifier: Apache-2.0
r"""Converts a corpus to TFRecords, pre-trains BERT on them, and evaluates it.

python run_pretraining.py --do_convert --do_train --corpus_file='pubmed/*.xml.gz' \
    --output_dir=runs/pubmed --init_checkpoint=cased_L-12_H-768_A-12
"""

import sys

from biobert_tf.cli import main as cli
from biobert_tf.common import program

if __name__ == "__main__":
    sys.exit(program.start(cli.pretraining))
