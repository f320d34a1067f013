# SPDX-License-Identifier: Apache-2.0
"""Says why a store such as `gs://` does not answer, in one line and soon."""

import functools
import re
import socket
import urllib.parse
import urllib.request
from typing import Final

from biobert_tf.common.errors import InputError

_GOOGLE: Final = "www.googleapis.com"
_CONNECT_SECONDS: Final = 10.0
# The port of a proxy that names none, to curl and so to TensorFlow.
_PROXY_PORT: Final = 1080
_URL: Final = re.compile(r"\b(?!https?:|grpc:|file:)[a-z][a-z0-9]+://[^\s'\"]+")
_REFUSED: Final = re.compile(r"HTTP response code 40[13]\b")


def why_unreachable() -> str:
    """Says why Google's store cannot be reached; "" if it can.

    TensorFlow tries eleven times, which takes minutes. Like TensorFlow, this asks the
    proxy that the environment names, if there is one.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https") or proxies.get("all")
    host, port = _GOOGLE, 443
    if proxy and not urllib.request.proxy_bypass(_GOOGLE):
        place = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = place.hostname or "", place.port or _PROXY_PORT
    try:
        _connect(host, port)
    except OSError as error:
        return f"{host} cannot be reached: {error.strerror or error}"
    return ""


@functools.cache
def _connect(host: str, port: int) -> None:
    """Connects once; an error is not remembered, so that a network may come back."""
    socket.create_connection((host, port), _CONNECT_SECONDS).close()


def explained(error: Exception) -> InputError | None:
    """Returns in one line what an error of a store means, else None."""
    if isinstance(error, OSError):
        place, reason = str(error.filename), str(error.strerror)
    elif type(error).__module__.startswith("tensorflow."):
        place, reason = str(error), str(error).partition("\n")[0]
    else:
        return None
    url = _URL.search(place)
    if url is None:
        return None
    if isinstance(error, PermissionError) or _REFUSED.search(reason):
        reason += "; for gs:// log in by `gcloud auth application-default login`"
    return InputError.at(url[0], None, reason)
