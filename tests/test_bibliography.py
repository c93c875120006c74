"""Every source that code, settings and documentation cite is in the bibliography."""

import re
from pathlib import Path

import pytest
from helpers import REPOSITORY

ENTRIES = re.findall(r"^- (.*)$", (REPOSITORY / "docs/bibliography.md").read_text(), re.M)
# A name, perhaps of several people, and a year.
CITED = re.compile(
    r"\b([A-ZÀ-Ž][A-Za-zÀ-ž-]{2,})(?: et al\.| (?:&|and) [A-ZÀ-Ž][A-Za-zÀ-ž-]+)?,? \(?((?:19|20)\d\d)\b(?!-\d)"
)
# Words that stand before a year and are no authors.
NO_AUTHORS = {"WorldCover", "Sensing", "Water", "Science", "Sentinel", "Bulletin"}
NO_AUTHORS |= {"January", "February", "March", "April", "May", "June", "July", "August"}
NO_AUTHORS |= {"September", "October", "November", "December", "Python", "NLCD", "Since", "Until"}


def texts() -> list[Path]:
    found = [*(REPOSITORY / "src/loam").rglob("*.py"), REPOSITORY / "config/default.yaml"]
    found += [*(REPOSITORY / "workflow/report").glob("*.rst"), REPOSITORY / "README.md"]
    return [*found, REPOSITORY / "docs/science.md", REPOSITORY / "docs/validation.md"]


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_cited_is_in_the_bibliography(path: Path) -> None:
    cited = {match for match in CITED.findall(path.read_text()) if match[0] not in NO_AUTHORS}
    missing = {
        f"{name} {year}"
        for name, year in cited
        if not any(name in entry and f" {year}" in entry for entry in ENTRIES)
    }
    assert not missing


def test_every_identifier_in_the_code_is_that_of_an_entry() -> None:
    bibliography = (REPOSITORY / "docs/bibliography.md").read_text()
    code = "".join(path.read_text() for path in texts())
    found = re.findall(r"doi (10\.[0-9]{4,}/[^\s),;]+[^\s),;.])", code)
    assert found
    assert not [each for each in set(found) if each not in bibliography]
