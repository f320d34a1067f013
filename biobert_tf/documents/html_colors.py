# SPDX-License-Identifier: Apache-2.0
"""Chooses the colours of entity types: always the same for a name, always readable.

Contrast is defined by WCAG 2. Text on the colour of a type has at least
`TEXT_CONTRAST`, the type's name on that colour `NAME_CONTRAST` (level AA requires 4.5).
"""

import colorsys
import hashlib
from typing import Final, NamedTuple

import numpy as np

TEXT_CONTRAST: Final = 11.0
NAME_CONTRAST: Final = 5.0

_SATURATION: Final = 0.7
_STEPS: Final = 200  # the number of lightness steps from black to white
# Hues of usual types, in degrees, far from each other; others are a hash of the name.
_HUES: Final = {
    "disease": 0,
    "cellline": 30,
    "cell_line": 30,
    "celltype": 55,
    "cell_type": 55,
    "species": 130,
    "organism": 130,
    "chemical": 205,
    "drug": 205,
    "gene": 255,
    "protein": 285,
    "mutation": 320,
    "variant": 320,
}


class Theme(NamedTuple):
    """The colours of the page, its text, side remarks and lines, as `#rrggbb`."""

    page: str
    text: str
    soft: str
    line: str


class Shades(NamedTuple):
    """A type's colours: an entity's background; the type's name and the underline."""

    surface: str
    name: str


LIGHT: Final = Theme("#ffffff", "#1c1b22", soft="#5b5967", line="#d9d7e0")
DARK: Final = Theme("#17161c", "#ecebf2", soft="#a9a6b8", line="#3a3844")


def shades(kind: str, theme: Theme) -> Shades:
    """Returns the colours of a type in `LIGHT` or `DARK`; case is ignored."""
    name = kind.lower()
    digest = hashlib.sha256(name.encode("utf-8")).digest()
    hue = _HUES.get(name, int.from_bytes(digest[:4], "big") % 360) / 360
    surface = _readable(hue, theme.text, TEXT_CONTRAST)
    return Shades(surface, _readable(hue, surface, NAME_CONTRAST))


def contrast(color: str, other: str) -> float:
    """Returns the WCAG contrast of two colours, from 1 to 21."""
    low, high = sorted(map(_luminance, (color, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in channels
    ]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def _readable(hue: float, against: str, wanted: float) -> str:
    """Returns the colour of a hue closest to `against` that has the wanted contrast."""
    base = _luminance(against)
    sign = 1 if base < 0.18 else -1
    color = against
    for step in range(_STEPS + 1):
        lightness = step / _STEPS if sign > 0 else 1 - step / _STEPS
        rgb = colorsys.hls_to_rgb(hue, lightness, _SATURATION)
        color = "#" + "".join(f"{round(255 * value):02x}" for value in rgb)
        is_beyond = (_luminance(color) - base) * sign > 0
        if is_beyond and contrast(color, against) >= wanted:
            break
    return color
