"""From a Randomization's YAML to terms: read, checked, and refused with everything that is wrong in one error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from randomization.correlated import AnyTogether, Samples
from randomization.entries import Entry
from randomization.patterns import expand, unmatched
from randomization.problems import problems
from randomization.sample_files import with_rows
from randomization.terms import Term
from randomization.variant import VariantSpace
from robots import Robot
from sim2real.config import Strict, attempt
from sim2real.errors import RandomizationError


class Fits(Strict):
    """Which robots a Randomization fits that is not for a single one; what is left out may be anything.

    base: floating, or bolted to the world; motors: what all motors are commanded in
    """

    base: Literal["floating", "fixed"] | None = None
    motors: Literal["position", "velocity", "effort"] | None = None


class RandomizationFile(Strict):
    """The contents of a Randomization's YAML; entries are validated one by one, so that all mistakes are found."""

    robot: str | None = Field(default=None, description="name of the one robot that this is for")
    fits: Fits | None = Field(default=None, description="or which robots it fits")
    quantities: dict[str, Any] = Field(default_factory=dict)
    correlated: tuple[Any, ...] = ()

    @model_validator(mode="after")
    def _for_some_robot(self) -> "RandomizationFile":
        if (self.robot is None) == (self.fits is None):
            raise ValueError("give either robot (a name) or fits (a mapping), which says what robots this is for")
        return self


class _Quantities(Strict):
    quantities: dict[str, Entry]


class _Correlated(Strict):
    correlated: tuple[AnyTogether, ...]


def read_terms(
    data: dict[str, Any], space: VariantSpace, robot: Robot, source: str, folder: Path | None, episode_s: float | None
) -> tuple[Term, ...]:
    """Return the terms of a Randomization's plain `data`; raise RandomizationError with all that is wrong.

    source: named in errors; folder: where files named in the data lie, None if there can be none
    episode_s: delays must end within an episode of this length [s], if given
    """
    file, wrong = attempt(RandomizationFile, data)
    if file is None:
        raise RandomizationError(f"{source}: {'; '.join(wrong)}")
    if misfit := _misfit(file, robot):
        raise RandomizationError(f"{source}: {misfit}")
    reading = _Reading(space, robot, folder)
    terms = (*reading.quantities(file.quantities), *reading.correlated(file.correlated))
    wrong = [*reading.wrong, *problems(terms, space, robot, episode_s)]
    if reading.unknown:
        wrong.append(f"{robot.name} has {', '.join(space.patterns)}")
    if wrong:
        raise RandomizationError(f"{source}: {'; '.join(wrong)}")
    return terms


def _misfit(file: RandomizationFile, robot: Robot) -> str | None:
    """Say why a Randomization is not for a robot."""
    if file.fits is None:
        same = file.robot == robot.name
        return None if same else f"robot: this Randomization is for '{file.robot}', the robot is '{robot.name}'"
    base, motors = "fixed" if robot.fixed_base else "floating", dict.fromkeys(robot.modes)
    if file.fits.base not in (None, base):
        return f"fits.base: this is for robots with a {file.fits.base} base, that of '{robot.name}' is {base}"
    if file.fits.motors is not None and list(motors) != [file.fits.motors]:
        modes = " and ".join(motors) or "nothing"
        return (
            f"fits.motors: this is for motors commanded in {file.fits.motors}, those of '{robot.name}' are in {modes}"
        )
    return None


class _Reading:
    """Reads entries one by one; collects what is wrong, and whether a name was unknown."""

    def __init__(self, space: VariantSpace, robot: Robot, folder: Path | None) -> None:
        self._space, self._robot, self._folder = space, robot, folder
        self.wrong: list[str] = []
        self.unknown = False

    def quantities(self, entries: dict[str, Any]) -> Iterator[Term]:
        """Yield a term for each sound entry of the section `quantities`."""
        for pattern, data in entries.items():
            key = f"quantities.{pattern}"
            model, wrong = attempt(_Quantities, {"quantities": {pattern: data}})
            self.wrong += wrong
            columns = self._expand(pattern, key)
            if model is not None and columns:
                yield Term(key, tuple(columns), model.quantities[pattern])

    def correlated(self, entries: tuple[Any, ...]) -> Iterator[Term]:
        """Yield a term for each sound entry of the section `correlated`."""
        for index, data in enumerate(entries):
            key = f"correlated.{index}"
            model, wrong = attempt(_Correlated, {"correlated": [data]})
            self.wrong += [problem.replace("correlated.0", key, 1) for problem in wrong]
            if model is not None:
                yield from self._together(model.correlated[0], key)

    def _together(self, law: Any, key: str) -> Iterator[Term]:
        found = [self._expand(pattern, f"{key}.names.{place}") for place, pattern in enumerate(law.names)]
        if not all(found):
            return
        columns = tuple(column for several in found for column in several)
        law = law.model_copy(update={"names": tuple(self._space.names[column] for column in columns)})
        if isinstance(law, Samples):
            try:
                law = with_rows(law, self._folder)
            except RandomizationError as error:
                self.wrong.append(f"{key}.file: {error}")
                return
        if law.width != len(columns):
            self.wrong.append(f"{key}: names stand for {len(columns)} coordinates, its numbers for {law.width}")
        else:
            yield Term(key, columns, law)

    def _expand(self, pattern: str, key: str) -> list[int]:
        columns = expand(pattern, self._space, self._robot)
        if not columns:
            self.unknown = True
            self.wrong.append(f"{key}: {unmatched(pattern, self._space, self._robot)}")
        return columns
