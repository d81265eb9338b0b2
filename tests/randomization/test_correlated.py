"""Coordinates drawn together: a Gaussian has the covariance it names, samples come as whole rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter
from scipy import stats

from randomization import Randomization, stream
from randomization.correlated import MAX_NUMBERS, AnyTogether, Gaussian, Samples, Together
from robots import load_robot
from sim2real.config import Strict, validate
from sim2real.errors import ConfigError, RandomizationError

CARTPOLE = load_robot("cartpole")
LAWS: TypeAdapter[Together] = TypeAdapter(AnyTogether)
NAMES = ["mass/cart", "mass/pole"]
GAUSSIAN: dict[str, Any] = {
    "law": "gaussian",
    "names": NAMES,
    "mean": [1.0, 2.0],
    "std": [0.1, 0.2],
    "correlation": [[1.0, -0.8], [-0.8, 1.0]],
}
ROWS = [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]]


class Holder(Strict):
    correlated: AnyTogether


def problem(data: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Holder, {"correlated": data}, "r.yaml")
    return str(caught.value).removeprefix("r.yaml: correlated")


def load(entry: dict[str, Any], folder: Path) -> Randomization:
    path = folder / "r.yaml"
    path.write_text(f"robot: cartpole\ncorrelated:\n  - {entry}\n".replace("'", '"'))
    return Randomization.load(path, CARTPOLE)


def test_a_gaussian_has_its_mean_and_covariance():
    law = Gaussian(**GAUSSIAN)
    rows = law.sample(np.random.default_rng(1), 100_000)
    assert rows.mean(axis=0) == pytest.approx([1.0, 2.0], abs=0.003)
    covariance = np.array([[0.01, -0.016], [-0.016, 0.04]])
    assert np.cov(rows.T) == pytest.approx(covariance, rel=0.03)
    for column, (mean, std) in enumerate([(1.0, 0.1), (2.0, 0.2)]):
        assert stats.kstest(rows[:20_000, column], stats.norm(mean, std).cdf).pvalue > 1e-3
    given_as_covariance = Gaussian(names=tuple(NAMES), mean=(1.0, 2.0), covariance=tuple(map(tuple, covariance)))
    assert given_as_covariance.sample(np.random.default_rng(1), 9) == pytest.approx(rows[:9], rel=1e-6)


def test_a_gaussian_may_be_degenerate():
    law = Gaussian(names=tuple(NAMES), mean=(1.0, 2.0), covariance=((0.01, 0.02), (0.02, 0.04)))
    rows = law.sample(np.random.default_rng(1), 1000)
    assert rows[:, 1] - 2 == pytest.approx(2 * (rows[:, 0] - 1), abs=1e-6)
    still = Gaussian(names=tuple(NAMES), mean=(1.0, 2.0), std=(0.0, 0.0))
    assert still.sample(np.random.default_rng(1), 3).tolist() == [[1.0, 2.0]] * 3


@given(arrays(float, (3, 3), elements=st.floats(-3, 3)), st.integers(0, 2**32))
def test_any_positive_semidefinite_covariance_is_taken_and_its_ends_hold(root, seed):
    covariance = root @ root.T
    law = Gaussian(
        names=("a", "b", "c"),
        mean=(0.0, 1.0, 2.0),
        covariance=tuple(map(tuple, ((covariance + covariance.T) / 2).tolist())),
    )
    rows = law.sample(np.random.default_rng(seed), 500)
    low, high = law.support
    assert (rows >= low).all()
    assert (rows <= high).all()
    assert high - low == pytest.approx(8 * np.sqrt(np.diag(covariance)), abs=1e-9)
    assert LAWS.validate_python(law.model_dump(mode="json")) == law


def test_values_are_clipped_where_ends_are_given():
    law = Gaussian(**GAUSSIAN, low=(0.95, 1.0), high=(1.5, 2.1))
    rows = law.sample(np.random.default_rng(1), 2000)
    assert rows.min(axis=0)[0] == 0.95
    assert rows.max(axis=0)[1] == 2.1
    assert law.support.tolist() == [[0.95, 1.0], [1.5, 2.1]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"std": None, "correlation": None}, ": give either covariance, or std (with correlation if not independent)"),
        ({"covariance": [[1.0, 0.0], [0.0, 1.0]]}, ": give either covariance, or std"),
        ({"std": [0.1]}, ": std has 1 numbers, mean has 2; give one for each coordinate"),
        ({"low": [0.1, 0.2, 0.3]}, ": low has 3 numbers, mean has 2; give one for each coordinate"),
        ({"std": [0.1, -0.2]}, ".std.1: must be greater than or equal to 0 (got -0.2)"),
        ({"correlation": [[1.0, 0.5]]}, ": correlation must have 2 rows of 2 numbers"),
        ({"correlation": [[1.0, 0.5], [0.5]]}, ": correlation must have 2 rows of 2 numbers"),
        (
            {"correlation": [[1.0, 0.5], [0.4, 1.0]]},
            ": correlation is not symmetric: row 1, column 2 differs from its mirror image",
        ),
        ({"correlation": [[0.9, 0.5], [0.5, 1.0]]}, ": correlation must have ones on its diagonal"),
        (
            {"correlation": [[1.0, 1.5], [1.5, 1.0]]},
            ": correlation is not positive semidefinite: its least eigenvalue is -0.5",
        ),
        (
            {"std": None, "correlation": None, "covariance": [[1.0, 0.0], [0.0, -1e-3]]},
            ": covariance is not positive semidefinite: its least eigenvalue is -0.001",
        ),
        ({"low": [0.0, 3.0], "high": [2.0, 2.5]}, ": low 3 is above high 2.5 in place 2"),
        ({"low": [1.1, 0.0]}, ": mean 1 lies outside of low and high in place 1"),
        ({"mean": []}, ".mean: must not be empty"),
        ({"names": []}, ".names: must not be empty"),
        ({"law": "gausian"}, ".law: must be one of gaussian, samples (got 'gausian') (did you mean 'gaussian'?)"),
        ({"shared": True}, ".shared: unknown key"),
    ],
)
def test_a_gaussian_with_wrong_parameters_is_refused(change, message):
    assert problem(GAUSSIAN | change).startswith(message)


def test_samples_come_as_whole_rows_all_as_often():
    law = Samples(names=tuple(NAMES), samples=tuple(map(tuple, ROWS)))
    rows = law.sample(np.random.default_rng(1), 8000)
    assert (rows[:, 1] == 10 * rows[:, 0]).all()
    assert stats.chisquare(np.bincount(rows[:, 0].astype(int))[1:]).pvalue > 1e-3
    assert law.support.tolist() == [[1.0, 10.0], [4.0, 40.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, ": give either samples (rows) or file"),
        ({"samples": [[1.0, 2.0]], "file": "x.npz"}, ": give either samples (rows) or file"),
        ({"samples": []}, ": samples must not be empty"),
        ({"samples": [[]]}, ": samples must be rows of equal length"),
        ({"samples": [[1.0, 2.0], [1.0]]}, ": samples must be rows of equal length"),
        ({"samples": [[1.0, "x"]]}, ".samples.0.1: must be a number (got 'x')"),
        (
            {"samples": [[1.0]] * (MAX_NUMBERS + 1)},
            f": samples hold {MAX_NUMBERS + 1} numbers, {MAX_NUMBERS} are the most; thin them out",
        ),
    ],
)
def test_samples_that_mean_nothing_are_refused(change, message):
    assert problem({"law": "samples", "names": NAMES, **change}).startswith(message)


def test_samples_from_files_are_matched_by_name(tmp_path):
    np.savez(tmp_path / "plain.npz", samples=ROWS)
    np.savez(tmp_path / "named.npz", samples=np.array(ROWS)[:, ::-1], names=NAMES[::-1])
    (tmp_path / "named.csv").write_text("mass/pole, latency, mass/cart\n" + "".join(f"{b},0,{a}\n" for a, b in ROWS))
    inline = load({"law": "samples", "names": NAMES, "samples": ROWS}, tmp_path)
    for file in ("plain.npz", "named.npz", "named.csv"):
        from_file = load({"law": "samples", "names": ["mass/*"], "file": file}, tmp_path)
        assert from_file.laws == inline.laws
        again = Randomization.from_dict(from_file.to_dict(), CARTPOLE)  # the rows go along, the file does not
        assert (again.draw(stream(1, "x"), 9).values == inline.draw(stream(1, "x"), 9).values).all()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("missing.npz", "missing.npz cannot be read: No such file or directory"),
        ("samples.txt", "samples.txt must be an .npz or a .csv file"),
        ("pickle.npz", "pickle.npz cannot be read: Object arrays cannot be loaded when allow_pickle=False"),
        ("other.npz", "other.npz cannot be read: has no array 'samples'"),
        ("broken.npz", "broken.npz cannot be read: File is not a zip file"),
        ("narrow.npz", "narrow.npz has 1 columns for 2 names; give one each"),
        ("nan.npz", "nan.npz: samples must be rows of finite numbers, one row a sample"),
        ("flat.npz", "flat.npz: samples must be rows of finite numbers, one row a sample"),
        ("large.npz", f"large.npz holds 20000 numbers, {MAX_NUMBERS} are the most; thin them out"),
        ("huge.npz", "huge.npz cannot be read: unpacks to more than 2000000 bytes"),
        ("text.csv", "text.csv cannot be read: could not convert string to float: 'x'"),
        ("ragged.csv", "ragged.csv cannot be read: its rows are of different lengths"),
        ("other.csv", "other.csv has no column 'mass/cart' (did you mean 'mass/carts'?)"),
        ("empty.csv", "empty.csv: samples must be rows of finite numbers, one row a sample"),
        ("twice.csv", "twice.csv: its 2 columns need 2 different names"),
    ],
)
def test_files_that_hold_no_samples_are_refused(tmp_path, file, message):
    for name, array in {
        "pickle": np.array([{}, {}]),
        "narrow": np.ones((3, 1)),
        "nan": np.full((2, 2), np.nan),
        "flat": np.ones(4),
        "large": np.ones((10_000, 2)),
        "huge": np.ones((1_000_000, 2)),
    }.items():
        np.savez_compressed(tmp_path / f"{name}.npz", samples=array)
    np.savez(tmp_path / "other.npz", rows=ROWS)
    (tmp_path / "broken.npz").write_bytes(b"PK nothing")
    (tmp_path / "text.csv").write_text("mass/cart,mass/pole\n1,x\n")
    (tmp_path / "ragged.csv").write_text("mass/cart,mass/pole\n1,2\n3\n")
    (tmp_path / "other.csv").write_text("mass/carts,mass/pole\n1,2\n")
    (tmp_path / "twice.csv").write_text("mass/cart,mass/cart\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "samples.txt").write_text("")
    with pytest.raises(RandomizationError) as caught:
        load({"law": "samples", "names": NAMES, "file": file}, tmp_path)
    assert str(caught.value) == f"{tmp_path / 'r.yaml'}: correlated.0.file: {message}"


def test_plain_data_cannot_name_a_file():
    """A policy that came from elsewhere does not choose what is read here."""
    entry = {"law": "samples", "names": NAMES, "file": "posterior.npz"}
    with pytest.raises(RandomizationError) as caught:
        Randomization.from_dict({"robot": "cartpole", "correlated": [entry]}, CARTPOLE, "policy.yaml")
    assert str(caught.value) == (
        "policy.yaml: correlated.0.file: file can be given in a YAML file only; write the rows as samples"
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (GAUSSIAN | {"names": ["mass/cart"]}, "correlated.0: names stand for 1 coordinates, its numbers for 2"),
        (
            GAUSSIAN | {"names": ["mass/c", "latency"]},
            "correlated.0.names.0: no such quantity (did you mean 'mass/cart'",
        ),
        (
            GAUSSIAN | {"mean": [1.0, 0.5]},
            "correlated.0: can draw -0.3 for mass/pole, but must be above 0; raise it",
        ),
        (
            {"law": "samples", "names": NAMES, "samples": [[1.0, 1.0], [0.0, 1.0]]},
            "correlated.0: can draw 0 for mass/cart, but must be above 0; raise it",
        ),
        (
            GAUSSIAN | {"when": "interval"},
            "correlated.0: every (seconds) goes with when: interval, and only with it",
        ),
    ],
)
def test_what_does_not_fit_the_robot_or_physics_is_refused(entry, message):
    with pytest.raises(RandomizationError) as caught:
        Randomization.from_dict({"robot": "cartpole", "correlated": [entry]}, CARTPOLE, "r.yaml")
    assert str(caught.value).startswith(f"r.yaml: {message}")


def test_rows_are_drawn_relative_to_the_nominal_values_too():
    furuta = load_robot("furuta")
    entry = {"law": "samples", "names": ["damping/*"], "samples": [[1.0, 2.0], [3.0, 4.0]], "relative": "scale"}
    drawn = Randomization.from_dict({"robot": "furuta", "correlated": [entry]}, furuta).draw(stream(0, "x"), 50)
    assert {tuple(row) for row in drawn.block("damping").round(9).tolist()} == {(0.002, 0.0002), (0.006, 0.0004)}
