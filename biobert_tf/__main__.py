# SPDX-License-Identifier: Apache-2.0
"""`python -m biobert_tf` is the command `biobert`."""

import sys

from biobert_tf.cli import main

if __name__ == "__main__":
    sys.exit(main.console())
