"""Variants from files: the three formats say the same, and what robot or physics cannot have is refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from randomization import VariantSpace
from randomization.variant_files import read_given, read_variants
from robots import load_robot
from sim2real.errors import Sim2RealError

SPACE = VariantSpace(load_robot("cartpole"))


def test_one_by_name(tmp_path: Path):
    (tmp_path / "one.yaml").write_text("mass/pole: 2\nlatency: 1.0e-2\n")
    found = read_variants(tmp_path / "one.yaml", SPACE)
    assert len(found) == 1
    assert found.as_dict() == {"mass/pole": 2.0, "latency": 0.01}


def test_what_is_named_is_told_from_what_is_assumed(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("variants:\n- {mass/pole: 1.0}\n- {latency: 0.01}\n")
    assert read_given(tmp_path / "a.yaml", SPACE).names == {"mass/pole", "latency"}
    (tmp_path / "b.csv").write_text("jitter\n0\n")
    assert read_given(tmp_path / "b.csv", SPACE).names == {"jitter"}


def test_all_mistakes_are_in_one_message(tmp_path: Path):
    (tmp_path / "x.yaml").write_text("mass/pol: 1.0\nlatncy: 0.1\njitter: -1.0\nmass/cart: big\n")
    with pytest.raises(Sim2RealError) as error:
        read_variants(tmp_path / "x.yaml", SPACE)
    message = str(error.value)
    for words in ("did you mean 'mass/pole'?", "did you mean 'latency'?", "jitter: must be", "mass/cart: must be"):
        assert message.count(words) == 1
    assert message.count("it has mass/*, payload/*, ") == 1
    assert "friction/cart_to_pole" not in message, "kinds, not every coordinate"


def test_several_in_three_formats(tmp_path: Path):
    (tmp_path / "a.yaml").write_text("variants:\n- {mass/pole: 2.0}\n- {mass/pole: 0.5, latency: 0.01}\n")
    (tmp_path / "b.csv").write_text("mass/pole,latency\n2.0,0\n0.5,0.01\n")
    np.savez(tmp_path / "c.npz", names=np.array(["latency", "mass/pole"]), samples=[[0.0, 2.0], [0.01, 0.5]])
    yaml, csv, npz = (read_variants(tmp_path / name, SPACE).values for name in ("a.yaml", "b.csv", "c.npz"))
    np.testing.assert_array_equal(yaml, csv)
    np.testing.assert_array_equal(yaml, npz)
    assert yaml[:, SPACE.index("mass/pole")].tolist() == [2.0, 0.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mass/pol: 1.0\n", "x.yaml: robot 'cartpole' has no quantity 'mass/pol' (did you mean 'mass/pole'?)"),
        ("mass/pole: heavy\n", "x.yaml: mass/pole: must be a number, got 'heavy'"),
        ("mass/pole: 0.0\n", "x.yaml: mass/pole: must be a finite number, above 0"),
        ("latency: -0.1\n", "latency: must be a finite number, at least 0"),
        ("latency: .nan\n", "latency: must be a finite number"),
        ("gravity_z: -500.0\n", "gravity_z: must be a finite number, at least -100 and at most 100 [m/s^2], got -500"),
        ("variants: 3\n", "x.yaml: variants: must be a list of mappings"),
        ("variants: []\n", "x.yaml: variants: must be a list of mappings"),
        ("variants: [{mass/pole: 1.0}, {latency: -1.0}]\n", "x.yaml: variants.1: latency: must be"),
    ],
)
def test_a_mistake_in_yaml(tmp_path: Path, text, words):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(Sim2RealError) as error:
        read_variants(tmp_path / "x.yaml", SPACE)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.csv", b"", "must hold rows"),
        ("x.csv", b"latency\n", "must hold rows"),
        ("x.csv", b"latency,mass/pole\n1\n", "must hold rows of 2 numbers"),
        ("x.csv", b"latency\nsoon\n", "cannot be read as samples"),
        ("x.csv", b"latency\n-1\n", "latency: must be a finite number, at least 0"),
        ("x.npz", b"PK nothing", "cannot be read as samples"),
        ("x.txt", b"", "must be a .yaml, .npz or .csv file"),
    ],
)
def test_a_mistake_in_samples(tmp_path: Path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Sim2RealError, match="x\\.") as error:
        read_variants(tmp_path / name, SPACE)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_samples_hold_no_code_and_both_arrays(tmp_path: Path):
    np.savez(tmp_path / "x.npz", names=np.array(["latency"], dtype=object), samples=np.zeros((1, 1)))
    np.savez(tmp_path / "y.npz", values=np.zeros((1, 1)))
    for name in ("x.npz", "y.npz"):
        with pytest.raises(Sim2RealError, match="cannot be read as samples"):
            read_variants(tmp_path / name, SPACE)
    with pytest.raises(Sim2RealError, match="no such file"):
        read_variants(tmp_path / "z.npz", SPACE)
