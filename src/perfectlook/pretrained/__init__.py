"""Trained models that come with the package, each a folder beside this file (docs/models.md)."""

from pathlib import Path

FOLDER = Path(__file__).parent


def shipped_models() -> list[str]:
    """The names of the models that come with the package."""
    return sorted(each.name for each in FOLDER.iterdir() if (each / "config.json").is_file())


def model_folder(model: Path | str) -> Path:
    """Return the folder of a model: of a shipped one where its name is given and no such folder is there."""
    folder = Path(model)
    if not folder.exists() and folder.name == str(model) and str(model) in shipped_models():
        return FOLDER / folder.name
    return folder
