import pytest
import tensorflow as tf

from biobert_tf.common.settings import DeviceConfig
from biobert_tf.training import precision


@pytest.mark.parametrize(
    "name, expected",
    [("off", tf.float32), ("bfloat16", tf.bfloat16), ("float16", tf.float16)],
)
def test_precision(name, expected):
    assert precision.dtype(DeviceConfig(mixed_precision=name)) == expected


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
    assert precision.dtype(AUTO) == {"off": tf.float32}.get(expected, tf.bfloat16)


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
