"""Text tables: whatever the encoding, delimiter and lines before the header, the same table; and what a bad one says."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loam.core import tables
from loam.core.errors import LoamError
from loam.core.tables import NoTableError, numbers, read_table, times

WANTED = ("station", "time", "rain")
TEXT = "station,time,rain\nA,2020-01-01,1.5\nB,2020-01-02,\n"
PATH = Path("table.csv")


def column(*fields: str, name: str = "rain") -> pd.Series:
    return pd.Series(fields, index=range(2, 2 + len(fields)), name=name, dtype=str)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", ";").replace("1.5", "1,5").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace(",", "|").encode(),
        ("# made by X, on Y\n\nLatitude: 39.1  Longitude: -96.6\n" + TEXT).encode(),
        TEXT.replace("\n", "\n\n").encode(),
        TEXT.replace("rain\n", "rain\n")
        .replace("1.5\n", "1.5,\n")
        .replace("02,\n", "02,,\n")
        .encode(),
        TEXT.replace("A,", " A ,").encode(),
    ],
    ids=[
        "utf-8",
        "mark",
        "utf-16",
        "crlf",
        "cr",
        "semicolon",
        "decimal comma",
        "tab",
        "bar",
        "preamble",
        "blank lines",
        "comma at ends",
        "space",
    ],
)
def test_one_table_however_it_is_written(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    table = read_table(tmp_path / "t.csv", WANTED, "rain")
    assert list(table.frame.columns) == list(WANTED)
    assert list(table.frame["station"]) == ["A", "B"]
    np.testing.assert_array_equal(
        numbers(table.frame["rain"], table.path, table.decimal), [1.5, np.nan]
    )
    assert list(times(table.frame["time"], table.path)) == [
        pd.Timestamp("2020-01-01"),
        pd.Timestamp("2020-01-02"),
    ]


def test_names_in_an_older_encoding_are_read_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "t.csv").write_bytes(TEXT.replace("A,", "Zürich,").encode("cp1252"))
    assert read_table(tmp_path / "t.csv", WANTED, "rain").frame["station"].iloc[0] == "Zürich"
    assert "is not UTF-8" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x00" * 40, "is empty"),
        (TEXT.encode() + b"\x00", "holds NUL bytes"),
        (TEXT.encode("utf-16-le"), "holds NUL bytes"),
        (b"PK\x03\x04rest", "is a zip or Excel file"),
        (b"\x1f\x8brest", "is compressed"),
        (b"\x89HDF\r\n", "is NetCDF or HDF5"),
        (b"<!DOCTYPE html><html></html>", "is a web page or XML"),
        (
            b"A,2020-01-01,1.5\n",
            "no line names the columns of rain; it begins with 'A,2020-01-01,1.5'",
        ),
        (TEXT.encode() + b"C,2020-01-03,1,2\n", "Expected 3 fields in line 4, saw 4"),
        (b'station,time,rain\n"A,2020-01-01,1\n', "EOF inside string"),
        (b"station,rain,rain\nA,1,2\n", "names column rain 2 times"),
    ],
)
def test_a_file_that_is_no_table_is_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(LoamError, match=said) as caught:
        read_table(tmp_path / "t.csv", WANTED, "rain")
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(LoamError, match="No such file"):
        read_table(tmp_path / "none.csv", WANTED, "rain")
    with pytest.raises(LoamError, match="Is a directory"):
        read_table(tmp_path, WANTED, "rain")


def test_only_the_wanted_columns_of_a_long_table_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "CHUNK_LINES", 2)
    (tmp_path / "t.csv").write_text("OTHER,Rain\n" + "x,1\n" * 7)
    table = read_table(tmp_path / "t.csv", WANTED, "rain", only=True)
    assert list(table.frame.columns) == ["rain"] and list(table.frame.index) == list(range(2, 9))


@pytest.mark.parametrize(
    "text", ["T", "warm", "inf", "-Infinity", "1e999", "1,234", "0x1F", "12 mm", "M", "1_000"]
)
def test_text_in_a_column_of_numbers_is_named_with_its_line(text: str) -> None:
    with pytest.raises(
        LoamError, match=r"column rain has '.*' in line 3 \(1 such\), which is no number"
    ):
        numbers(column("1", text, ""), PATH)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (("2020-01-31", "2020-02-01"), ("2020-01-31", "2020-02-01")),
        (("20200131", "20200201"), ("2020-01-31", "2020-02-01")),
        (("2020-1-31", "2020/2/1 7:05"), ("2020-01-31", "2020-02-01T07:05")),
        (("2020-01-31T00:00Z", "2020-01-31T00:00+02:00"), ("2020-01-31", "2020-01-30T22:00")),
        (("2020-01-31 24:00", "2020-02-01 01:00"), ("2020-02-01", "2020-02-01T01:00")),
        (("31/01/2020", "01/02/2020"), ("2020-01-31", "2020-02-01")),
        (("01/31/2020", "02/01/2020"), ("2020-01-31", "2020-02-01")),
        (("31.01.2020", "01.02.2020 12:00"), ("2020-01-31", "2020-02-01T12:00")),
    ],
)
def test_times_are_read_by_what_tells_them(
    fields: tuple[str, str], expected: tuple[str, str]
) -> None:
    assert list(times(column(*fields, name="time"), PATH)) == [
        pd.Timestamp(each) for each in expected
    ]


@pytest.mark.parametrize(
    "fields",
    [
        ("0000-01-01",),
        ("2020-02-30",),
        ("2020-13-01",),
        ("soon",),
        ("",),
        ("1577836800",),
        ("43831",),
        ("2020-01-01", ""),
        ("9999-01-01",),
    ],
)
def test_what_is_no_time_is_named(fields: tuple[str, ...]) -> None:
    with pytest.raises(LoamError, match="column time cannot be read"):
        times(column(*fields, name="time"), PATH)


@pytest.mark.parametrize("fields", [("01/02/2020",), ("13/01/2020", "01/13/2020")])
def test_days_that_may_be_months_are_refused(fields: tuple[str, ...]) -> None:
    with pytest.raises(LoamError, match="day and month cannot be told apart"):
        times(column(*fields, name="time"), PATH)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        st.lists(st.sampled_from(TEXT), max_size=60).map("".join).map(str.encode),
    )
)
@example(b"station,time\n\xff\xfe\n")
@example(b"station,time,rain\n,,\n")
def test_any_file_is_a_table_or_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    logging.getLogger("loam").setLevel(logging.ERROR)
    try:
        table = read_table(path, WANTED, "rain")
        for name in table.frame.columns:
            times(table.frame[name], path) if name == "time" else numbers(
                table.frame[name], path, table.decimal
            )
    except LoamError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        assert isinstance(error, NoTableError) or len(str(error)) < 400
    finally:
        logging.getLogger("loam").setLevel(logging.NOTSET)
