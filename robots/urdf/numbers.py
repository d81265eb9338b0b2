"""Numbers as people and other programs write them, where only one reading makes sense."""

import re

NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)

_DEFAULT = re.compile(r"\$\(optenv\s+\w+\s+([^()$]*)\)")  # roslaunch's: a variable of the environment, or this
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+", re.ASCII)
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2},[0-9]{3}", re.ASCII)


def meant(text: str, count: int) -> str | None:
    """Return the `count` numbers that `text` stands for, separated by blanks; None if it has no reading, or several.

    Read are commas between numbers, decimal commas (not 1,500: a thousand?), a full stop at the end, more numbers than
    wanted (the first ones), and roslaunch's defaults.
    """
    default = _DEFAULT.fullmatch(text.strip())
    text = (default[1] if default else text).strip()
    readings = {reading for words in _readings(text, count) if (reading := _checked(words, count))}
    return readings.pop() if len(readings) == 1 else None


def _readings(text: str, count: int) -> list[list[str]]:
    text = re.sub(r"(?<=\d)(\.\d+)\.(?=[\s,]|$)", r"\1", text)
    words = text.split()
    if "," not in text:
        return [words[:count]]
    readings = [text.replace(",", " ").split()] if count > 1 else []
    if len(words) == count and all(NUMBER.fullmatch(word) or _DECIMAL_COMMA.fullmatch(word) for word in words):
        if any(_THOUSANDS.fullmatch(word) for word in words):
            return []
        readings.append([word.replace(",", ".") for word in words])
    return readings


def _checked(words: list[str], count: int) -> str:
    return " ".join(words) if len(words) == count and all(map(NUMBER.fullmatch, words)) else ""
