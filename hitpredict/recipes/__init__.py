"""Named systems as data: one TOML file each, every hyper-parameter in plain sight.

Tables of a recipe: the top level says what the system is and where it comes from (`summary`, `source`, `task`,
`inputs`, `made_with`); `[target]` how labels become what is learnt; `[scaling]` how inputs are scaled; `[network]` or
`[estimator]` the model and its parameters; `[loss]`, `[training]` and `[[augment]]` how it is fitted;
`[published]` the figures its authors report, with their caveats; `[compat]` what `--compat` sets to repeat mistakes of
the original. Their types are in `recipe.py`.
"""

import tomllib
from pathlib import Path
from typing import Any

from hitpredict.errors import UsageError, unknown
from hitpredict.recipes.recipe import Recipe
from hitpredict.recipes.tasks import TASKS

__all__ = ["FOLDER", "TASKS", "Recipe", "load", "names", "parsed", "text_of"]
FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The names of all recipes, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Recipe:
    """A recipe by name, or from the path of a TOML file. Raises `UsageError`, naming the file and the entry."""
    path = FOLDER / f"{name}.toml"
    if not path.exists():
        path = Path(name)
        if path.suffix != ".toml" or not path.exists():
            raise UsageError(unknown("recipe", name, names()))
    try:
        return Recipe.from_json({"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))})
    except OSError as error:
        raise UsageError(f"recipe {path}: {error.strerror or error}") from error
    except (UsageError, ValueError, RecursionError) as error:
        raise UsageError(f"recipe {path}: {error}") from error


def text_of(name: str) -> str:
    """The TOML text of a recipe, comments and all."""
    load(name)
    path = FOLDER / f"{name}.toml"
    return (path if path.exists() else Path(name)).read_text(encoding="utf-8")


def parsed(text: str) -> Any:
    """The value of a `--set KEY=VALUE`, in TOML's syntax; bare words are text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
