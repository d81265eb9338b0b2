"""Lint rules for the file itself: what no engine reads, and names used for two things."""

from collections import Counter
from collections.abc import Iterator

from robots.findings import Finding
from robots.urdf.elements import Element, shorten
from robots.urdf.tree import Elements
from robots.urdf.words import UNREAD, WORDS


def ignored(document: Element) -> Iterator[Finding]:
    """Note each kind of element that is not read, once, with the count."""
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], Element] = {}
    _count(document, counts, first)
    for kind, count in counts.items():
        owner, tag = kind
        why = UNREAD.get(tag, "an extension of another tool")
        yield first[kind].finding("ignored", f"{count} element(s) <{tag[:60]}> in <{owner}> are not read: {why}")


def _count(element: Element, counts: Counter[tuple[str, str]], first: dict[tuple[str, str], Element]) -> None:
    known = WORDS[element.tag][1]
    for child in element.children:
        if child.tag in known:
            _count(child, counts, first)
        else:
            counts[element.tag, child.tag] += 1
            first.setdefault((element.tag, child.tag), child)


def name_shared(elements: Elements) -> Iterator[Finding]:
    """Note links that have the name of a joint."""
    for (tag, name), element in elements.items():
        if tag == "joint" and ("link", name) in elements:
            line = elements["link", name].line
            message = f"the link in line {line} has the same name {shorten(name)}"
            yield element.finding("name-shared", message, "say <name>_joint and <name>_link")
