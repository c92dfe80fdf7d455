"""From charts to pictures: SVG in the colours of the page, and PNG."""

import re
from dataclasses import dataclass
from typing import Any

import vl_convert

# Of pictures by themselves; a page gives each name its colour in light and in dark.
COLOURS = {
    "ink": "#1d2330",
    "muted": "#5b6475",
    "grid": "#e3e7ee",
    "up": "#1f6fb5",
    "down": "#bf4a10",
    "quiet": "#97a0b0",
    "band": "#d5dfec",
}
INK, MUTED, GRID, UP, DOWN, QUIET, BAND = COLOURS.values()
WIDTH = 720
_FONT = "sans-serif"
_CONFIG = {
    "background": None,
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED, "titleColor": MUTED, "gridColor": GRID, "domainColor": GRID, "tickColor": GRID,
        "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 210, "labelPadding": 6,
        "titlePadding": 8,
    },
    "axisY": {"domain": False, "ticks": False},
    "text": {"color": INK, "fontSize": 12},
    "legend": {"labelColor": MUTED, "titleColor": MUTED},
}  # fmt: skip
_ADDRESSES = re.compile(r' xmlns(:xlink)?="[^"]*"')
_ROLES = re.compile(r' (role|aria-[a-z]+)="[^"]*"')


@dataclass(frozen=True)
class Plot:
    """A chart with what it is called and shows, for those who do not see it. slug: of plain letters, for its file."""

    slug: str
    title: str
    shown: str
    chart: Any

    @property
    def svg(self) -> str:
        """The picture, for a page that sets the colours; the page says in words what it shows."""
        text = vl_convert.vegalite_to_svg(self._specification(None))
        for pattern in (_ADDRESSES, _ROLES):
            text = pattern.sub("", text)
        # Names within a picture, which have to be one picture's alone in a page of many.
        text = re.sub(r'(id="|url\(#)', rf"\g<1>{self.slug}-", text)
        return text.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)

    @property
    def png(self) -> bytes:
        """The picture on white, at twice its size."""
        return bytes(vl_convert.vegalite_to_png(self._specification("white"), scale=2))

    def _specification(self, background: str | None) -> dict[str, Any]:
        return {**self.chart.to_dict(validate=False), "config": {**_CONFIG, "background": background}, "padding": 4}
