"""Plants that come with the mocks, and those of a file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from segctl_mocks.traffic.reading import read

if TYPE_CHECKING:
    from segctl_mocks.traffic.plant import Plant

_FOLDER = "data"
#: Their names; the first is taken where none is named.
BUILT_IN = ("waterworks", "substation", "gas_pipeline")
#: Bytes of the file of a plant.
_MOST = 16 << 20


def plant(name: str) -> Plant:
    """Return a plant that comes with the mocks, or the one of a file.

    Raises:
        ValueError: the file is no plant, or there is neither.
    """
    if name in BUILT_IN:
        place = files("segctl_mocks").joinpath(_FOLDER, f"{name}.yml")
        return read(place.read_text("utf-8"))
    try:
        with Path(name).open("rb") as file:
            whole = file.read(_MOST + 1)
        if len(whole) > _MOST:
            message = f"{name}: larger than {_MOST >> 20} MiB"
            raise ValueError(message)
        text = whole.decode()
    except FileNotFoundError as error:
        message = f"there is no file {name}; without a file there is {', '.join(BUILT_IN)}"
        raise ValueError(message) from error
    except UnicodeDecodeError as error:
        message = f"{name}: not text in UTF-8"
        raise ValueError(message) from error
    try:
        return read(text)
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from error
