"""Strict YAML reads what its author wrote, or refuses it naming the line; it never hangs, explodes or runs code."""

import math
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sim2real.config import read_yaml
from sim2real.errors import ConfigError
from sim2real.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, dump_yaml, parse_yaml


def refusal(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e5", 100_000.0),
        ("1E5", 100_000.0),
        ("-1.5e+3", -1500.0),
        ("1_000.5", 1000.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-.inf", -math.inf),
        (".Inf", math.inf),
        ("12", 12),
        ("+1", 1),
        ("-0", 0),
        ("1_000", 1000),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        # YAML 1.1 reads these as 10, False, 90, 16, nan and a date.
        ("012", "012"),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("0x10", "0x10"),
        ("NaN", "NaN"),
        ("2020-01-01", "2020-01-01"),
        ("'12'", "12"),
        ("1e", "1e"),
        ("=", "="),
    ],
)
def test_scalar(text, value):
    read = parse_yaml(f"a: {text}\n", "f.yaml")["a"]
    assert (read, type(read)) == (value, type(value))


def test_not_a_number():
    assert math.isnan(parse_yaml("a: .nan", "f.yaml")["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: key 'a' stands twice, in lines 1 and 3"),
        ("x:\n  y:\n    - a: 1\n\n      a: 2\n", "f.yaml:5: key 'a' stands twice, in lines 3 and 5"),
        ("'a': 1\r\na: 2\r\n", "f.yaml:2: key 'a' stands twice, in lines 1 and 2"),
        ("x: {c: 1, c: 2}", "f.yaml:1: key 'c' stands twice, in lines 1 and 1"),
        ("a: &x 1\nb: *x\n", "f.yaml:2: aliases (*name) are not allowed; write the value out"),
        ("a: &x [*x]\n", "f.yaml:1: aliases (*name) are not allowed; write the value out"),
        ("a: 1\nb: {<<: {c: 1}}\n", "f.yaml:2: merge keys (<<) are not allowed; write the keys out"),
        ("1: a\n", "f.yaml:1: key 1 is not text; put it in quotes"),
        ("a: 1\ntrue: b\n", "f.yaml:2: key True is not text; put it in quotes"),
        ("~: b\n", "f.yaml:1: key None is not text; put it in quotes"),
        ("? [a, b]\n: 1\n", "f.yaml:1: key ['a', 'b'] is not text; put it in quotes"),
        ("", "f.yaml: is empty; expected a mapping of keys to values"),
        ("# nothing\n", "f.yaml: is empty; expected a mapping of keys to values"),
        ("- a\n", "f.yaml: expected a mapping of keys to values, got list"),
        ("hello", "f.yaml: expected a mapping of keys to values, got str"),
        ("a: b: c\n", "f.yaml:1: mapping values are not allowed here"),
        ("b: 1\na: [1, 2\n", "f.yaml:3: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: but found another document"),
        (b"a: \xff\n", "f.yaml: is not text: 'utf-8' codec can't decode byte 0xff in position 3: invalid start byte"),
    ],
)
def test_refused(text, message):
    assert refusal(text) == message


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{canary}]]",
        "!!python/name:os.system",
        "!!python/object/new:os.system [touch {canary}]",
        "!!int 012",
        "!!bool xx",
        "!!timestamp xx",
        "!!binary aGVsbG8=",
        "!!set {{b, c}}",
        "!mine x",
        "! x",
    ],
)
def test_tags_are_refused_and_build_nothing(tmp_path, value):
    canary = tmp_path / "canary"
    assert refusal(f"a:\n  b: {value.format(canary=canary)}\n").startswith("f.yaml:2: tags (")
    assert not canary.exists()


