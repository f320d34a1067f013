# SPDX-License-Identifier: Apache-2.0
r"""Fine-tunes BioBERT for question answering, answers the test questions, scores them.

python run_qa.py --do_train=true --do_predict=true --output_dir=runs/bioasq \
    --train_file=BioASQ-train-factoid-5b.json \
    --predict_file=BioASQ-test-factoid-4b-1.json --golden_file=4B1_golden.json \
    --init_checkpoint=runs/squad
"""

import sys

from biobert_tf.cli import main as cli
from biobert_tf.common import program

if __name__ == "__main__":
    sys.exit(program.start(cli.qa))
