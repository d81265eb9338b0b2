"""Write the lock files of this folder from pyproject.toml (`make lock`); README.md here says what each is for.

Needs `uv` beside the Python that runs this. The files hold names, versions and hashes, and no index, host or path.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")

# PyTorch is here for Stable-Baselines3, a peer in the tests. The build in every index is for CUDA on Linux: huge.
# The CPU build (this one: Python 3.11, x86-64) is not in every index; README.md here says how one of them is chosen.
TORCH = "torch==2.13.0"
TORCH_CPU = f"{TORCH}+cpu \\\n    --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b\n"
TORCH_AND_CUDA = re.compile(r"(torch==|nvidia-|cuda-|triton==)")

Lock = dict[str, str]  # "name==version ; marker" -> its lines


def main() -> None:
    """Resolve everything against one set of versions and write each package into the first file that needs it."""
    base = resolve(extra_requirement="setuptools")  # setuptools builds the project itself, without isolation
    test = resolve("--extra", "test", extra_requirement=TORCH, constraints=base)
    ros = resolve("--extra", "ros", constraints=base)
    torch = {pin: lines for pin, lines in test.items() if TORCH_AND_CUDA.match(pin)}
    write("bootstrap.lock", resolve(source="pip\nuv\n"))
    write("base.lock", base)
    write("ros.lock", {pin: lines for pin, lines in ros.items() if pin not in base})
    write("test.lock", {pin: lines for pin, lines in test.items() if pin not in base | torch})
    write("torch.lock", torch)
    write("torch-cpu.lock", {TORCH: TORCH_CPU})


def resolve(*options: str, source: str = "", extra_requirement: str = "", constraints: Lock | None = None) -> Lock:
    """Compile pyproject.toml, or the requirements in `source`, for Python 3.11 and later."""
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.in")
        requirements.write_text(source or extra_requirement)
        known = Path(folder, "constraints.txt")
        known.write_text("".join(constraints.values()) if constraints else "")
        command = [str(UV), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
        command += ["--constraints", str(known), *options]
        inputs = [str(requirements)] if source else [str(HERE.parent / "pyproject.toml"), str(requirements)]
        output = subprocess.run([*command, *inputs], check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = re.findall(r"^\S.*\n(?:[ ].*\n)+", output, re.MULTILINE)
    return {entry.split(" \\")[0]: entry for entry in entries}


def write(name: str, lock: Lock) -> None:
    """Write one lock file, after a look that nothing but pins and hashes is in it."""
    text = "".join(lock.values())
    stray = re.search(r"^(?! {4}--hash=sha256:[0-9a-f]{64}( \\)?$|[a-z0-9-]+==\S+( ; .*)? \\$).*", text, re.MULTILINE)
    if stray and stray[0]:
        sys.exit(f"{name}: not a pin or a hash: {stray[0]}")
    (HERE / name).write_text(f"# Written by `make lock` from pyproject.toml.\n{text}")


if __name__ == "__main__":
    main()
