# SPDX-License-Identifier: Apache-2.0
r"""Fine-tunes BioBERT for named entity recognition and scores the test set.

python run_ner.py --data_dir=NER/NCBI-disease --output_dir=runs/ncbi \
    --init_checkpoint=biobert_v1.1_pubmed/model.ckpt-1000000
"""

import sys

from biobert_tf.cli import main as cli
from biobert_tf.common import program

if __name__ == "__main__":
    sys.exit(program.start(cli.ner))
