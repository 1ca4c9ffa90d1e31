"""Reading the results of queries from SQLite databases. They are opened for reading only."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.parse
from collections.abc import Iterator
from typing import Any

from dataflow.errors import DataLossError, InvalidArgumentError, Location, NotFoundError
from dataflow.storage.files import is_url, remove


class QueryRows:
    """The rows of a query, in the order in which the database gives them.

    Args:
        path: A local file.
        query: One statement that returns rows.

    Attributes:
        names: Names of the columns; none if the statement returns no rows at all.

    Raises:
        NotFoundError: There is no such file.
        DataLossError: The file is no database, or is corrupt.
        InvalidArgumentError: The database refuses the query.
    """

    def __init__(self, path: str, query: str) -> None:
        if is_url(path):
            raise InvalidArgumentError(
                f"SQLite cannot read {path}", hint="copy the database to a local file first"
            )
        if not os.path.isfile(path):
            raise NotFoundError(f"file not found: {path}", hint="check the path of the database")
        address = f"file:{urllib.parse.quote(os.path.abspath(path))}?mode=ro"
        self._path = path
        self._taken = 0
        self._connection = sqlite3.connect(address, uri=True, check_same_thread=False)
        self._connection.text_factory = bytes  # so that text that is no UTF-8 is one bad value, not the end
        try:
            with self._errors(query):
                self._cursor = self._connection.execute(query)
        except BaseException:
            self.close()
            raise
        self.names = tuple(column[0] for column in self._cursor.description or ())

    def fetch(self, count: int) -> list[tuple[Any, ...]]:
        """Return up to `count` rows of int, float, bytes or None; an empty list is the end.

        Raises:
            DataLossError: The database cannot be read any further.
        """
        with self._errors():
            rows = self._cursor.fetchmany(count)
        self._taken += len(rows)
        return rows

    @contextlib.contextmanager
    def _errors(self, query: str | None = None) -> Iterator[None]:
        where = Location(self._path, None if query is not None else self._taken, "row")
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.ProgrammingError, sqlite3.Warning) as error:
            if query is None:
                raise DataLossError(f"the next row cannot be read: {error}", location=where) from error
            raise InvalidArgumentError(
                f"the database refuses the query {query!r}: {error}",
                location=where,
                hint="give one SELECT statement; the database is opened for reading only",
            ) from error
        except sqlite3.Error as error:
            raise DataLossError(f"the database cannot be read: {error}", location=where) from error

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def write_example(path: str, script: str) -> str:
    """Make a small database with SQL statements for the examples of a source, and return its path."""
    remove(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path
