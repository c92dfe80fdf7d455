"""The map of CONTRIBUTING.md leads to files that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_map_leads_somewhere():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    files = re.findall(r"\| `([a-z0-9_/]+\.py)` \|", text)
    assert len(files) >= 20
    assert [name for name in files if not (ROOT / "hitpredict" / name).is_file()] == []
