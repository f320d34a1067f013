# SPDX-License-Identifier: Apache-2.0
r"""Fine-tunes BioBERT for relation extraction and scores the test set.

python run_re.py --task_name=gad --do_train=true --do_predict=true \
    --data_dir=RE/GAD --folds=1-10 --output_dir=runs/gad \
    --init_checkpoint=biobert_v1.1_pubmed/model.ckpt-1000000
"""

import sys

from biobert_tf.cli import main as cli
from biobert_tf.common import program

if __name__ == "__main__":
    sys.exit(program.start(cli.re))
