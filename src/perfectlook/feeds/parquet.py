"""Feeds in Parquet files, with the extra `parquet`."""

from collections.abc import Iterator
from pathlib import Path

from perfectlook.errors import FeedError, MissingExtraError
from perfectlook.feeds.rows import Row, Unreadable, as_text, column_name

_TOGETHER = 10_000


def read_parquet(path: Path, id_column: str) -> Iterator[Row | Unreadable]:  # noqa: ARG001
    """Read a Parquet file, row by row; every value becomes the text a person would write.

    Raises:
        FeedError: the file cannot be read, or is damaged.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet feeds", "parquet") from error
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = [column_name(name) for name in file.schema_arrow.names]
            for batch in file.iter_batches(_TOGETHER):
                columns = [column.to_pylist() for column in batch.columns]
                for values in zip(*columns, strict=True):
                    number += 1
                    yield _row(number, names, values)
    except OSError as error:  # pyarrow's own failures of reading are of this kind too
        raise FeedError(f"{path}: cannot be read ({error}); write it again") from error
    except (pyarrow.ArrowException, ValueError) as error:
        raise FeedError(f"{path}: is damaged, or no Parquet file ({error}); write it again") from error


def _row(number: int, names: list[str], values: tuple[object, ...]) -> Row | Unreadable:
    try:
        texts = [value.decode() if isinstance(value, bytes) else as_text(value) for value in values]
    except UnicodeDecodeError as error:
        return Unreadable(number, f"holds bytes that are not UTF-8 ({error.reason})")
    return Row(number, dict(zip(names, texts, strict=True)))
