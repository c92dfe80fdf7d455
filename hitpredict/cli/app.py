"""The table of commands, and how whatever happens in one becomes an exit code."""

import os
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Annotated, Any

import typer

from hitpredict import __version__
from hitpredict.cli import signals, streams
from hitpredict.cli.messages import say
from hitpredict.cli.parser import complaint, worded
from hitpredict.errors import HitpredictError
from hitpredict.tables.cells import shown

INTERRUPTED, READER_GONE = 130, 141


def reported(command: Callable[..., Any]) -> Callable[..., None]:
    """Run a command; turn its errors into one line on standard error and an exit code."""

    @wraps(command)
    def run(**arguments: Any) -> None:
        verbose = bool(arguments.get("verbose"))
        if verbose:
            streams.unmute()
        try:
            with signals.unwinding():
                code = command(**arguments) or 0
                sys.stdout.flush()
        except HitpredictError as error:
            code = _explained(error, verbose)
        except BrokenPipeError:
            streams.abandon_stdout()
            code = READER_GONE
        except KeyboardInterrupt as stop:
            say("; ".join(["interrupted", *getattr(stop, "__notes__", [])]))
            code = INTERRUPTED
        except (OSError, MemoryError) as error:
            code = _explained(error, verbose, f"{_subject(error)}{getattr(error, 'strerror', None) or error}")
        except ModuleNotFoundError as error:
            code = _explained(error, verbose, _missing(error))
        except Exception as error:
            text = f"unexpected {type(error).__name__}: {error}; this is a defect, -v shows where"
            code = _explained(error, verbose, text)
        raise typer.Exit(code)

    return run


def _explained(error: Exception, verbose: bool, text: str | None = None) -> int:
    if verbose:
        sys.stderr.write(shown("".join(traceback.format_exception(error)), lines=True))
    say(text or str(error))
    return error.exit_code if isinstance(error, HitpredictError) else 3


# The extra that brings a package, where it is not `train`.
_EXTRAS = {"pyarrow": "parquet", "fsspec": "remote", "httpx": "fetch", "tenacity": "fetch", "ray": "scale", "av": "m4a"}
_EXTRAS |= {"optuna": "tune", "tomli_w": "tune"}


def _missing(error: ModuleNotFoundError) -> str:
    """Which package is missing, and which extra brings it."""
    package = (error.name or "?").split(".")[0]
    return f"this needs the package {package}: pip install 'hitpredict[{_EXTRAS.get(package, 'train')}]'"


def _subject(error: Exception) -> str:
    name = getattr(error, "filename", None)
    return f"{os.fsdecode(name)}: " if name else ""


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"hitpredict {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("-V", "--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Nothing but `--version`; the commands do the work."""


# Name and one line for the list of commands; the function and its settings `COMMAND` are in the module of that name.
_COMMANDS = (
    ("score", "Predict how popular songs are from their sound."),
    ("mutate", "Change the sound of songs."),
    ("compare", "Compare the scores of mixes or songs."),
    ("explain", "Show what in the sound moves a score."),
    ("featurize", "Turn sound into feature tables."),
    ("train", "Train a published system on tables."),
    ("tune", "Search for the best hyper-parameters."),
    ("evaluate", "Measure a model beside baselines."),
    ("report", "Make one page of records."),
    ("export-onnx", "Make one .onnx file of a model folder."),
    ("recipes", "List the systems that can be trained."),
    ("doctor", "Look at what is there on this machine, and what is missing."),
)
_GROUPS = (
    ("fetch", "Get data sets, popularity labels, chart histories and pretrained weights."),
    ("models", "List models and show their cards."),
)
_OF_ALL = {"-h", "--help", "-V", "--version"}


def build(only: str | None = None) -> typer.Typer:
    """The program with all its commands, or with one alone, so that the others need not be loaded."""
    app = _empty()
    for name, summary in _COMMANDS:
        if only in (None, name):
            function = name.replace("-", "_")
            found = import_module(f"hitpredict.cli.{function}")
            app.command(name, short_help=summary, **found.COMMAND)(reported(getattr(found, function)))
    for name, summary in _GROUPS:
        if only in (None, name):
            app.add_typer(import_module(f"hitpredict.cli.{name}").app(reported), name=name, short_help=summary)
    return app


def outlined() -> typer.Typer:
    """The program with the names of its commands and what the list of them says, and none of them loaded."""
    app = _empty()
    for name, summary in (*_COMMANDS, *_GROUPS):
        app.command(name, short_help=summary)(lambda: None)
    return app


def _empty() -> typer.Typer:
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
    app.callback()(root)
    return app


def __getattr__(name: str) -> Any:
    if name == "app":
        return build()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def main() -> None:
    """The program `hitpredict`."""
    # ONNX Runtime's Linux builds report on their use to Microsoft unless told not to.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    streams.guard()
    program = worded(typer.main.get_command(_wanted(sys.argv[1:])))
    try:
        code = program(prog_name="hitpredict", standalone_mode=False)
    except SystemExit as end:
        # The parser's own answer to a reader that has gone is 1.
        code = READER_GONE if isinstance(end.__context__, BrokenPipeError) else end.code
    except OSError as error:
        code = _explained(error, False, f"standard output: {error.strerror or error}")
    except Exception as error:
        # The parser's own errors, of a class that typer keeps to itself.
        if not hasattr(error, "format_message"):
            raise
        code = _usage(error)
    streams.settle_stdout()
    sys.exit(code or 0)


def _wanted(words: list[str]) -> typer.Typer:
    """As much of the program as a command line needs. A shell that completes one says it in the environment."""
    if {*words} <= _OF_ALL and "_HITPREDICT_COMPLETE" not in os.environ:
        return outlined()
    return build(words[0] if words and words[0] in dict((*_COMMANDS, *_GROUPS)) else None)


def _usage(error: Any) -> int:
    """One line for what the parser could not take; the help where nothing at all was asked for."""
    message, context = complaint(error), getattr(error, "ctx", None)
    if message.startswith("usage:"):
        typer.echo(error.format_message(), err=True)
    else:
        say(f"{message}; see {context.command_path if context else 'hitpredict'} --help")
    return int(error.exit_code)
