import pytest
import tensorflow as tf
import tf_keras

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import precision


@pytest.mark.parametrize(
    "name, compute",
    [("off", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")],
)
def test_precision(name, compute):
    with precision.policy(DeviceConfig(mixed_precision=name)):
        policy = tf_keras.mixed_precision.global_policy()
        assert (policy.compute_dtype, policy.variable_dtype) == (compute, "float32")
    assert tf_keras.mixed_precision.global_policy().name == "float32"


def test_precision_is_given_back_after_an_error():
    with (
        pytest.raises(KeyError),
        precision.policy(DeviceConfig(mixed_precision="float16")),
    ):
        raise KeyError
    assert tf_keras.mixed_precision.global_policy().name == "float32"


# --- auto -----------------------------------------------------------------------------

AUTO = DeviceConfig(mixed_precision="auto")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Makes this machine another: flags of its processor, its GPUs' capabilities."""

    def make(cpu, *gpus):
        monkeypatch.setattr(precision, "_CPU_INFO", tmp_path / "cpuinfo")
        if cpu is not None:
            (tmp_path / "cpuinfo").write_text(cpu)
        details = dict(enumerate(gpus))
        config = tf.config
        monkeypatch.setattr(config, "list_physical_devices", lambda kind: [*details])
        monkeypatch.setattr(
            config.experimental, "get_device_details", details.__getitem__
        )

    return make


X86 = "processor\t: 0\nflags\t\t: fpu sse {}\nbugs\t\t: amx_bf16\n\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd {}\n"


@pytest.mark.parametrize(
    "cpu, expected",
    [
        (X86.format("avx512f amx_bf16"), "bfloat16"),
        (X86.format("avx512_bf16"), "bfloat16"),
        (ARM.format("i8mm bf16"), "bfloat16"),
        (X86.format("avx2"), "off"),
        (ARM.format(""), "off"),
        ("", "off"),
        (None, "off"),
    ],
)
def test_auto_on_a_processor(machine, cpu, expected):
    machine(cpu)
    assert precision.chosen(AUTO) == expected
    with precision.policy(AUTO):
        name = tf_keras.mixed_precision.global_policy().name
    assert name == {"off": "float32", "bfloat16": "mixed_bfloat16"}[expected]


@pytest.mark.parametrize(
    "capabilities, expected",
    [
        ([(8, 0)], "bfloat16"),
        ([(9, 0), (8, 6)], "bfloat16"),
        ([(7, 5)], "off"),
        ([(9, 0), (7, 0)], "off"),
        ([None], "off"),
    ],
)
def test_auto_on_gpus(machine, capabilities, expected):
    """Whatever the processor is: it does not compute."""
    gpus = [{"compute_capability": each} if each else {} for each in capabilities]
    machine(X86.format("amx_bf16"), *gpus)
    assert precision.chosen(AUTO) == expected
    on_cpu = DeviceConfig(mixed_precision="auto", strategy="cpu")
    assert precision.chosen(on_cpu) == "bfloat16"


@pytest.mark.parametrize("how", [{"use_tpu": True}, {"strategy": "tpu"}])
def test_auto_on_a_tpu(machine, how):
    machine("")
    assert precision.chosen(DeviceConfig(mixed_precision="auto", **how)) == "bfloat16"


@pytest.mark.parametrize("said", ["off", "bfloat16", "float16"])
def test_what_is_said_is_done(machine, said):
    machine(X86.format("amx_bf16"))
    assert precision.chosen(DeviceConfig(mixed_precision=said)) == said
