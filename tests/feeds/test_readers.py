"""Each format returns its rows as text by column, and reports malformed rows."""

import datetime
import json
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from perfectlook.errors import FeedError
from perfectlook.feeds.readers import FORMATS, as_text, check_packing, format_of, listed
from perfectlook.feeds.rows import FeedRow, UnreadableRow


def rows(path: Path, content: str | bytes, id_column: str = "id") -> list[FeedRow | UnreadableRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(format_of(str(path)).read(path, id_column))


def values(found: Iterable[FeedRow | UnreadableRow]) -> list[dict[str, str]]:
    return [dict(row.values) for row in found if isinstance(row, FeedRow)]


def unreadable(found: Iterable[FeedRow | UnreadableRow]) -> list[tuple[int, str | None]]:
    return [(row.number, row.id) for row in found if isinstance(row, UnreadableRow)]


def test_the_suffix_decides_the_format_unless_it_is_given(tmp_path: Path) -> None:
    assert format_of("a.CSV") is FORMATS["csv"]
    assert format_of("a.txt") is FORMATS["tsv"]
    assert format_of("a.txt", "jsonl") is FORMATS["jsonl"]
    with pytest.raises(
        FeedError, match=r"a\.doc: unknown suffix \(known: \.csv, .*Name the format with --format"
    ):
        format_of("a.doc")
    with pytest.raises(FeedError, match=r"a\.csv: unknown format 'excel'\. Choose one of: csv, tsv"):
        format_of("a.csv", "excel")


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("text/csv", "csv"),
        ("text/tab-separated-values", "tsv"),
        ("application/x-ndjson", "jsonl"),
        ("application/rss+xml", "xml"),
        ("text/plain", "tsv"),
        ("", "tsv"),
    ],
)
def test_a_fetched_feed_has_the_format_of_its_media_type_or_url(media_type: str, name: str) -> None:
    assert format_of("https://shop.example/feed.txt", None, media_type) is FORMATS[name]
    assert format_of("https://shop.example/feed.txt", "jsonl", media_type) is FORMATS["jsonl"]


@pytest.mark.parametrize("separator", [",", ";", "|"])
def test_csv_uses_the_most_frequent_separator_of_the_header(separator: str, tmp_path: Path) -> None:
    lines = [["id", "title", "price"], ["1", '"a, b; c | ""d"""', "4"], ["2", "", "=1+1"]]
    found = rows(tmp_path / "f.csv", "\r\n".join(separator.join(line) for line in lines) + "\r\n")
    assert values(found) == [
        {"id": "1", "title": 'a, b; c | "d"', "price": "4"},
        {"id": "2", "title": "", "price": "=1+1"},
    ]


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path: Path) -> None:
    assert values(rows(tmp_path / "f.csv", b"\xef\xbb\xbfid,title\n1,\xc3\xa9\n")) == [
        {"id": "1", "title": "é"}
    ]
    assert values(rows(tmp_path / "f.jsonl", b'\xef\xbb\xbf{"id": 1}\n')) == [{"id": "1"}]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_another_encoding_is_refused_naming_the_byte(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(
        FeedError, match=r"f\.\w+, line 2: byte 7 \(0xE9, after '1,\"caf'\) is not UTF-8\. Save"
    ):
        rows(tmp_path / f"f.{suffix}", 'id,title\n1,"café"\n'.encode("latin-1"))
    with pytest.raises(FeedError, match=r"is damaged UTF-16\. Save it as UTF-8"):
        rows(tmp_path / f"f.{suffix}", "id\ttitle,\n1\tcafé,\n".encode("utf-16") + b"\x00")


def test_utf_16_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """Spreadsheets write it as "Unicode text"."""
    for encoding in ("utf-16-le", "utf-16-be"):
        content = ("\ufeffid\ttitle\r\n1\tcafé\r\n").encode(encoding)
        assert values(rows(tmp_path / "f.txt", content)) == [{"id": "1", "title": "café"}]


@pytest.mark.parametrize(
    ("start", "name"),
    [
        ('<?xml version="1.0"?><rss/>', "xml"),
        ("\n \ufeff<rss/>", "xml"),
        ('{"id": 1}', "jsonl"),
        ("PAR1", "parquet"),
        ("id\ttitle\n", "tsv"),
        ("id,title\n", "csv"),
    ],
)
def test_the_content_decides_where_the_name_or_the_server_is_wrong(start: str, name: str) -> None:
    assert (
        format_of("https://shop.example/export", None, "application/octet-stream", start.encode())
        is (FORMATS[name])
    )
    if name in ("xml", "jsonl", "parquet"):
        assert format_of("feed.csv", None, "text/csv", start.encode()) is FORMATS[name]
        assert format_of("feed.csv", None, "", start.encode("utf-16")) is FORMATS[name]
    else:
        assert format_of(f"feed.{name}", None, "application/xml", start.encode()) is FORMATS[name]
    assert format_of("feed", "csv", "", start.encode()) is FORMATS["csv"]


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"<!DOCTYPE html><html>", "is a web page, not a feed"),
        (b"PK\x03\x04\x14", "is a zip file or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a zip file or an Excel workbook"),
        (b"BZh91AY", "is packed twice, or in another way than gzip"),
        (b"\x1f\x8b\x08", "is packed twice, or in another way than gzip"),
        (b"%PDF-1.4", "is a PDF"),
        (b'[{"id": 1}]', "is one JSON list. Write one object on each line"),
    ],
)
def test_files_that_are_no_feeds_are_refused_by_name(start: bytes, reason: str) -> None:
    with pytest.raises(FeedError, match=rf"^feed\.csv: {reason}"):
        format_of("feed.csv", None, "text/csv", start)


