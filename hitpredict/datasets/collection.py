"""A manifest made track by track, where some tracks may fail and a killed run is taken up again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from hitpredict.datasets.manifest import Draft, Track
from hitpredict.datasets.web.answers import expected
from hitpredict.datasets.web.download import GaveUp
from hitpredict.errors import InputError


class Collection:
    """Tracks asked for by key, in their order.

    make: fetches one track by its key, or raises `InputError`. settings: what must be the same to go on with the
    rows of a killed run. After the run: `failed` keys, how many tracks are `silent` (without audio), `manifest`.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any], keys: Sequence[str], make: Callable[[str], Track]):
        self._output, self._settings, self._keys, self._make = output, settings, keys, make
        self.failed: list[str] = []
        self.silent = 0
        self.manifest: Path | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def run(self) -> Iterator[InputError | None]:
        """Fetch what is missing and write the manifest; yields the failure of each track, or None.

        Raises `EnvironmentProblem` while another run fetches into the same folder.
        """
        with closing(Draft(self._output, self._settings)) as draft:
            for key in self._keys:
                yield self._one(draft, key)
            self.silent = sum(draft.rows[key]["path"] is None for key in self._keys if key in draft.rows)
            self.manifest = draft.finish(self._keys)

    def _one(self, draft: Draft, key: str) -> InputError | None:
        if key in draft.rows and self._whole(draft.rows[key]):
            return None
        try:
            with expected(key):
                draft.add(key, self._make(key))
        except GaveUp:
            raise
        except InputError as error:
            self.failed.append(key)
            return error
        return None

    def _whole(self, row: Mapping[str, Any]) -> bool:
        return row["path"] is None or (self._output / row["path"]).is_file()
