"""Text tables as people have them: encodings, delimiters, lines before the header, text where numbers should be."""

import codecs
import csv
import logging
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loam.core.errors import LoamError, brief

HEAD_BYTES, HEAD_LINES = 100_000, 200  # a header is looked for in so much of a file
MOST_BYTES = 4 * 10**9
CHUNK_LINES = 200_000  # read at a time: only what is asked for stays
DELIMITERS = (",", ";", "\t", "|")
MISSING = {"", "na", "nan", "n/a", "#n/a", "null", "none", "-", "--"}
# First bytes of files that are often given a table's name.
OTHERS = {
    b"PK\x03\x04": "is a zip or Excel file; unpack it, or save the sheet as CSV",
    b"\x1f\x8b": "is compressed; unpack it",
    b"\xd0\xcf\x11\xe0": "is an Excel file; save the sheet as CSV",
    b"\x89HDF": "is NetCDF or HDF5; set the kind of that source",
    b"CDF": "is NetCDF; set the kind of that source",
    b"%PDF": "is a PDF; save the table as CSV",
}


class NoTableError(LoamError):
    """A text file without a header of the kind that is looked for."""


@dataclass(frozen=True)
class Table:
    """A table as text. The frame's index is the line in the file."""

    path: Path
    frame: pd.DataFrame
    before: tuple[str, ...] = ()  # lines before the header
    decimal: str = "."


def encoding_of(path: Path) -> str:
    """How a text file is encoded: UTF-8 or UTF-16 by their marks, else UTF-8, else Windows-1252, which is told.

    Raises:
        LoamError: it cannot be opened, is empty, too large, or no text.
    """
    if path.exists() and not path.is_dir() and not path.is_file():
        msg = f"{path}: is a pipe or device, no file; name the table itself"  # opening a pipe waits for ever
        raise LoamError(msg)
    try:
        with path.open("rb") as file:
            return _encoding(path, file.read(HEAD_BYTES), iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error}); bring it again, or correct the path"
        raise LoamError(msg) from None


def _encoding(path: Path, head: bytes, rest: Iterator[bytes]) -> str:
    other = next((said for mark, said in OTHERS.items() if head.startswith(mark)), None)
    if re.match(rb"\s*<(!doctype|html|\?xml)", head[:200], re.IGNORECASE):
        other = "is a web page or XML, no table; download the data itself"
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf"):
        other = "is empty; bring it again, or remove it"
    if path.stat().st_size > MOST_BYTES:
        other = (
            f"is larger than {MOST_BYTES / 1e9:g} GB; cut it to the stations and years of the area"
        )
    if other is not None:
        msg = f"{path}: {other}"
        raise LoamError(msg)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder, encoding = codecs.getincrementaldecoder("utf-8")(), "utf-8-sig"
    for part in (head, *rest):
        if b"\x00" in part:
            msg = f"{path}: holds NUL bytes: it is damaged, binary, or UTF-16 without its mark; save it as CSV in UTF-8"
            raise LoamError(msg)
        try:
            if encoding != "cp1252":
                decoder.decode(part)
        except UnicodeDecodeError:
            logging.getLogger(__name__).warning(
                "%s: is not UTF-8; its text is read as Windows-1252", path
            )
            encoding = "cp1252"
    return encoding


def head_of(path: Path, encoding: str) -> list[str]:
    """The first lines of a text file, without their ends."""
    with path.open("rb") as file:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(
            file.read(HEAD_BYTES)
        )
    return re.split(r"\r\n|\r|\n", text)[:HEAD_LINES]


def read_table(path: Path, wanted: Collection[str], what: str, *, only: bool = False) -> Table:
    """A table with a header, as text; the header is the line that names most of the wanted columns.

    Args:
        path: the file.
        wanted: names that columns may have.
        what: the kind of table, for messages.
        only: read no other columns, in lower case: the file may be of a whole country.

    Raises:
        LoamError: no text, no header, or lines that do not fit it.
    """
    encoding = encoding_of(path)
    lines = head_of(path, encoding)
    found = _header(lines, {name.lower() for name in wanted})
    if found is None:
        first = next((line.strip() for line in lines if line.strip()), "")
        msg = f"{path}: no line names the columns of {what}; it begins with '{first[:60]}'; write a header, or remove the file"
        raise NoTableError(msg)
    row, delimiter = found
    names = fields_of(lines[row], delimiter)
    if delimiter in DELIMITERS:  # a delimiter at the end of every line but the header
        longest = len(fields_of(lines[row + 1], delimiter)) if row + 1 < len(lines) else 0
        surplus = fields_of(lines[row + 1], delimiter)[len(names) :] if longest > len(names) else []
        names += [""] * (0 if any(surplus) else len(surplus))
    twice = sorted({name for name in names if name and names.count(name) > 1} & {*wanted})
    if twice:
        msg = f"{path}: line {row + 1} names column {twice[0]} {names.count(twice[0])} times; keep one"
        raise LoamError(msg)
    chosen = [
        index for index, name in enumerate(names) if name and (not only or name.lower() in wanted)
    ]
    frame = parsed(path, encoding, delimiter, row + 1, len(names), chosen)
    frame.columns = pd.Index([names[index].lower() if only else names[index] for index in chosen])
    return Table(path, frame, tuple(lines[:row]), "," if delimiter in {";", "\t"} else ".")


