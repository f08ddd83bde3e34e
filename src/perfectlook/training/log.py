"""What happened in a training: one JSON object a line, and a plot of it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from perfectlook.charts import new_figure, save_chart
from perfectlook.model.record import write_file
from perfectlook.training.history import Epoch

LOG = "log.jsonl"
PLOT = "training.png"

History = dict[str, Sequence[Epoch]]
"""Stage ("fit", "fold 0", ...) to its epochs."""


def write_log(history: History, folder: Path) -> None:
    """Write every epoch of every stage so far, in one step."""
    lines = [
        json.dumps({"stage": stage} | asdict(epoch)) for stage, epochs in history.items() for epoch in epochs
    ]
    write_file(folder / LOG, "".join(line + "\n" for line in lines).encode())


def draw_plot(history: History, chosen: int, path: Path) -> None:
    """Draw loss and validation accuracy by epoch; the chosen epoch is marked.

    Args:
        history: what `write_log` wrote.
        chosen: the epoch whose weights the model has.
        path: of the PNG file.
    """
    figure = new_figure(7, 6)
    above, below = figure.subplots(2, 1, sharex=True)
    for stage, epochs in history.items():
        trained = [epoch for epoch in epochs if epoch.loss is not None]
        above.plot(
            [epoch.epoch for epoch in trained], [epoch.loss for epoch in trained], marker=".", label=stage
        )
        measured = [epoch for epoch in epochs if epoch.binary_accuracy is not None]
        if measured:
            accuracy = [epoch.binary_accuracy for epoch in measured]
            below.plot([epoch.epoch for epoch in measured], accuracy, marker=".", label=stage)
    for axes, what in ((above, "training loss"), (below, "binary accuracy, validation")):
        axes.axvline(chosen, color="0.6", linestyle=":", zorder=0)
        axes.set_ylabel(what)
        axes.grid(alpha=0.3)
    below.set_xlabel(f"epoch (chosen: {chosen})")
    above.legend(frameon=False, fontsize="small")
    save_chart(figure, path)
