"""Checkpoints of embeddings that tests make for themselves; torch is loaded only where they are used."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def ast_folder(tmp_path_factory) -> Path:
    from tests.helpers import checkpoints

    return checkpoints.ast(tmp_path_factory.mktemp("ast"))


@pytest.fixture(scope="module")
def wav2vec2_folder(tmp_path_factory) -> Path:
    from tests.helpers import checkpoints

    return checkpoints.wav2vec2(tmp_path_factory.mktemp("wav2vec2"))


@pytest.fixture(scope="module")
def mert_folder(tmp_path_factory) -> Path:
    from tests.helpers import checkpoints

    return checkpoints.mert(tmp_path_factory.mktemp("mert"))


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory) -> Path:
    from tests.helpers import checkpoints

    return checkpoints.clap(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def vggish_file(tmp_path_factory) -> Path:
    from tests.helpers import checkpoints

    return checkpoints.vggish(tmp_path_factory.mktemp("vggish") / "vggish.pth")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one core."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
