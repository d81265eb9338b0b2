"""The policies that ship with the package: wherever a command takes a policy's folder, it takes one of their names."""

from pathlib import Path

from sim2real.errors import TrainingError, nearest

SHOWCASE = Path(__file__).parents[1] / "showcase"
POLICY, CURVE, EVALUATION, README = "policy", "curve.csv", "evaluation.json", "README.md"


def shipped_names() -> list[str]:
    """Return the names of the shipped policies."""
    return sorted(folder.name for folder in SHOWCASE.glob("*") if (folder / POLICY).is_dir())


def policy_folder(path: Path) -> Path:
    """Return `path` if there is such a thing, else the folder of the shipped policy that it names, else `path`."""
    named = path == Path(path.name) and path.name in shipped_names()  # first: a name may be none for a file
    return SHOWCASE / path.name / POLICY if named and not path.exists() else path


def suggestion(path: Path) -> str:
    """Return what to add to an error about a policy that is not there: the shipped names, the nearest first."""
    names = shipped_names()
    if not names or path != Path(path.name):
        return ""
    return f"{nearest(path.name, names)}; shipped: {', '.join(names)}"


def curve_file(run: Path) -> Path:
    """Return the learning curve of a run folder, or of a shipped policy by name; raise TrainingError if none."""
    own, shipped = run / "progress.csv", SHOWCASE / run.name / CURVE
    if own.is_file():
        return own
    if run == Path(run.name) and not run.exists() and shipped.is_file():
        return shipped
    raise TrainingError(f"{run}: no such run folder{suggestion(run)}; give one with a progress.csv")
