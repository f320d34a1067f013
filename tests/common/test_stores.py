"""What is said of a store that does not answer."""

import errno
import os
import socket
from pathlib import Path

import pytest

from biobert_tf.common import stores
from biobert_tf.common.settings import ModelConfig, from_dict


@pytest.fixture
def why_unreachable(monkeypatch):
    for name in ("all_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    stores._connect.cache_clear()
    return stores.why_unreachable


@pytest.mark.parametrize("variable", ["https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("address", ["http://127.0.0.1:{}", "127.0.0.1:{}"])
def test_a_proxy_that_is_there_or_not(why_unreachable, monkeypatch, variable, address):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv(variable, address.format(port))
    assert why_unreachable() == f"127.0.0.1 cannot be reached: {REFUSED}"
    # A network may come back.
    with socket.create_server(("127.0.0.1", port)):
        assert why_unreachable() == ""


REFUSED = os.strerror(errno.ECONNREFUSED)


def test_without_a_proxy_google_itself_is_asked(why_unreachable, monkeypatch):
    def refuse(address, timeout):
        assert address == ("www.googleapis.com", 443) and timeout == 10
        raise TimeoutError("timed out")

    monkeypatch.setattr(stores.socket, "create_connection", refuse)
    wanted = "www.googleapis.com cannot be reached: timed out"
    assert why_unreachable() == wanted
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "googleapis.com")
    assert why_unreachable() == wanted


def library_error(message):
    """An error as TensorFlow's, without TensorFlow."""
    kind = type("UnavailableError", (Exception,), {"__module__": "tensorflow.errors"})
    return kind(message)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EIO, "broken", "gs://b/x"), "gs://b/x: broken"),
        (
            PermissionError(errno.EACCES, "denied", "gs://b/x"),
            "gs://b/x: denied; for gs:// log in by `gcloud auth application-default "
            "login`",
        ),
        (
            library_error("HTTP response code 401 when reading gs://b/x\nmore"),
            "gs://b/x: HTTP response code 401 when reading gs://b/x; for gs:// log in "
            "by `gcloud auth application-default login`",
        ),
        (OSError(errno.EIO, "broken", "/b/x"), None),
        (library_error("see https://www.tensorflow.org or grpc://host:1"), None),
        (ValueError("gs://b/x"), None),
    ],
)
def test_errors(error, message):
    found = stores.explained(error)
    assert (str(found) if found else None) == message


def test_a_record_may_name_a_scheme_that_is_unknown_here():
    found = from_dict(ModelConfig, {"init_checkpoint": "s3://b/x"}, "settings.json")
    assert found.init_checkpoint == Path("s3://b/x")