def test_rows_with_tabs_may_lack_their_last_columns(tmp_path: Path) -> None:
    found = rows(tmp_path / "f.tsv", 'id\ttitle\tprice\tsale\n1\ta\n2\tb\t4\n3\t"c\n4\td\t5')
    assert values(found) == [
        {"id": "1", "title": "a", "price": "", "sale": ""},
        {"id": "2", "title": "b", "price": "4", "sale": ""},
    ]
    assert unreadable(found) == [(4, "3"), (5, "4")]  # a quotation mark, and a row that may be cut


def test_rows_with_another_number_of_columns_are_reported(tmp_path: Path) -> None:
    found = rows(tmp_path / "f.csv", "id,title\n1,a\n2\n\n3,b,c\n4,d\n")
    assert [row.number for row in found] == [2, 3, 5, 6]
    assert unreadable(found) == [(3, "2"), (5, "3")]
    assert isinstance(found[2], UnreadableRow)
    assert found[2].reason == "has 3 columns, but the header has 2. Check its quotation marks."


def test_a_title_may_span_lines_and_numbers_are_those_of_lines(tmp_path: Path) -> None:
    found = rows(tmp_path / "f.csv", 'id,title\n1,"a\nb"\n2,c\n')
    assert [(row.number, row.values["title"]) for row in found if isinstance(row, FeedRow)] == [
        (3, "a\nb"),
        (4, "c"),
    ]


def test_rows_after_an_open_quotation_mark_are_read(tmp_path: Path) -> None:
    content = 'id,title,price\n1,"open,1\n2,b,2\n3,"c",3\n4,"open too,4\n5,e,5\n'
    found = rows(tmp_path / "f.csv", content)
    assert [row["id"] for row in values(found)] == ["2", "3", "5"]
    assert unreadable(found) == [(2, "1"), (5, "4")]


def test_an_open_quotation_mark_in_a_long_file_loses_one_row(tmp_path: Path) -> None:
    content = 'id,title\n1,"open\n' + "".join(f"{i},{'x' * 50}\n" for i in range(2, 10_000))
    found = rows(tmp_path / "f.csv", content)
    assert (len(values(found)), unreadable(found)) == (9_998, [(2, "1")])


