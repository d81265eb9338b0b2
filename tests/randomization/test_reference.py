"""The page in docs is the one that the table of quantities makes."""

from pathlib import Path

from randomization import QUANTITIES, preset_names
from randomization.entries import ENTRIES
from randomization.reference import main, page

DOCS = Path(__file__).parents[2] / "docs" / "randomization.md"


def test_the_page_is_up_to_date():
    assert DOCS.read_text(encoding="utf-8") == page(), "run: python -m randomization.reference docs/randomization.md"


def test_every_quantity_law_and_preset_is_on_the_page(tmp_path):
    main(str(tmp_path / "page.md"))
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    for name in (*(quantity.name for quantity in QUANTITIES), *ENTRIES, *preset_names()):
        assert sum(line.startswith(f"| `{name}` |") for line in lines) >= 1, name
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith(" |") for line in tables)
    assert max(line.count("|") for line in tables) == 9  # no cell breaks its row
