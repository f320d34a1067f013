# SPDX-License-Identifier: Apache-2.0
"""How a training clips its gradient: that of which batch, and by which norm."""

from typing import Literal

from biobert_tf.common.settings import Compat, DeviceConfig

Clipping = Literal["whole", "gathered", "per_core"]
"""What is clipped before the optimizer sees it.

- `whole`: the gradient of the global batch, by its norm.
- `gathered`: the same, by a norm in which every row that was looked up in the word
  embeddings counts for itself, before equal rows are summed.
  PARITY(optimization.py:74): tf.clip_by_global_norm of IndexedSlices.
- `per_core`: the gradient of each replica's own loss, by its own norm; the clipped
  gradients are summed.
"""


def of(compat: Compat, device: DeviceConfig) -> Clipping:
    """Returns how `--compat` clips on the devices that are asked for.

    PARITY(run_ner.py:527): the original gathers the word embeddings on a GPU, and
    multiplies one-hot rows by them on a TPU, which gives a dense gradient; so do its
    run_re.py (984), run_qa.py (1183) and run_pretraining.py (447).
    """
    if compat == "fixed":
        return "whole"
    return "per_core" if device.is_tpu else "gathered"
