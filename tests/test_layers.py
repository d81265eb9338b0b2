"""Imports go down only, and what is heavy stays where it belongs; the contracts are in pyproject.toml."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
CONTRACTS = {
    c["id"]: c for c in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
ENGINES = ["pybullet", "mujoco"]


def lint_imports(folder: Path) -> tuple[int, str]:
    command = [str(LINT_IMPORTS), "--no-cache", "--no-logo"]
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return process.returncode, process.stdout + process.stderr


def bare(folder: Path) -> None:
    """Packages that hold nothing but what the contracts ask for."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    packages = ("sim2real", "robots", "randomization", "ros_bridge")
    for name in (*packages, *(name.replace(".", "/") for name in CONTRACTS["acyclic"]["ancestors"])):
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
    for name in ("config", "errors", "twin"):
        (folder / "sim2real" / f"{name}.py").touch()


def test_imports_go_down_only():
    status, report = lint_imports(ROOT)
    assert status == 0, report


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("sim2real/errors.py", "import sim2real.config", "layers"),
        ("robots/model.py", "import randomization", "layers"),
        ("sim2real/policy/files.py", "import sim2real.twin", "layers"),
        ("sim2real/tasks.py", "import ros_bridge", "layers"),
        ("sim2real/twin.py", "import rclpy.node", "rclpy"),
        ("sim2real/twin.py", "from std_msgs.msg import String", "rclpy"),
        ("sim2real/train.py", "import tensorflow as tf", "tensorflow"),
        ("ros_bridge/node.py", "from keras import Model", "tensorflow"),
        ("robots/model.py", "import mujoco", "ground"),
        ("randomization/variant.py", "def f():\n    import pybullet", "ground"),
    ],
)
def test_a_wrong_import_is_found(tmp_path, module, line, contract):
    bare(tmp_path)
    assert lint_imports(tmp_path)[0] == 0
    (tmp_path / module).write_text(f"{line}\n")
    status, report = lint_imports(tmp_path)
    assert status == 1
    assert f"{CONTRACTS[contract]['name']} BROKEN" in report


def test_a_circle_within_a_package_is_found(tmp_path):
    bare(tmp_path)
    for name, other in (("run", "config"), ("config", "run")):
        (tmp_path / "sim2real" / "training" / f"{name}.py").write_text(f"import sim2real.training.{other}\n")
    status, report = lint_imports(tmp_path)
    assert status == 1
    assert f"{CONTRACTS['acyclic']['name']} BROKEN" in report


def test_every_module_of_sim2real_has_a_layer():
    layers = set(re.findall(r"sim2real\.(\w+)", " ".join(CONTRACTS["layers"]["layers"])))
    modules = {p.stem for p in (ROOT / "sim2real").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert modules - layers - {"__init__", "__main__"} == set(), "name them in the layers of pyproject.toml"


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sim2real", ["tensorflow", "rclpy", "scipy", "matplotlib", *ENGINES]),
        ("robots", ["tensorflow", "rclpy", "gymnasium", "matplotlib", *ENGINES]),
        ("randomization", ["tensorflow", "rclpy", "gymnasium", "matplotlib", *ENGINES]),
        ("sim2real.policy", ["tensorflow", "rclpy", "gymnasium", "matplotlib", *ENGINES]),
        ("sim2real.env", ["tensorflow", "rclpy", "matplotlib"]),
        ("sim2real.cli", ["tensorflow", "rclpy", "matplotlib", *ENGINES]),
        ("ros_bridge.policy_node", ["tensorflow", "matplotlib", *ENGINES]),
    ],
)
def test_importing_leaves_out(module, absent):
    code = f"import {module}, sys; print(*sorted(set({absent!r}) & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.split() == []