def fields_of(line: str, delimiter: str) -> list[str]:
    """Fields of one line, without the space around them."""
    if delimiter == r"\s+":
        return line.split()
    try:
        return [field.strip() for field in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _header(lines: list[str], wanted: set[str]) -> tuple[int, str] | None:
    """Row and delimiter of the line with most of the wanted names, the first of equals."""
    best, found = 0, None
    for row, line in enumerate(lines):
        for delimiter in (*DELIMITERS, r"\s+"):
            names = [name.lower() for name in fields_of(line.lstrip("\ufeff"), delimiter)]
            score = len(wanted & set(names)) if len(names) > 1 else 0
            if score > best:
                best, found = score, (row, delimiter)
    return found


def parsed(
    path: Path,
    encoding: str,
    delimiter: str,
    skip: int,
    width: int,
    chosen: list[int] | None = None,
) -> pd.DataFrame:
    """Lines after the first `skip` as text in columns 0 to `width` - 1; lines without any text are left out.

    Args:
        path: the file.
        encoding: as of `encoding_of`.
        delimiter: one of `DELIMITERS`, or space.
        skip: lines before the first one.
        width: columns of a line.
        chosen: columns to keep; None: all.

    Raises:
        LoamError: a line has more columns.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            parts: Any = pd.read_csv(
                path,
                sep=delimiter,
                header=None,
                names=range(width),
                index_col=False,
                dtype=str,
                encoding=encoding,
                encoding_errors="replace",
                keep_default_na=False,
                skip_blank_lines=False,
                skiprows=skip,
                chunksize=CHUNK_LINES,
            )
            with parts:
                frame = pd.concat([part if chosen is None else part[chosen] for part in parts])
    except pd.errors.EmptyDataError:
        frame = pd.DataFrame(columns=range(width) if chosen is None else chosen, dtype=str)
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError, OverflowError) as error:
        reason = (
            "some have more"
            if isinstance(error, pd.errors.ParserWarning)
            else brief(error).removeprefix("Error tokenizing data. C error: ")
        )
        msg = f"{path}: its lines do not all have the {width} columns of its header ({reason}); correct them"
        raise LoamError(msg) from None
    frame.index = frame.index + skip + 1
    filled = frame.fillna("").apply(lambda column: column.str.strip())
    return filled[(filled != "").any(axis=1)]


def numbers(values: pd.Series, path: Path, decimal: str = ".") -> "pd.Series[float]":
    """Numbers of a column of text; empty fields and words for missing are NaN.

    Args:
        values: text, its index the line in the file, its name the column's.
        path: the file, for messages.
        decimal: "," where a number may be written with a comma.

    Raises:
        LoamError: a field is no finite number.
    """
    text = values.astype(str).str.strip()
    if decimal == ",":
        text = text.where(
            ~text.str.fullmatch(r"[-+]?\d*,\d+([eE][-+]?\d+)?"), text.str.replace(",", ".")
        )
    found = pd.to_numeric(text, errors="coerce").astype(float)
    wrong = ~np.isfinite(found) & ~text.str.lower().isin(MISSING)
    if wrong.any():
        line, value = text.index[wrong][0], text[wrong].iloc[0]
        trace = "; a trace of rain is written as 0" if value.upper() == "T" else ""
        msg = (
            f"{path}: column {values.name} has '{value[:30]}' in line {line} ({int(wrong.sum())} such), which is no number; "
            f"write numbers, and leave empty what is missing{trace}"
        )
        raise LoamError(msg)
    return found


STAMP = re.compile(
    r"(?:(?P<year>\d{4})(?:(?P<by>[-/.])(?P<month>\d{1,2})(?P=by)(?P<day>\d{1,2})|(?P<mm>\d{2})(?P<dd>\d{2}))"
    r"|(?P<first>\d{1,2})[-/.](?P<second>\d{1,2})[-/.](?P<last>\d{4}))"
    r"(?:[T ]+(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<seconds>\d{2})(?:\.\d+)?)?)?"
    r" ?(?P<zone>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
YEARS = (1850, 2200)


def times(values: pd.Series, path: Path) -> "pd.Series[pd.Timestamp]":
    """Times [UTC] of a column of text, year first; or day and month first where the column itself tells which is which.

    Raises:
        LoamError: a field is no time, or day and month cannot be told apart.
    """
    text = values.astype(str).str.strip()
    if (alike := _of_one_form(text)) is not None:
        return alike
    unique = text.unique()
    matches = {text: STAMP.fullmatch(text) for text in unique}
    wrong = next((text for text, match in matches.items() if match is None), None)
    day_first = _day_first(
        [match for match in matches.values() if match is not None and match["first"]], values, path
    )
    found = {text: _stamp(match, day_first) for text, match in matches.items() if match is not None}
    wrong = (
        wrong
        if wrong is not None
        else next((text for text, stamp in found.items() if stamp is None), None)
    )
    if wrong is not None:
        line = text.index[text == wrong][0]
        said = f"'{wrong[:30]}' in line {line}" if wrong else f"nothing in line {line}"
        msg = f"{path}: column {values.name} cannot be read ({said}); write it as 2020-01-31 or 2020-01-31T12:00"
        raise LoamError(msg)
    return pd.to_datetime(text.map(found)).astype("datetime64[ns]")


FORMS = {
    "9999-99-99": "%Y-%m-%d",
    "9999/99/99 99:99": "%Y/%m/%d %H:%M",
    "99999999": "%Y%m%d",
    "9999-99-99 99:99:99": "%Y-%m-%d %H:%M:%S",
    "9999-99-99 99:99": "%Y-%m-%d %H:%M",
    "9999-99-99T99:99:99": "%Y-%m-%dT%H:%M:%S",
    "9999-99-99T99:99": "%Y-%m-%dT%H:%M",
}


def _of_one_form(text: pd.Series) -> "pd.Series[pd.Timestamp] | None":
    """Times that are all written alike, read at once; None where some are not."""
    form = FORMS.get(re.sub(r"\d", "9", text.iloc[0])) if len(text) else None
    if form is None or text.str.len().nunique() > 1:
        return None
    found = pd.to_datetime(text, format=form, errors="coerce")
    sound = found.notna().all() and found.dt.year.between(*YEARS).all()
    return found.astype("datetime64[ns]") if sound else None


def _day_first(matches: list[re.Match[str]], values: pd.Series, path: Path) -> bool:
    days = [(int(match["first"]), int(match["second"])) for match in matches]
    first, second = any(a > 12 for a, _ in days), any(b > 12 for _, b in days)
    if days and first == second:
        msg = f"{path}: column {values.name} has '{matches[0][0][:30]}', where day and month cannot be told apart; write it as 2020-01-31"
        raise LoamError(msg)
    return first


def _stamp(match: re.Match[str], day_first: bool) -> np.datetime64 | None:
    """Time [UTC] of one field; None where there is no such day or hour."""
    if match["first"]:
        day, month = (
            (match["first"], match["second"]) if day_first else (match["second"], match["first"])
        )
        year = match["last"]
    else:
        year, month, day = match["year"], match["month"] or match["mm"], match["day"] or match["dd"]
    hour, minute, seconds = (int(match[name] or 0) for name in ("hour", "minute", "seconds"))
    if (
        not YEARS[0] <= int(year) <= YEARS[1]
        or minute > 59
        or seconds > 59
        or hour > 24
        or (hour == 24 and minute + seconds)
    ):
        return None
    try:
        start = np.datetime64(f"{year}-{int(month):02d}-{int(day):02d}", "ns")
    except ValueError:
        return None
    ahead = 0
    if zone := re.fullmatch(r"([+-])(\d{2}):?(\d{2})?", match["zone"] or ""):
        ahead = (60 * int(zone[2]) + int(zone[3] or 0)) * (1 if zone[1] == "+" else -1)
    return start + np.timedelta64(3600 * hour + 60 * (minute - ahead) + seconds, "s")
