"""Files of a batch that the page hands out: they lie in the visitors' folder."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from page.gradio_internals import save_for_visitor, visitor_folder
from zsad_core.batch import Row, to_csv


@contextmanager
def new_file(name: str) -> Iterator[Path]:
    """A path for a file that the page may hand out; whatever lies there goes if the work on it fails."""
    visitor_folder().mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=visitor_folder())) / name
    try:
        yield path
    except BaseException:  # a closed tab among them
        path.unlink(missing_ok=True)
        raise


def csv_file(rows: Sequence[Row], threshold: float) -> str:
    """The path of the rows as a CSV file that the page may hand out."""
    return save_for_visitor(to_csv(rows, threshold), "scores.csv")
