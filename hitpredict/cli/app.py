"""The table of commands, and how whatever happens in one becomes an exit code."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from hitpredict import __version__
from hitpredict.cli import evaluate, export_onnx, featurize, fetch, models, mutate, score, streams, train
from hitpredict.cli.messages import say
from hitpredict.errors import HitpredictError

INTERRUPTED, TERMINATED, READER_GONE = 130, 143, 141

app = typer.Typer(
    name="hitpredict",
    help="Predict how popular a song will be from its sound alone, say how sure that is, "
    "and show which changes to the sound move it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: hitpredict mutate song.mp3 --pitch=-2,0,2 | hitpredict score -",
)


def reported(command: Callable[..., Any]) -> Callable[..., None]:
    """Run a command; turn its errors into one line on standard error and an exit code."""

    @wraps(command)
    def run(**arguments: Any) -> None:
        verbose = bool(arguments.get("verbose"))
        if verbose:
            streams.unmute()
        try:
            code = command(**arguments) or 0
            sys.stdout.flush()
        except HitpredictError as error:
            code = _explained(error, verbose)
        except BrokenPipeError:
            streams.abandon_stdout()
            code = READER_GONE
        except KeyboardInterrupt:
            say("interrupted")
            code = INTERRUPTED
        except (OSError, MemoryError) as error:
            code = _explained(error, verbose, f"{_subject(error)}{getattr(error, 'strerror', None) or error}")
        except Exception as error:
            text = f"unexpected {type(error).__name__}: {error}; this is a defect, -v shows where"
            code = _explained(error, verbose, text)
        raise typer.Exit(code)

    return run


def _explained(error: Exception, verbose: bool, text: str | None = None) -> int:
    if verbose:
        traceback.print_exception(error, file=sys.stderr)
    say(text or str(error))
    return error.exit_code if isinstance(error, HitpredictError) else 3


def _subject(error: Exception) -> str:
    name = getattr(error, "filename", None)
    return f"{os.fsdecode(name)}: " if name else ""


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hitpredict {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Nothing but `--version`; the commands do the work."""


_SUMMARIES = {
    "score": "Predict how popular songs are from their sound.",
    "mutate": "Change the sound of songs.",
    "featurize": "Turn sound into feature tables.",
    "train": "Train a published system on tables.",
    "evaluate": "Measure a model beside baselines.",
    "export-onnx": "Make one .onnx file of a model folder.",
    "recipes": "List the systems that can be trained.",
}

app.command("score", short_help=_SUMMARIES["score"], **score.COMMAND)(reported(score.score))
app.command("mutate", short_help=_SUMMARIES["mutate"], **mutate.COMMAND)(reported(mutate.mutate))
app.command("featurize", short_help=_SUMMARIES["featurize"], **featurize.COMMAND)(reported(featurize.featurize))
app.command("train", short_help=_SUMMARIES["train"], **train.COMMAND)(reported(train.train))
app.command("evaluate", short_help=_SUMMARIES["evaluate"], **evaluate.COMMAND)(reported(evaluate.evaluate))
app.command("export-onnx", short_help=_SUMMARIES["export-onnx"], **export_onnx.COMMAND)(
    reported(export_onnx.export_onnx)
)
app.command("recipes", short_help=_SUMMARIES["recipes"], **train.RECIPES)(reported(train.recipes))
app.add_typer(fetch.app(reported), name="fetch")
app.add_typer(models.app(reported), name="models")


def main() -> None:
    """The program `hitpredict`."""
    # ONNX Runtime's Linux builds report on their use to Microsoft unless told not to.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    streams.guard()
    app(prog_name="hitpredict")