def test_depth():
    deepest = MAX_DEPTH - 2  # the mapping itself is one level, the number in the middle another
    assert parse_yaml("a: " + "[" * deepest + "1" + "]" * deepest, "f.yaml")
    assert refusal("a: " + "[" * (deepest + 1) + "1" + "]" * (deepest + 1)) == "f.yaml:1: nested deeper than 32 levels"
    blocks = "".join(" " * level + "a:\n" for level in range(40))
    assert refusal(blocks) == "f.yaml:32: nested deeper than 32 levels"


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, "a: " + "{b: " * 200_000, "- " * 400_000, "? " * 400_000],
    ids=["lists", "mappings", "entries", "keys"],
)
def test_a_million_levels_are_refused_at_once(text):
    began = time.process_time()
    assert "nested deeper than 32 levels" in refusal(text)
    assert time.process_time() - began < 2


def test_number_of_nodes():
    began = time.process_time()
    assert refusal("a: [" + "1," * 400_000 + "1]") == f"f.yaml:1: more than {MAX_NODES} keys and values"
    assert time.process_time() - began < 3
    assert len(parse_yaml("a: [" + "1," * (MAX_NODES - 10) + "1]", "f.yaml")["a"]) == MAX_NODES - 9


def test_size(tmp_path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: 1\n".ljust(MAX_BYTES, b"#"))
    assert read_yaml(path) == {"a": 1}
    path.write_bytes(b"a: 1\n".ljust(MAX_BYTES + 1, b"#"))
    with pytest.raises(ConfigError, match=r"big\.yaml: is longer than 1000000 bytes, the most for a configuration$"):
        read_yaml(path)


def test_a_huge_whole_number_is_refused():
    assert refusal(f"a: {'9' * 5000}").startswith("f.yaml: not YAML: Exceeds the limit")


NAMES = ["no", "yes", "012", "1e3", "1:30", "0x10", ".nan", "null", "<<", "=", "2020-01-01", "", " a", "a: b", "#", "é"]
TEXT = st.one_of(st.text(max_size=20), st.sampled_from(NAMES))
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT)
KEYS = TEXT.filter(lambda key: key != "<<")
PLAIN = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4))
)


@given(st.dictionaries(KEYS, PLAIN, max_size=5).filter(bool))
def test_what_is_dumped_reads_back_equal(data):
    text = dump_yaml(data)
    assert repr(parse_yaml(text, "f.yaml")) == repr(data)
    assert text.isascii()


@given(st.dictionaries(KEYS, TEXT, min_size=1, max_size=5))
def test_text_stays_text_in_any_yaml_reader(data):
    assert yaml.safe_load(dump_yaml(data)) == data


def test_dump_writes_out_what_stands_twice():
    pair = [1, 2]
    assert parse_yaml(dump_yaml({"a": pair, "b": pair, "c": (pair, pair)}), "f.yaml")["c"] == [pair, pair]


@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_any_input_is_read_or_refused_in_one_line(text):
    try:
        assert isinstance(parse_yaml(text, "f.yaml"), dict)
    except ConfigError as error:
        assert str(error).isprintable()


@given(st.text(alphabet="ab:-?[]{},&*!|>'\"%@`#~<=10. \n", max_size=40))
def test_any_yaml_is_read_or_refused_in_one_line(text):
    try:
        assert isinstance(parse_yaml(text, "f.yaml"), dict)
    except ConfigError as error:
        assert str(error).isprintable()


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "file.yaml").write_text("a: 1")
    for path, message in {
        tmp_path / "missing.yaml": "no such file",
        tmp_path: "is a folder, expected a YAML file",
        Path("/dev/zero"): "is a device, expected a YAML file",  # reading it to its end would take all memory
        tmp_path / "loop.yaml": "cannot be read: Too many levels of symbolic links",
        tmp_path
        / "binary.yaml": "is not text: 'utf-8' codec can't decode byte 0x80 in position 128: invalid start byte",
        tmp_path / "file.yaml" / "x.yaml": "cannot be read: Not a directory",
        tmp_path / f"{'x' * 300}.yaml": "cannot be read: File name too long",
    }.items():
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        assert str(caught.value) == f"{path}: {message}"


def test_a_path_that_is_none():
    with pytest.raises(ConfigError, match="embedded null byte"):
        read_yaml(Path("a\0b.yaml"))