def test_the_id_of_a_malformed_row_is_known_only_in_the_first_column(tmp_path: Path) -> None:
    assert unreadable(rows(tmp_path / "f.csv", "title,id\na,b,1\n")) == [(2, None)]
    assert unreadable(rows(tmp_path / "f.csv", "sku,title\n1,a,b\n", id_column="sku")) == [(2, "1")]


def test_inches_in_a_tsv_are_not_quotation_marks(tmp_path: Path) -> None:
    found = rows(tmp_path / "f.tsv", 'id\ttitle\n1\t5" pot\n2\t"Big" pot\n3\t"a\tb"\n')
    assert [row["title"] for row in values(found)] == ['5" pot', '"Big" pot', "a\tb"]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"no header in the first line\. Add a line"):
        rows(tmp_path / "f.csv", "")


def test_a_header_with_an_open_quotation_mark_says_so(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"f\.csv: the header has an open quotation mark\. Double or"):
        rows(tmp_path / "f.csv", 'id,"title,image_link\n1,a,1.jpg\n')


def test_json_lines_keep_numbers_as_they_are_written(tmp_path: Path) -> None:
    entry = '{"g:ID": 7, "price": 49.90, "on": true, "off": null, "tags": ["a", 1.50], "Big": 1%s}' % (
        "0" * 30
    )
    found = rows(
        tmp_path / "f.jsonl", f'{entry}\n\n{{"id": "8", "price": {{"value": 5, "currency": "EUR"}}}}\n'
    )
    assert values(found) == [
        {
            "id": "7",
            "price": "49.90",
            "on": "true",
            "off": "",
            "tags": '["a", "1.50"]',
            "big": "1" + "0" * 30,
        },
        {"id": "8", "price": "5 EUR"},
    ]


def test_malformed_json_lines_are_reported_with_their_id(tmp_path: Path) -> None:
    content = '{"id": "1"}\n{"id": "2", "title": }\n[1]\n{"id": "4"\n' + "[" * 100_000 + '\n{"id": "5"}\n'
    found = rows(tmp_path / "f.jsonl", content)
    assert [row["id"] for row in values(found)] == ["1", "5"]
    assert unreadable(found) == [(2, "2"), (3, None), (4, "4"), (5, None)]


def test_parquet_values_become_text(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {
            "ID": [1, 2],
            "price": [Decimal("49.90"), None],
            "weight": [0.1, 2.0],
            "since": [datetime.date(2024, 5, 1), None],
            "tags": [["a"], []],
            "raw": [b"caf\xc3\xa9", b"caf\xe9"],
        }
    )
    parquet.write_table(table, tmp_path / "f.parquet")
    good, bad = format_of("f.parquet").read(tmp_path / "f.parquet", "id")
    assert isinstance(good, FeedRow)
    assert good.values == {
        "id": "1",
        "price": "49.90",
        "weight": "0.1",
        "since": "2024-05-01",
        "tags": '["a"]',
        "raw": "café",
    }
    assert isinstance(bad, UnreadableRow)
    assert "not UTF-8" in bad.reason
    with pytest.raises(FeedError, match="not a Parquet file"):
        rows(tmp_path / "g.parquet", b"PAR1 not really")


ITEM = """<item><title>plain</title><g:title>A chair</g:title><g:id>{}</g:id><g:price>49.90 EUR</g:price>
<g:shipping><g:country>DE</g:country></g:shipping><description><![CDATA[<b>nice</b>]]></description></item>"""
RSS = '<?xml version="1.0"?><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>{}'


def test_items_of_an_rss_channel_are_rows(tmp_path: Path) -> None:
    items = "".join(ITEM.format(i) for i in range(3))
    found = rows(tmp_path / "f.xml", RSS.format(items) + "</channel></rss>")
    assert values(found)[2] == {
        "title": "A chair",
        "id": "2",
        "price": "49.90 EUR",
        "description": "<b>nice</b>",
        "shipping_country": "DE",
    }
    assert [row.number for row in found] == [1, 2, 3]


