"""Questions to `explain` other than what each property does: their options, one of which is given at a time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hitpredict.cli.answers import Asked, Question, answered
from hitpredict.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Modes:
    """One of these at a time."""

    interactions: Annotated[
        bool,
        typer.Option("--interactions", help="What pairs of changes do beyond the sum of each alone."),
    ] = False
    stems: Annotated[
        Path | None,
        typer.Option(
            "--stems",
            metavar="DIR",
            help="What each stem in DIR (drums.wav, bass.wav...) does, in each section; INPUT is their mix, or none.",
        ),
    ] = None
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="KINDS",
            help="Which parts of a song carry its score: some of sections, bands, blocks, gradients (of -m FOLDER), "
            "such as sections,bands.",
        ),
    ] = None
    suggest: Annotated[
        int | None,
        typer.Option(
            "--suggest",
            metavar="N",
            min=1,
            max=100,
            help="Up to N smallest changes that raise the score by more than noise, as `mutate` commands.",
        ),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options of modes that were typed."""
        named: dict[str, object] = {"--interactions": self.interactions, "--stems": self.stems, "--where": self.where}
        named["--suggest"] = self.suggest
        return [name for name, value in named.items() if value]

    def checked(
        self, corpus: bool, params: str | None, grid: Path | None, models: list[str] | None
    ) -> list[str | None]:
        """The models. Raises `UsageError` for options that do not go together."""
        given = [*(["--corpus"] if corpus else []), *self.given]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other; ask for one at a time")
        if self.stems and (params or grid):
            raise UsageError("--stems: changes levels and sides of stems; --params and --grid have no meaning for it")
        if self.where and (params or grid):
            raise UsageError("--where: takes parts of the song away; --params and --grid have no meaning for it")
        if self.suggest and grid:
            raise UsageError("--suggest: searches within limits of its own; --params takes some of its properties")
        if len(models or []) > 1 and not self.suggest:
            raise UsageError("-m: one model at a time; --suggest takes several, and asks that they agree")
        return list(models) if models else [None]


def asked(modes: Modes, options: Asked) -> int:
    """Answer the question of the mode that is given; how the command ends."""
    return answered(_question(modes, options), options)


def _question(modes: Modes, options: Asked) -> Question:
    if modes.stems:
        from hitpredict.cli.explain_stems import stem_question

        return stem_question(modes.stems, options)
    if modes.where:
        from hitpredict.cli.explain_where import where_question

        return where_question(modes.where, options)
    if modes.suggest:
        from hitpredict.cli.explain_suggestions import suggestion_question

        return suggestion_question(modes.suggest, options)
    from hitpredict.cli.explain_interactions import interaction_question

    return interaction_question(options)
