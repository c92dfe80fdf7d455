"""From sections to one page that needs nothing else."""

from collections.abc import Iterator, Sequence
from importlib.resources import files

import jinja2
from markupsafe import Markup

from hitpredict.report.draw import COLOURS, Plot
from hitpredict.report.section import Section
from hitpredict.tables.cells import shown


def pictures(parts: Sequence[Section]) -> Iterator[Plot]:
    """All plots of a page, in order."""
    for part in parts:
        yield from part.plots
        yield from part.small
        yield from pictures(part.parts)


def html(parts: Sequence[Section], title: str) -> str:
    """The page: text, style and pictures in one file, without scripts."""
    loader = jinja2.FunctionLoader(
        lambda name: files("hitpredict.report").joinpath("templates", name).read_text("utf-8")
    )
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["drawn"] = lambda plot: Markup(plot.svg)
    environment.undefined = jinja2.StrictUndefined
    plain = shown(title.encode("utf-8", "replace").decode())
    return environment.get_template("page.html").render(parts=parts, title=plain, colours=COLOURS) + "\n"