def test_entries_of_an_atom_feed_are_rows(tmp_path: Path) -> None:
    content = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>'
        '<entry><g:id>1</g:id><title>A</title><link rel="self" href="x"/>'
        '<link href="https://shop.example/1"/></entry></feed>'
    )
    assert values(rows(tmp_path / "f.atom", content)) == [
        {"id": "1", "title": "A", "link": "https://shop.example/1"}
    ]


@pytest.mark.parametrize(
    "start",
    [
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE rss SYSTEM "http://127.0.0.1/x.dtd">',
        '<!DOCTYPE rss [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]>',
    ],
)
def test_document_types_and_entities_are_refused(start: str, tmp_path: Path) -> None:
    content = f"{start}<rss><channel><item><id>&x;</id></item></channel></rss>"
    with pytest.raises(FeedError, match="declares a document type or an entity, which is not allowed"):
        rows(tmp_path / "f.xml", content)


def test_truncated_xml_gives_the_rows_before_the_break(tmp_path: Path) -> None:
    *good, bad = rows(tmp_path / "f.xml", RSS.format(ITEM.format(1) + ITEM.format(2) + "<item><g:id>3"))
    assert [row["id"] for row in values(good)] == ["1", "2"]
    assert isinstance(bad, UnreadableRow)
    assert (bad.number, bad.is_end) == (3, True)


def test_xml_with_a_wrong_encoding_is_refused(tmp_path: Path) -> None:
    text = RSS.format("<item><g:id>café</g:id></item>") + "</channel></rss>"
    with pytest.raises(FeedError, match=r"f\.xml, line 1: byte \d+ \(0xE9, .*\) is not UTF-8"):
        rows(tmp_path / "f.xml", text.encode("latin-1"))
    declared = text.replace('"1.0"?', '"1.0" encoding="ISO-8859-1"?').encode("latin-1")
    assert values(rows(tmp_path / "f.xml", declared)) == [{"id": "café"}]
    with pytest.raises(FeedError, match="has an unknown encoding"):
        rows(tmp_path / "f.xml", text.replace('"1.0"?', '"1.0" encoding="klingon"?'))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "xml"])
def test_a_missing_feed_is_an_error(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"f.{suffix}"
    with pytest.raises(FeedError, match=rf"f\.{suffix}: no such file\. Check the path\."):
        list(format_of(str(path)).read(path, "id"))


def test_nested_values_are_json() -> None:
    assert as_text({"a": [1, None]}) == json.dumps({"a": [1, None]})


def read_with_peak(path: Path) -> tuple[int, int]:
    """The number of rows of a feed, and the peak of Python's memory in bytes."""
    tracemalloc.start()
    try:
        count = sum(isinstance(row, FeedRow) for row in format_of(path.name).read(path, "id"))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "around", ["<rss><channel>{}</channel></rss>", "<a><b>{}</b></a>", "<feed>{}</feed>"]
)
def test_elements_around_items_are_freed(around: str, tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(around.format("<x><y/>text</x>" * 20_000 + "<item><id>1</id></item>"))
    count, peak = read_with_peak(path)
    assert count == 1
    assert peak < 2**20


def reason_of_the_end(path: Path, later: str) -> str:
    """The reason why an XML feed ends after its first item."""
    path.write_text(f"<rss><item><id>1</id></item>{later}</rss>")
    row, end = format_of("feed.xml").read(path, "id")
    assert isinstance(row, FeedRow)
    assert isinstance(end, UnreadableRow)
    assert end.is_end
    return end.reason


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param("<x/>" * 2**21, marks=pytest.mark.long),
        "x" * 2**23,
        pytest.param("<x>" * 2**21, marks=pytest.mark.long),
    ],
)
def test_an_endless_item_ends_the_feed(inside: str, tmp_path: Path) -> None:
    reason = reason_of_the_end(tmp_path / "feed.xml", f"<item><id>2</id>{inside}</item>")
    assert "an item is larger than 4,194,304 bytes" in reason


