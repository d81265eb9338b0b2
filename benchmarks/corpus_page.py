"""The corpus's verdicts as tables: on the screen, and as docs/corpus.md."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.judge import BARS
from robots.rules import RULES

LOADED = 0.98  # least share of files that load, as they are or after repair
STATES = ("as is", "repaired", "refused", "failed")


@dataclass
class Verdict:
    """What became of one file. `state` is one of `STATES`.

    cause: why it was refused or failed; findings: codes of what was reported; repairs: codes of what was mended;
    errors: engine -> quantity -> largest error; changed: what Pinocchio reads otherwise from the file as it stands;
    silent: what of this no finding names; unread: why Pinocchio cannot read it as it stands.
    """

    collection: str
    name: str
    state: str = "failed"
    cause: str = ""
    findings: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    unread: str = ""
    silent: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def folder(self) -> str:
        """The row of the table that it counts in: the many random objects have one of their own."""
        return f"{self.collection}: random_urdfs" if self.name.startswith("random_urdfs/") else self.collection

    @property
    def loads(self) -> bool:
        """Whether it gives a robot in both engines."""
        return self.state in ("as is", "repaired")

    @property
    def mismatches(self) -> list[str]:
        """Quantities over their bar, with engine and error."""
        return [
            f"{engine} {quantity} {error:.1e}"
            for engine, found in self.errors.items()
            for quantity, error in found.items()
            if not error <= BARS[quantity]
        ]


Cells = tuple[str, ...]


def bars(verdicts: Sequence[Verdict]) -> list[tuple[str, str, str, bool]]:
    """Return the rows of what must hold: what, measured, bar, whether it is met."""
    total = len(verdicts)
    loaded = sum(verdict.loads for verdict in verdicts)
    share = loaded / max(total, 1)
    failed = sum(verdict.state == "failed" for verdict in verdicts)
    mismatched = sum(bool(verdict.mismatches) for verdict in verdicts)
    silent = sum(bool(verdict.silent) for verdict in verdicts)
    return [
        ("load in both engines", f"{loaded} of {total}, {share:.1%}", f"{LOADED:.0%}", share >= LOADED),
        ("crash, hang, or fail without a finding", str(failed), "0", not failed),
        ("differ from Pinocchio by more than a bar", str(mismatched), "0", not mismatched),
        ("change silently", str(silent), "0", not silent),
    ]


def by_folder(verdicts: Iterable[Verdict]) -> Iterator[Cells]:
    """Yield a row of counts and worst errors for each folder, and one for all."""
    verdicts = list(verdicts)
    yield ("folder", "files", "as they are", "after repair", "refused", "failed", "worst pose [m]", "worst torque")
    folders = list(dict.fromkeys(verdict.folder for verdict in verdicts))
    for folder in (*folders, "all"):
        rows = [verdict for verdict in verdicts if folder in ("all", verdict.folder)]
        counts = Counter(verdict.state for verdict in rows)
        worst = (f"{_worst(rows, quantity):.1e}" for quantity in ("poses", "gravity_torques"))
        yield (folder, str(len(rows)), *(str(counts[state]) for state in STATES), *worst)


def by_quantity(verdicts: Iterable[Verdict]) -> Iterator[Cells]:
    """Yield a row for each quantity: its bar and the largest error of each engine."""
    verdicts = [verdict for verdict in verdicts if verdict.loads]
    yield ("quantity", "bar", "PyBullet", "MuJoCo")
    for quantity, bar in BARS.items():
        worst = (f"{_worst(verdicts, quantity, engine):.1e}" for engine in ("bullet", "mujoco"))
        yield (quantity.replace("_", " "), f"{bar:g}", *worst)


def _worst(verdicts: Iterable[Verdict], quantity: str, engine: str | None = None) -> float:
    found = (e[quantity] for v in verdicts for k, e in v.errors.items() if engine in (None, k) and quantity in e)
    return max(found, default=0.0)


def page(verdicts: Sequence[Verdict], versions: Mapping[str, str]) -> str:
    """Return docs/corpus.md."""
    known = ", ".join(f"{name} {version}" for name, version in versions.items())
    repairs = Counter(code for verdict in verdicts for code in set(verdict.repairs))
    refused = [v for v in verdicts if v.state == "refused"]
    mended = ((code, RULES[code].title, str(n)) for code, n in repairs.most_common())
    parts = [
        _INTRODUCTION.format(known=known),
        _markdown([("must hold", "measured", "bar"), *(row[:3] for row in bars(verdicts))]),
        "## By folder",
        _markdown(by_folder(verdicts)),
        "## Largest errors against Pinocchio",
        _QUANTITIES,
        _markdown(by_quantity(verdicts)),
        "## Repairs",
        _markdown([("code", "what is mended", "files"), *mended]),
        "## Refused",
        _markdown([("file", "cause"), *((f"{v.collection}/{v.name}", v.cause) for v in refused)]),
        *_troubles(verdicts),
    ]
    return "\n\n".join(parts) + "\n"


def _troubles(verdicts: Iterable[Verdict]) -> Iterator[str]:
    rows = [(f"{v.collection}/{v.name}", trouble) for v in verdicts if (trouble := trouble_of(v))]
    if rows:
        yield "## Missed"
        yield _markdown([("file", "what is wrong"), *rows])


def trouble_of(verdict: Verdict) -> str:
    """Return why a file counts against the bars, "" if it does not; a refusal with its cause does not."""
    silent = f"changed silently: {', '.join(verdict.silent)}" if verdict.silent else ""
    failed = verdict.cause if verdict.state == "failed" else ""
    return "; ".join(filter(None, (failed, *verdict.mismatches, silent)))


def _markdown(rows: Iterable[Cells]) -> str:
    head, *body = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


_INTRODUCTION = """\
# Corpus: any robot in, the same robot out

Made by `make corpus`, with {known}.

Every `.urdf` of two public collections. Each file is read as it stands; if that is refused, it is repaired as
`sim2real robot check --repair` does and read again. What loads is built in PyBullet and in MuJoCo by the code that
trains robots, and compared with what Pinocchio reads from the URDF that we write: at 20 random configurations inside
the limits, with random velocities and accelerations. Pinocchio also reads the file as it stands: whatever it finds
there that the robot does not have (a mass, an inertia, a limit, a place) must be named by a finding, else it counts
as a silent change. Each file is worked on in a child process of its own, so that crashes are counted."""

_QUANTITIES = """\
Poses and centre of mass [m], turns (entries of the rotation matrix), limits [rad or m]. Masses are relative; torques
relative to the largest that the joint needs at any of the configurations; the mass matrix relative to the geometric
mean of both joints' own inertias. PyBullet returns places in single precision."""
