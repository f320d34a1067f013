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


@pytest.mark.parametrize("settings", [{"strategy": "tpu"}, {"use_tpu": True}])
def test_no_local_tpu(settings):
    """TensorFlow here has no kernels for one; the message says how to get them."""
    with pytest.raises(InputError, match=r"^no TPU: TensorFlow is not") as error:
        build(**settings)
    assert "pip install -r requirements-tpu.txt (TensorFlow: TPUs not" in str(
        error.value
    )
    assert "\n" not in str(error.value)


# Nobody listens at port 1; TensorFlow alone would wait for ever.
@pytest.mark.parametrize("flag", ["tpu_name", "master"])
def test_no_remote_tpu(flag):
    with pytest.raises(InputError, match=r"^no TPU: .*refused; run on") as error:
        build(use_tpu=True, **{flag: "grpc://127.0.0.1:1"})
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


# --- XLA for CPUs, which tensorflow-tpu lacks -----------------------------------------

NOT_FOUND = tf.errors.NotFoundError(None, None, "no transfer manager for platform Host")


@pytest.fixture
def without_xla(monkeypatch):
    """Lets TensorFlow fail to compile, as a build for TPUs does on a CPU."""

    def function(*_, jit_compile, autograph):
        def fail():
            raise NOT_FOUND

        return fail

    strategies._has_xla.cache_clear()
    monkeypatch.setattr(tf, "function", function)
    yield
    strategies._has_xla.cache_clear()


def test_parts_of_a_step_are_compiled():
    cpu = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert strategies.compiles_parts(DeviceConfig(), cpu)
    assert not strategies.compiles_parts(DeviceConfig(xla="off"), cpu)


def test_nothing_is_compiled_where_xla_cannot(without_xla):
    cpu = tf.distribute.OneDeviceStrategy("/cpu:0")
    assert not strategies.compiles_parts(DeviceConfig(), cpu)
    assert not strategies.uses_xla(DeviceConfig(), cpu)
    with pytest.raises(InputError, match=r"--xla=on: .* for TPUs only; leave it"):
        strategies.uses_xla(DeviceConfig(xla="on"), cpu)


def test_compiling_for_a_tpu_is_said_once(monkeypatch, caplog):
    caplog.set_level("INFO")
    compiled = set()

    def call():
        with strategies.compiling(cpu, "the step", compiled):
            pass

    cpu = tf.distribute.OneDeviceStrategy("/cpu:0")
    call()
    assert not caplog.messages
    monkeypatch.setattr(strategies, "device_kind", lambda strategy: "TPU")
    call()
    call()
    before, after = caplog.messages
    assert before == "compiling the step for the TPU: this takes minutes"
    assert after.startswith("compiled the step in ")


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
