# SPDX-License-Identifier: Apache-2.0
"""Chooses the devices: builds a `tf.distribute.Strategy` from the settings."""

import contextlib
import functools
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import tensorflow as tf

from biobert_tf.common import files, stopping, tpu
from biobert_tf.common.errors import InputError, LostWorkerError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import openvino_engine

_LOG = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 10.0
# Of workers that wait for each other at the start.
_NOT_MET: Final = (
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
)


def build_strategy(config: DeviceConfig) -> tf.distribute.Strategy:
    """Returns the strategy that `--strategy` names.

    `auto` is every local GPU, or the CPU if there is none. One device gets a
    `OneDeviceStrategy`, several a `MirroredStrategy`. `multi_worker` reads the
    cluster from the environment variable TF_CONFIG, as TensorFlow defines it.

    Raises:
        InputError: The requested devices are not available, or not for `--engine`.
        LostWorkerError: Not all workers of the cluster came.
    """
    if config.engine == "openvino":
        openvino_engine.require(config)
    name = "tpu" if config.use_tpu else config.strategy
    if name == "tpu":
        return _tpu(config)
    if name == "multi_worker":
        return _multi_worker()
    gpus = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "gpu" and not gpus:
        raise InputError("--strategy=gpu: TensorFlow sees no GPU; try --strategy=auto")
    if name == "auto" and not gpus:
        # TensorFlow says so in its own words, which do not show.
        _LOG.info("no GPU is seen: computing on the CPU")
    if name == "cpu" or not gpus:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    if len(gpus) == 1:
        return tf.distribute.OneDeviceStrategy(gpus[0])
    return tf.distribute.MirroredStrategy(gpus)


def _multi_worker() -> tf.distribute.Strategy:
    """Joins the cluster of TF_CONFIG."""
    try:
        has_cluster = bool(json.loads(os.environ.get("TF_CONFIG", ""))["cluster"])
    except (json.JSONDecodeError, KeyError, TypeError):
        has_cluster = False
    if not has_cluster:
        raise InputError(
            "--strategy=multi_worker: TF_CONFIG names no cluster; set it on every "
            "worker as TensorFlow's guide to distributed training says"
        )
    _LOG.info("joining the cluster of TF_CONFIG")
    try:
        # TensorFlow waits for up to an hour, and lets no Python run meanwhile.
        with stopping.at_once():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except _NOT_MET as error:
        raise LostWorkerError(
            "the workers of TF_CONFIG have not met: one is gone, or has not come; "
            "start the same command again on every worker"
        ) from error
    except (ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
        raise InputError(
            f"--strategy=multi_worker: TF_CONFIG cannot be used: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def make_repeatable() -> None:
    """Makes every op of this process deterministic: same input, same bits."""
    tf.config.experimental.enable_op_determinism()


def _tpu(config: DeviceConfig) -> tf.distribute.Strategy:
    """Connects to a Cloud TPU; `local` is the TPU of the VM that runs this process."""
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu=config.tpu_name or config.master or "local",
            zone=config.tpu_zone or None,
            project=config.gcp_project or None,
        )
        if config.tpu_name or config.master:
            _require_reachable(resolver.master())
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        strategy = tf.distribute.TPUStrategy(resolver)
    # The resolver's cloud libraries raise errors of their own classes.
    except Exception as error:
        said = str(error) or type(error).__name__
        reason = (
            f"{tpu.useful_line(said)}; run on a TPU VM with tensorflow-tpu, or name "
            "another with --tpu_name"
            if config.tpu_name or config.master
            else tpu.reason(said)
        )
        raise InputError(f"no TPU: {reason}") from None
    if strategy.num_replicas_in_sync != config.num_tpu_cores:
        raise InputError(
            f"--num_tpu_cores={config.num_tpu_cores}, but the TPU has "
            f"{strategy.num_replicas_in_sync}"
        )
    return strategy


def _require_reachable(address: str) -> None:
    """Raises OSError if `grpc://host:port` is silent; TensorFlow waits for ever."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()


def uses_xla(config: DeviceConfig, strategy: tf.distribute.Strategy) -> bool:
    """Returns whether to compile the inner step with XLA.

    On a TPU it does not: TensorFlow compiles whole steps for TPUs.

    Raises:
        InputError: It is to, but cannot.
    """
    if isinstance(strategy, tf.distribute.TPUStrategy):
        return False
    if config.xla == "auto":
        return device_kind(strategy) == "GPU"
    if config.xla == "on" and not _has_xla():
        raise InputError(
            "--xla=on: the XLA of tensorflow-tpu compiles for TPUs only; leave it out"
        )
    return config.xla == "on"


def compiles_parts(config: DeviceConfig, strategy: tf.distribute.Strategy) -> bool:
    """Returns whether XLA may compile functions of a step that it does not compile.

    On a TPU they are compiled with the step.
    """
    if config.xla == "off" or isinstance(strategy, tf.distribute.TPUStrategy):
        return False
    return _has_xla()


@functools.cache
def _has_xla() -> bool:
    """Returns whether XLA compiles for this machine; tensorflow-tpu's for TPUs only."""
    try:
        tf.function(lambda: tf.constant(0), jit_compile=True, autograph=False)()
    except tf.errors.NotFoundError:
        return False
    return True


def has_static_shapes(config: DeviceConfig, strategy: tf.distribute.Strategy) -> bool:
    """Returns whether steps are compiled for batches of one shape only."""
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    return is_tpu or uses_xla(config, strategy)


@contextlib.contextmanager
def compiling(
    strategy: tf.distribute.Strategy, what: str, compiled: set[str]
) -> Iterator[None]:
    """Says before a call on a TPU that it compiles for minutes, after it how many.

    The block makes the call. `compiled` holds all that was compiled before, of which
    nothing is said, and then `what` too.
    """
    if what in compiled or device_kind(strategy) != "TPU":
        yield
        return
    _LOG.info("compiling %s for the TPU: this takes minutes", what)
    start = time.monotonic()
    yield
    compiled.add(what)
    _LOG.info("compiled %s in %.0f seconds", what, time.monotonic() - start)


def device_kind(strategy: tf.distribute.Strategy) -> str:
    """Returns what the strategy computes on: CPU, GPU or TPU."""
    device, *_ = strategy.extended.worker_devices
    return str(tf.DeviceSpec.from_string(device).device_type)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes the results of the run."""
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    if resolver is None or resolver.task_type is None:
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return bool(resolver.task_type == "chief")
    return bool(resolver.task_type == "worker" and resolver.task_id == 0)


def own_dir(strategy: tf.distribute.Strategy, shared: Path) -> Path:
    """Returns the directory for files that every worker must write.

    It is `shared` for the chief; for others a temporary directory, removed at exit.
    """
    if is_chief(strategy):
        return shared
    return files.folder_until_exit("biobert_tf-worker-")
