"""The page in docs is the one that the table of quantities makes."""

import re
from pathlib import Path

from randomization import QUANTITIES, Randomization, VariantSpace, preset_names
from randomization.entries import ENTRIES
from randomization.reference import main, page
from randomization.variant_files import read_variants
from robots import load_robot
from sim2real.training.config import load_train_config

DOCS = Path(__file__).parents[2] / "docs" / "randomization.md"


def test_the_page_is_up_to_date():
    assert DOCS.read_text(encoding="utf-8") == page(), "run: python -m randomization.reference docs/randomization.md"


def test_its_examples_work(tmp_path):
    text = DOCS.read_text(encoding="utf-8")
    varied, training, variant = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (samples,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    (tmp_path / "posterior.csv").write_text(samples)
    for name, example in (("varied", varied), ("training", training), ("variant", variant)):
        (tmp_path / f"{name}.yaml").write_text(example)
    assert len(Randomization.load(tmp_path / "varied.yaml", load_robot("a1")).terms) == 6
    assert load_train_config(tmp_path / "training.yaml").widening is not None
    found = read_variants(tmp_path / "variant.yaml", VariantSpace(load_robot("cartpole")))
    assert found.as_dict() == {"mass/pole": 1.3, "latency": 0.03, "friction/cart_to_pole": 0.002}


def test_every_quantity_law_and_preset_is_on_the_page(tmp_path):
    main(str(tmp_path / "page.md"))
    lines = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()
    for name in (*(quantity.name for quantity in QUANTITIES), *ENTRIES, *preset_names()):
        assert sum(line.startswith(f"| `{name}` |") for line in lines) >= 1, name
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.endswith(" |") for line in tables)
    assert max(line.count("|") for line in tables) == 9  # no cell breaks its row
