"""The showroom: a small sample set that ships with the package.

Rooms in six styles and the products that stand in them, rendered for this project, in the set layout. Every
picture is in `manifest.json`, and who made the models is in `CREDITS.md`.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The set's folder, to be opened with `perfectlook.data.open_dataset`."""
NAME = FOLDER.name


def set_folder(path: Path | str) -> Path:
    """Return where a set is: the showroom's folder for its name, where no file or folder of that name is."""
    folder = Path(path)
    return FOLDER if str(path) == NAME and not folder.exists() else folder
