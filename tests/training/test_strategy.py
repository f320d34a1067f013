import json

import engine  # noqa: F401  Makes the devices before anything is computed.
import pytest
import tensorflow as tf

from biobert_tf.common.errors import InputError
from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import strategy as strategies


def build(**settings):
    return strategies.build_strategy(DeviceConfig(**settings))


def gpus(monkeypatch, *names):
    """Lets TensorFlow see these GPUs; the devices behind them are CPUs."""
    devices = [tf.config.LogicalDevice(name, "GPU") for name in names]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)


# --- which devices --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_gpu(monkeypatch, name):
    gpus(monkeypatch)
    made = build(strategy=name)
    assert isinstance(made, tf.distribute.OneDeviceStrategy)
    assert made.num_replicas_in_sync == 1
    assert "CPU:0" in made.extended.worker_devices[0]


@pytest.mark.parametrize("name", ["auto", "gpu"])
def test_one_gpu(monkeypatch, name):
    gpus(monkeypatch, "/device:CPU:1")
    made = build(strategy=name)
    assert isinstance(made, tf.distribute.OneDeviceStrategy)
    assert "CPU:1" in made.extended.worker_devices[0]


@pytest.mark.parametrize("name", ["auto", "gpu"])
def test_several_gpus(monkeypatch, name):
    gpus(monkeypatch, "/device:CPU:0", "/device:CPU:1")
    made = build(strategy=name)
    assert isinstance(made, tf.distribute.MirroredStrategy)
    assert made.num_replicas_in_sync == 2


def test_cpu_beside_gpus(monkeypatch):
    gpus(monkeypatch, "/device:CPU:1", "/device:CPU:1")
    made = build(strategy="cpu")
    assert isinstance(made, tf.distribute.OneDeviceStrategy)
    assert "CPU:0" in made.extended.worker_devices[0]


# --- devices that are not there -------------------------------------------------------


def test_gpu_without_a_gpu(monkeypatch):
    gpus(monkeypatch)
    with pytest.raises(InputError, match="sees no GPU; try --strategy=auto"):
        build(strategy="gpu")


@pytest.mark.parametrize("tf_config", [None, "", "{", "5", '"cluster"', "{}", "[]"])
def test_multi_worker_without_a_cluster(monkeypatch, tf_config):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if tf_config is not None:
        monkeypatch.setenv("TF_CONFIG", tf_config)
    with pytest.raises(InputError, match="TF_CONFIG names no cluster"):
        build(strategy="multi_worker")


@pytest.mark.parametrize(
    "values",
    [
        {"cluster": {"worker": ["127.0.0.1:1"]}},
        {
            "cluster": {"worker": ["127.0.0.1:1"]},
            "task": {"type": "worker", "index": 3},
        },
        {"cluster": 5, "task": {"type": "worker", "index": 0}},
    ],
)
def test_multi_worker_with_half_a_cluster(monkeypatch, values):
    monkeypatch.setenv("TF_CONFIG", json.dumps(values))
    with pytest.raises(InputError, match="TF_CONFIG cannot be used: ") as error:
        build(strategy="multi_worker")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings, cause",
    [
        ({"strategy": "tpu"}, "TPU"),
        ({"use_tpu": True}, "TPU"),
        # Nobody listens at port 1; TensorFlow alone would wait for ever.
        ({"use_tpu": True, "tpu_name": "grpc://127.0.0.1:1"}, "refused"),
        ({"use_tpu": True, "master": "grpc://127.0.0.1:1"}, "refused"),
    ],
)
def test_tpu_without_a_tpu(settings, cause):
    with pytest.raises(
        InputError, match=f"^no TPU: .*{cause}.*tensorflow-tpu"
    ) as error:
        build(**settings)
    assert "\n" not in str(error.value)


class Tpu:
    """A TPU of two cores, as far as building a strategy asks."""

    num_replicas_in_sync = 2

    def __init__(self, **settings):
        self.settings = settings

    def master(self):
        return "local"


@pytest.fixture
def tpu(monkeypatch):
    """Puts a TPU where TensorFlow looks for one; returns what was asked of it."""
    asked = []

    def resolver(**settings):
        asked.append(settings)
        return Tpu(**settings)

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", asked.append)
    monkeypatch.setattr(tf.distribute, "TPUStrategy", lambda resolver: resolver)
    return asked


def test_a_tpu(tpu):
    made = build(use_tpu=True, tpu_zone="a", gcp_project="b", num_tpu_cores=2)
    assert tpu == [{"tpu": "local", "zone": "a", "project": "b"}, made]


def test_a_tpu_of_another_size(tpu):
    with pytest.raises(InputError, match="--num_tpu_cores=8, but the TPU has 2"):
        build(strategy="tpu")


# --- the rest -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "xla, device, expected",
    [
        ("on", "/cpu:0", True),
        ("off", "/gpu:0", False),
        ("auto", "/cpu:0", False),
        ("auto", "/gpu:0", True),
    ],
)
def test_uses_xla(monkeypatch, xla, device, expected):
    # Another device of the machine does not count.
    gpus(monkeypatch, "/device:CPU:1")
    made = tf.distribute.OneDeviceStrategy(device)
    assert strategies.uses_xla(DeviceConfig(xla=xla), made) == expected


class Member(tf.distribute.MultiWorkerMirroredStrategy):
    """One process of a cluster that nobody started."""

    def __init__(self, jobs, task_type, task_id):
        self._resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(jobs), task_type=task_type, task_id=task_id
        )

    @property
    def cluster_resolver(self):
        return self._resolver


TWO = ["127.0.0.1:1", "127.0.0.1:2"]


@pytest.mark.parametrize(
    "jobs, task_type, task_id, expected",
    [
        ({"worker": TWO}, "worker", 0, True),
        ({"worker": TWO}, "worker", 1, False),
        ({"chief": TWO[:1], "worker": TWO[1:]}, "chief", 0, True),
        ({"chief": TWO[:1], "worker": TWO[1:]}, "worker", 0, False),
    ],
)
def test_chief_of_a_cluster(jobs, task_type, task_id, expected):
    assert strategies.is_chief(Member(jobs, task_type, task_id)) == expected


def test_chief_of_one_process():
    assert strategies.is_chief(build(strategy="cpu"))
