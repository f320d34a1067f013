# SPDX-License-Identifier: Apache-2.0
"""The look of the HTML page: light, dark, on paper and on a phone."""

from typing import Final

from biobert_tf.documents import html_colors
from biobert_tf.reproduce.page import figure

# Colours beside those of the theme: panels, links, verdicts and four series of plots.
LIGHT: Final = {
    **html_colors.LIGHT._asdict(),
    "panel": "#f6f5f9",
    "link": "#0b4fa8",
    "good": "#1a6b2f",
    "bad": "#a3221b",
    "s0": "#0b5cad",
    "s1": "#b3480a",
    "s2": "#447000",
    "s3": "#7a2fa3",
}
DARK: Final = {
    **html_colors.DARK._asdict(),
    "panel": "#201f27",
    "link": "#8ec1ff",
    "good": "#7fd897",
    "bad": "#ff9d94",
    "s0": "#7db7ff",
    "s1": "#ffa36b",
    "s2": "#b5d95c",
    "s3": "#d7a3ff",
}
_RULES: Final = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { margin: 0 auto; padding: 1rem; max-width: 80rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1.15rem; margin: 2rem 0 .25rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
h4 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p, ul, dl { margin: .5rem 0; }
p, li, dd { max-width: 60rem; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.box { overflow-x: auto; margin: .25rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.caption { font-weight: 600; margin: 1.25rem 0 .25rem; }
th, td { padding: .3rem .6rem; text-align: end; vertical-align: top; min-width: 5rem;
  max-width: 18rem; border-bottom: 1px solid var(--line); overflow-wrap: break-word; }
thead th { background: var(--panel); vertical-align: bottom; font-size: .9rem; }
.groups th { text-align: center; border-inline: 1px solid var(--line); }
.words { text-align: start; }
thead th { max-width: 11rem; }
tbody th { font-weight: 400; background: var(--page); }
tbody th.name { font-weight: 600; }
.name { position: sticky; left: 0; max-width: 9rem; }
tr.first > * { border-top: 2px solid var(--line); }
small { display: block; font-size: .8rem; color: var(--soft); }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) 1fr;
  gap: .15rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
dd small { display: inline; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem;
  padding: .5rem .75rem; white-space: pre-wrap; font-size: .875rem; }
details { border-inline-start: 3px solid var(--line); padding-inline-start: .75rem;
  margin: .25rem 0; }
summary { cursor: pointer; padding: .3rem 0; }
.unverified { color: var(--soft); font-style: italic; }
.soft { color: var(--soft); }
td .soft { white-space: nowrap; }
.agrees { color: var(--good); font-weight: 600; }
.differs, .failed { color: var(--bad); font-weight: 600; }
.failed a { color: inherit; }
figure { margin: 1.5rem 0; }
figcaption { font-weight: 600; }
svg { display: block; width: 100%; min-width: 40rem; max-width: 60rem; height: auto; }
svg text { font-size: 13px; fill: var(--text); }
svg text.axis { fill: var(--soft); }
svg text.name { font-weight: 600; }
svg .grid { stroke: var(--line); }
svg .base { stroke: var(--soft); }
svg .hollow, svg .paper { stroke: var(--text); stroke-width: 1.6; fill: none; }
svg .unverified { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 2 1.5; }
svg .ends { stroke-width: 2; }
svg polyline.curve { fill: none; stroke-width: 1.6; }
@media (max-width: 40rem) {
  main { padding: .75rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .35rem; }
  th, td { padding: .3rem .4rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  main { max-width: none; padding: 0; }
  body { font-size: 9pt; }
  .box { overflow: visible; }
  th, td { padding: .15rem .3rem; min-width: 0; }
  .name { position: static; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h2, h3, h4, .caption { break-after: avoid; }
  svg { min-width: 0; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""


def css() -> str:
    """Returns the style sheet; paper is always light."""
    series = "".join(
        f"svg .s{i} {{ stroke: var(--s{i}); fill: var(--s{i}); }}\n"
        for i in range(figure.NUM_COLORS)
    )
    return (
        f":root {{ color-scheme: light dark; {_variables(LIGHT)} }}\n"
        "@media screen and (prefers-color-scheme: dark) "
        f"{{ :root {{ {_variables(DARK)} }} }}\n{series}{_RULES}"
    )


def _variables(colors: dict[str, str]) -> str:
    return " ".join(f"--{name}: {color};" for name, color in colors.items())