@pytest.mark.parametrize("each", ["<n{0}/>", "<x n{0}='1'/>", "<x xmlns:n{0}='u'/>"])
def test_endless_names_end_the_feed(each: str, tmp_path: Path) -> None:
    names = "".join(map(each.format, range(30_000)))
    reason = reason_of_the_end(tmp_path / "feed.xml", f"{names}<item><id>2</id></item>")
    assert reason == "has far more names of elements than feeds have. Export the feed again."


def test_a_row_without_an_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfectlook.feeds.readers._MAX_LINES", 1_000)
    path = tmp_path / "feed.csv"
    path.write_text('id,title\n1,"a\n' + '","a\n' * 6_000)
    count, peak = read_with_peak(path)
    assert count == 0
    assert peak < 400_000
    bad = next(format_of("feed.csv").read(path, "id"))
    assert isinstance(bad, UnreadableRow)
    assert (bad.number, bad.id) == (2, "1")
    assert "malformed row (it spans more than 1,000 lines). Check its quotation marks." in bad.reason


def test_rows_that_all_do_not_end_end_the_feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line opens a text that no line closes. Reading again from each would take hours."""
    monkeypatch.setattr("perfectlook.feeds.readers._MAX_GIVEN_BACK", 10_000)
    found = rows(tmp_path / "feed.csv", "id,title\n" + 'x","y\n' * 1_000)
    assert len(found) < 15
    assert isinstance(found[-1], UnreadableRow)
    assert found[-1].is_end
    assert found[-1].reason.startswith("too many rows do not end.")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_a_file_without_line_ends_is_not_read_into_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"feed.{suffix}"
    path.write_text("x" * 2**24)
    with pytest.raises(FeedError, match=r"a line has more than 16,777,216 characters\. Export"):
        list(format_of(path.name).read(path, "id"))


def test_texts_that_a_parquet_file_repeats_are_held_once(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    once = pyarrow.array(["x" * 500_000, "y"])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0, 1, None] * 1_000, pyarrow.int32()), once)
    parquet.write_table(pyarrow.table({"id": column}), tmp_path / "feed.parquet", compression="gzip")
    count, peak = read_with_peak(tmp_path / "feed.parquet")
    assert count == 3_000
    assert peak < 8 * 2**20
    rows = list(format_of("feed.parquet").read(tmp_path / "feed.parquet", "id"))
    assert [len(row.values["id"]) for row in rows[:3] if isinstance(row, FeedRow)] == [500_000, 1, 0]


def test_columns_that_unpack_suspiciously_are_refused_unread(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    many = pyarrow.table({"id": ["1"], **{f"title {n}": ["x" * (33 * 2**20)] for n in range(2)}})
    parquet.write_table(many, tmp_path / "a.parquet", use_dictionary=False, compression="zstd")
    with pytest.raises(
        FeedError,
        match=r"row group 1 unpacks from .* to 69,.* bytes, most of them in column 'title \d'\. Remove",
    ):
        list(format_of("a.parquet").read(tmp_path / "a.parquet", "id"))
    with pytest.raises(FeedError, match=r"unpacks to more than 1,000 bytes\. Pass a larger --max-feed"):
        list(format_of("a.parquet").read(tmp_path / "a.parquet", "id", most=1_000))
    listed = pyarrow.table({"id": ["1", "2"], "links": [[0] * 10_001, [1, 2]]})
    parquet.write_table(listed, tmp_path / "b.parquet")
    rows = [row.values for row in format_of("b.parquet").read(tmp_path / "b.parquet", "id")]  # type: ignore[union-attr]
    assert rows == [{"id": "1", "links": ""}, {"id": "2", "links": "[1, 2]"}]


def test_memory_is_measured_because_the_sizes_in_a_file_may_be_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    bomb = pyarrow.table({"id": ["1"], **{f"title {n}": ["x" * 2**24] for n in range(4)}})
    parquet.write_table(bomb, tmp_path / "a.parquet", use_dictionary=False, compression="zstd")
    with pytest.raises(FeedError, match="row group 1"):
        check_packing(tmp_path / "a.parquet", parquet.read_metadata(tmp_path / "a.parquet"), [False] * 5)
    monkeypatch.setattr("perfectlook.feeds.readers.check_packing", lambda *_: None)
    monkeypatch.setattr("perfectlook.feeds.readers._MAX_HELD", 2**24)
    before = pyarrow.total_allocated_bytes()
    with pytest.raises(FeedError, match=r"column 'title \d' unpacks to too much\. Remove it"):
        list(format_of("a.parquet").read(tmp_path / "a.parquet", "id"))
    assert pyarrow.total_allocated_bytes() == before


def test_a_value_that_python_cannot_hold_is_an_error_of_its_row(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    days = pyarrow.array([20_000, 2**31 - 1, None], pyarrow.int32()).cast(pyarrow.date32())
    stray = pyarrow.Array.from_buffers(  # \xff is not UTF-8
        pyarrow.string(),
        3,
        [None, pyarrow.array([0, 1, 2, 3], pyarrow.int32()).buffers()[1], pyarrow.py_buffer(b"a\xffc")],
    )
    for name, column in (("days", days), ("texts", stray)):
        table = pyarrow.table({"id": ["1", "2", "3"], name: column})
        parquet.write_table(table, tmp_path / "a.parquet")
        first, bad, last = format_of("a.parquet").read(tmp_path / "a.parquet", "id")
        assert isinstance(first, FeedRow)
        assert isinstance(bad, UnreadableRow)
        assert isinstance(last, FeedRow)
        assert (bad.number, bad.id) == (2, "2")
        assert "cannot be read" in bad.reason or "not UTF-8" in bad.reason


def test_floats_of_parquet_are_written_as_people_do(tmp_path: Path) -> None:
    """pandas makes floats of integers with gaps, and a float32 has only seven digits."""
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    columns = {
        "id": pyarrow.array([1.0, None, 4006381333931.0]),
        "price": pyarrow.array([49.9, 0.1, 16777216.0], pyarrow.float32()),
        "weight": pyarrow.array([0.1 + 0.2, float("nan"), 1e-7]),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert [
        tuple(row.values()) for row in values(format_of("a.parquet").read(tmp_path / "a.parquet", "id"))
    ] == [
        ("1", "49.9", "0.3"),
        ("", "0.1", ""),
        ("4006381333931", "16777216", "0.0000001"),
    ]


def rows_and_problems(
    folder: Path, name: str, content: str
) -> tuple[list[str], list[tuple[int, str | None]]]:
    """Return the titles of the rows, and the number and id of every row that is refused or doubtful."""
    (folder / name).write_text(content, encoding="utf-8")
    found = list(format_of(name).read(folder / name, "id"))
    titles = [each.values["title"] for each in found if isinstance(each, FeedRow)]
    doubtful = [
        (each.number, each.values["id"] if isinstance(each, FeedRow) else each.id)
        for each in found
        if isinstance(each, UnreadableRow) or each.note
    ]
    return titles, doubtful


OPEN = (
    'id,title,image_link,category\n1,"Big Ben wall clock,s1.jpg,Sofas\n2,Rug,r1.jpg,Rugs\n'
    '3,Clock 12",s3.jpg,Sofas\n4,Sofa,s2.jpg,Sofas\n'
)


def test_a_title_that_opens_a_quotation_mark_swallows_no_row(tmp_path: Path) -> None:
    assert rows_and_problems(tmp_path, "a.csv", OPEN) == (["Rug", 'Clock 12"', "Sofa"], [(2, "1")])
    in_tabs = rows_and_problems(tmp_path, "a.txt", OPEN.replace(",", "\t"))
    assert in_tabs == (['"Big Ben wall clock', "Rug", 'Clock 12"', "Sofa"], [(2, "1")])


@pytest.mark.parametrize(
    "content",
    [
        OPEN.replace("\n3,", "\nC 3,").replace("\n2,", "\nB 2,").replace("\n1,", "\nA 1,"),  # ids with spaces
        OPEN.replace(
            "s3.jpg,Sofas", 's3.jpg,"Sofas, red"'
        ),  # a quoted separator in the row that closes the text
        OPEN.replace("Sofas\n", "Sofas,\n").replace("Rugs", "Rugs,"),  # a separator after the last column
    ],
)
def test_rows_are_not_swallowed_either_where_they_look_different(content: str, tmp_path: Path) -> None:
    titles, doubtful = rows_and_problems(tmp_path, "a.csv", content)
    assert titles == ["Rug", 'Clock 12"', "Sofa"]
    assert [number for number, _ in doubtful] == [2]


def test_texts_of_several_lines_are_read(tmp_path: Path) -> None:
    lines = "\n".join(["<p>Oak, oiled, seats three, grey</p>"] * 4_000)
    assert len(lines) > 140_000
    content = f'id,title,image_link,category\n1,"{lines}",1.jpg,Sofas\n2,"a\nb",2.jpg,Sofas\n'
    assert rows_and_problems(tmp_path, "a.csv", content) == ([lines, "a\nb"], [])
    content = 'id\ttitle\timage_link\n1\t"a, b\nc"\t1.jpg\n'
    assert rows_and_problems(tmp_path, "a.tsv", content) == (["a, b\nc"], [])


@pytest.mark.parametrize(
    "content",
    [
        "id;title;price\n1;a;10 EUR;\n2;b;10 EUR;\n",
        "id;title;price;;\n1;a;10 EUR;;\n2;b;10 EUR\n",
        "sep=;\nid;title;price\n1;a;1\n2;b;2\n",
        '"SEP=;";;\nid;title;price\n1;a;1\n2;b;2\n',
        "\nid;title;price\n1;a;1\n2;b;2\n",
        'id, title, price\n1, "a", 1\n2, b, 2\n\x1a',
        "id,title,price\r1,a,1\r2,b,2\r",
    ],
)
def test_habits_of_spreadsheets_are_read(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content, encoding="utf-8", newline="")
    rows = list(format_of("a.csv").read(tmp_path / "a.csv", "id"))
    assert [isinstance(each, FeedRow) and each.values["title"] for each in rows] == ["a", "b"]
    is_second = content.lower().startswith(("sep", '"sep', "\n"))
    assert [each.number for each in rows] == ([3, 4] if is_second else [2, 3])


def test_the_wrong_separator_names_the_format(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\ttitle\n1\ta\n", encoding="utf-8")
    with pytest.raises(FeedError, match=r"separated by tabs\. Pass --format tsv\."):
        list(format_of("a.csv").read(tmp_path / "a.csv", "id"))
    (tmp_path / "a.txt").write_text("id,title\n1,a\n", encoding="utf-8")
    with pytest.raises(FeedError, match=r"not separated by tabs\. Pass --format csv\."):
        list(format_of("a.txt").read(tmp_path / "a.txt", "id"))


def test_xml_of_many_shops(tmp_path: Path) -> None:
    entry = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="https://base.google.com/ns/1.0"><entry>'
        "<id>https://shop.example/1</id><title>Big <b>oak</b> sofa</title><g:id>1</g:id>"
        "<g:additional_image_link>2.jpg</g:additional_image_link>"
        "<g:additional_image_link>3.jpg</g:additional_image_link></entry></feed>"
    )
    plain = "<products><product><id>1</id><product>part</product></product></products>"
    for content, values in (
        (entry, {"id": "1", "title": "Big oak sofa", "additional_image_link": "2.jpg, 3.jpg"}),
        (plain, {"id": "1", "product": "part"}),
    ):
        (tmp_path / "a.xml").write_text(content, encoding="utf-8")
        (row,) = format_of("a.xml").read(tmp_path / "a.xml", "id")
        assert isinstance(row, FeedRow)
        assert row.values == values


def test_nan_is_no_value(tmp_path: Path) -> None:
    found = rows(tmp_path / "a.jsonl", '{"id": 1, "price": NaN, "x": -Infinity, "y": [null, "a", [], NaN]}\n')
    assert values(found) == [{"id": "1", "price": "", "x": "", "y": '["a"]'}]
    assert (listed('[NaN, [null], "a"]'), listed("[]"), listed('{"a": 1}')) == (["a"], [], [{"a": 1}])
    assert (listed("[Sale] Sofa"), listed("[" * 100_000), listed("5")) == (None, None, None)


def test_nested_elements_of_xml_are_fields_of_their_own(tmp_path: Path) -> None:
    items = (
        "<product><id>1</id><images><image>a.jpg</image><image>b.jpg</image></images>"
        '<price currency="EUR">49.90</price><shipping><price>4.95 EUR</price><country>DE</country></shipping>'
        "<categories><category>Sofas</category><category>Sale</category></categories></product>"
    )
    assert values(rows(tmp_path / "f.xml", f"<shop>{items}</shop>")) == [
        {
            "id": "1",
            "image": "a.jpg, b.jpg",
            "price": "49.90 EUR",
            "shipping_price": "4.95 EUR",
            "shipping_country": "DE",
            "category": "Sofas",
        }
    ]


SWALLOWED = '1,"24 Pot,Pots,5 EUR,{}1\n2,Pot 5",Pots,5 EUR,{}2\n3,Pot,Pots,5 EUR,{}3\n'


@pytest.mark.parametrize("link", ["media?f=", "//cdn.example/", "pic", "https://s.example/"])
@pytest.mark.parametrize("image", ["image_link", "Foto"])
@pytest.mark.parametrize("space", ["", " "])
def test_rows_are_not_swallowed_where_pictures_have_no_suffix(
    link: str, image: str, space: str, tmp_path: Path
) -> None:
    content = f"id,title,category,price,{image}\n{SWALLOWED.replace('{}', link)}".replace(",", f",{space}")
    assert rows_and_problems(tmp_path, "a.csv", content) == (['Pot 5"', "Pot"], [(2, "1")])


def test_descriptions_of_several_lines_are_no_rows(tmp_path: Path) -> None:
    header = "id,title,category,price,image_link\n"
    for text in (
        "Oak, oiled, seats three, grey, wide",  # as many commas as columns
        "Sizes\n36,38,40,42,44\n37,39,41,43,45",
        "Pots, red:\nS,M,L,XL,XXL",
    ):
        row = f'1,"{text}\n{text}",Pots,5 EUR,media?f=1\n2,Pot,Pots,5 EUR,media?f=2\n'
        assert rows_and_problems(tmp_path, "a.csv", header + row) == ([f"{text}\n{text}", "Pot"], [])


def test_deep_elements_of_an_item_are_passed_over(tmp_path: Path) -> None:
    deep = "<a>" * 3_000 + "x" + "</a>" * 3_000
    found = rows(tmp_path / "f.xml", f"<rss><item><id>1</id>{deep}</item><item><id>2</id></item></rss>")
    assert values(found) == [{"id": "1"}, {"id": "2"}]


def test_xml_of_another_kind_names_its_elements(tmp_path: Path) -> None:
    offers = "<offer><name>A</name></offer>" * 3
    with pytest.raises(
        FeedError,
        match=r"has no <item>, <entry> or <product>, but <offer> \(3\), <offers> \(1\)\. Export it as Google",
    ):
        rows(tmp_path / "f.xml", f"<shop><name>A</name><offers>{offers}</offers></shop>")
    for empty in (
        "<rss><channel><image><url>x</url></image></channel></rss>",
        "<products/>",
        "<shop><products/></shop>",
    ):
        assert rows(tmp_path / "f.xml", empty) == []


def test_a_comma_in_a_header_with_tabs_is_no_separator(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"separated by tabs\. Pass --format tsv\."):
        rows(tmp_path / "a.csv", "id\ttitle\tsize, colour\n1\ta\tS\n")
    with pytest.raises(FeedError, match=r"not separated by tabs\. Pass --format csv\."):
        rows(tmp_path / "a.txt", "id,title,a\tb\n1,a,S\n")
