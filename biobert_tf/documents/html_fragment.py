# SPDX-License-Identifier: Apache-2.0
"""Builds pieces of HTML for pages of others, such as notebooks.

A piece has its style with it, which holds inside the piece alone. A page may show many:
the class of a type follows from its name, and so do its colours. The colours are light
or dark as the notebook says, or else as the reader's system is. MathJax, which looks
for formulas between dollar signs in notebooks, leaves pieces alone (`@GENE$`).
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from biobert_tf.documents import html_colors, html_marks
from biobert_tf.documents.document import Mention, Passage

_CLASS: Final = "biobert-tf"
# JupyterLab and nbconvert, Colab, Visual Studio Code.
_LIGHT: Final = '[data-jp-theme-light="true"], [theme="light"], .vscode-light'
_DARK: Final = '[data-jp-theme-light="false"], [theme="dark"], .vscode-dark'
_STYLE: Final = """
.%(name)s { color-scheme: light dark; %(colors)s
  background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif;
  box-sizing: border-box; max-width: 52rem; max-height: 40rem; overflow: auto;
  overflow-wrap: anywhere; text-align: start; margin: .25rem 0; padding: .5rem .75rem;
  border: 1px solid var(--line); border-radius: .5rem; }
:is(%(light)s) .%(name)s { color-scheme: light; }
:is(%(dark)s) .%(name)s { color-scheme: dark; }
.%(name)s {
p { margin: .25rem 0; }
b { font-weight: 600; }
.info { color: var(--soft); font-size: .9rem; }
.info + .text { border-top: 1px solid var(--line); padding-top: .25rem; }
%(marks)s.bare mark::after { content: none; }
@media print { & { max-height: none; } }
}
"""


def fragment(body: Iterable[str], types: Iterable[str]) -> str:
    """Returns a piece with its style: pieces of HTML with marks of these types."""
    themes = zip(html_colors.LIGHT._asdict().items(), html_colors.DARK, strict=True)
    style = _STYLE % {
        "name": _CLASS,
        "colors": " ".join(_color(key, light, dark) for (key, light), dark in themes),
        "light": _LIGHT,
        "dark": _DARK,
        "marks": html_marks.STYLE,
    }
    colors = "".join(
        f".{_CLASS} .{_class_of(kind)} {{ {_colors(kind)} }}\n"
        for kind in dict.fromkeys(types)
    )
    ignored = "tex2jax_ignore mathjax_ignore"
    return (
        f'<div class="{_CLASS} {ignored}">\n<style>{style}{colors}</style>\n'
        f"{''.join(body)}</div>\n"
    )


def text(words: str, mentions: Sequence[Mention], is_bare: bool = False) -> str:
    """Returns the HTML of a text, and the entities in it; bare without their types."""
    classes = {kind: _class_of(kind) for kind in map(html_marks.kind, mentions)}
    marked = "".join(html_marks.marked(Passage(0, words), mentions, classes))
    return f'<p class="text{" bare" if is_bare else ""}" dir="auto">{marked}</p>\n'


def head(remark: str) -> str:
    """Returns the HTML of a headline, which is HTML."""
    return f"<p><b>{remark}</b></p>\n"


def info(*remarks: str) -> str:
    """Returns the HTML of a line of remarks, which are HTML."""
    return f'<p class="info">{", ".join(remarks)}</p>\n'


def _class_of(kind: str) -> str:
    digest = hashlib.sha256(kind.lower().encode("utf-8", "replace")).hexdigest()
    return f"t{digest[:8]}"


def _colors(kind: str) -> str:
    light = html_colors.shades(kind, html_colors.LIGHT)
    dark = html_colors.shades(kind, html_colors.DARK)
    return " ".join(map(_color, light._fields, light, dark))


def _color(name: str, light: str, dark: str) -> str:
    return f"--{name}: light-dark({light}, {dark});"
