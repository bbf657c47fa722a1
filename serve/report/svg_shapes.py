"""The shapes that strips are made of: of each a letter in a shape, a small shape, and a tick."""

from typing import Final

from markupsafe import Markup

__all__ = ["HALF_TICK", "shapes"]

HALF_TICK: Final = 10
"""Pixels from the middle of a lane to the end of a rupture's tick."""

_SHAPES: Final = f"""\
<g id="g-P"><circle class="t1 P" r="7.5"/><text class="t1" y="3.2">P</text>\
<circle class="t2 P" r="3.6"/><rect class="t3 P" x="-.7" y="-3" width="1.4" height="6"/></g>\
<g id="g-W"><path class="t1 W" d="M-9-7H9L0 9Z"/><text class="t1 on-W" y="1.6">W</text>\
<path class="t2 W" d="M-5-4H5L0 5Z"/>\
<rect class="t3 W" x="-.8" y="0" width="1.6" height="{HALF_TICK}"/></g>\
<g id="g-C"><path class="t1 C" d="M-9 7H9L0-9Z"/><text class="t1" y="5.4">C</text>\
<path class="t2 C" d="M-5 4H5L0-5Z"/>\
<rect class="t3 C" x="-.8" y="-{HALF_TICK}" width="1.6" height="{HALF_TICK}"/></g>\
<g id="g-N"><circle class="t1 N" r="2.6"/><circle class="t2 N" r="1.7"/>\
<rect class="t3 N" x="-.5" y="-.5" width="1" height="1"/></g>\
<g id="g-Q"><circle class="t1 Q" r="6.5"/><text class="t1 on-Q" y="3.2">?</text>\
<circle class="t2 Q" r="2.8"/><rect class="t3 Q" x="-.5" y="-2" width="1" height="4"/></g>\
<g id="g-O"><rect class="O" x="-2" y="-1" width="4" height="2"/></g>\
<g id="g-repair_signal"><circle class="end-repair" r="6"/>\
<path class="end-sign" d="M-3 .2-.8 2.6 3.2-2.4"/></g>\
<g id="g-none_seen"><circle class="end-none" r="6"/>\
<path class="end-sign" d="M-2.4-2.4 2.4 2.4M2.4-2.4-2.4 2.4"/></g>\
<g id="g-open"><circle class="end-open" r="6"/>\
<path class="end-sign dots" d="M-2.8 0h.1M0 0h.1M2.8 0h.1"/></g>"""

_HATCHES: Final = """\
<pattern id="h-W" width="6" height="6" patternUnits="userSpaceOnUse">\
<path class="hatch-W" d="M-1-1 7 7M-1 5 1 7M5-1 7 1"/></pattern>\
<pattern id="h-C" width="6" height="6" patternUnits="userSpaceOnUse">\
<path class="hatch-C" d="M-1 7 7-1M-1 1 1-1M5 7 7 5"/></pattern>\
<pattern id="h-WC" width="12" height="12" patternUnits="userSpaceOnUse">\
<path class="fill-W" d="M0 0H12V12H0Z"/><path class="fill-C" d="M0 12 12 0H6L0 6ZM12 12V6L6 12Z"/>\
</pattern>"""


def shapes() -> Markup:
    """The shapes and hatches that strips refer to; once in a document, before them."""
    return Markup(
        '<svg class="shapes" width="0" height="0" aria-hidden="true" focusable="false"><defs>'
        f"{_SHAPES}{_HATCHES}</defs></svg>"
    )
