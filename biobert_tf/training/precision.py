# SPDX-License-Identifier: Apache-2.0
"""The precision of products: `--mixed_precision`, and the type that `auto` means."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from biobert_tf.common.settings import DeviceConfig, MixedPrecision

# Not imported at once: most choices are known without it.
if TYPE_CHECKING:
    import tensorflow as tf

# CPU flags of bfloat16 instructions: two of x86, one of Arm.
_CPU_FLAGS: Final = frozenset(("amx_bf16", "avx512_bf16", "bf16"))
# The compute capability of NVIDIA's Ampere.
_COMPUTE_CAPABILITY: Final = (8, 0)
_CPU_INFO: Final = Path("/proc/cpuinfo")


def chosen(config: DeviceConfig) -> MixedPrecision:
    """Returns `--mixed_precision`, with `auto` resolved for these devices.

    `auto` is `bfloat16` on TPUs, on GPUs that are all at least Ampere, and on CPUs with
    bfloat16 instructions (as Linux lists them), else `off`.
    """
    if config.mixed_precision != "auto":
        return config.mixed_precision
    return "bfloat16" if _multiplies_bfloat16(config) else "off"


def _multiplies_bfloat16(config: DeviceConfig) -> bool:
    if config.is_tpu:
        return True
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if config.strategy == "cpu" or not gpus:
        return bool(bfloat16_of_cpu())
    details = map(tf.config.experimental.get_device_details, gpus)
    return all(
        each.get("compute_capability", (0, 0)) >= _COMPUTE_CAPABILITY
        for each in details
    )


def bfloat16_of_cpu() -> set[str]:
    """Returns the processor's flags of bfloat16; none if the system lists no flags."""
    try:
        lines = _CPU_INFO.read_text("utf-8").splitlines()
    except OSError:
        return set()
    named = (line.partition(":") for line in lines)
    return {
        flag
        for name, _, flags in named
        if name.strip() in ("flags", "Features")
        for flag in _CPU_FLAGS.intersection(flags.split())
    }


def dtype(config: DeviceConfig) -> "tf.DType":
    """Returns the type of the encoder's products for `--mixed_precision`."""
    import tensorflow as tf

    name = chosen(config)
    return tf.float32 if name == "off" else tf.as_dtype(name)
