"""The names of backbones: those that are listed, those that open, and the errors of the others."""

import pytest

from perfectlook.backbones import BackboneDescription, describe_backbones, open_backbone
from perfectlook.errors import BackboneError


def test_descriptions_are_complete() -> None:
    described = {each.name: each for each in describe_backbones(installed=False)}
    assert list(described) == [
        "efficientnet-lite0",
        "efficientnet-lite1",
        "efficientnet-lite2",
        "efficientnet-lite2-head",
        "tiny",
    ]
    for each in described.values():
        assert each.licence == "Apache-2.0"
        assert each.source
        assert each.summary
    lite = [described[f"efficientnet-lite{number}"] for number in (0, 1, 2)]
    assert [each.input_size for each in lite] == [224, 240, 260]
    assert [each.map_channels for each in lite] == [112, 112, 120]
    assert {each.global_dimension for each in lite} == {1280}


def test_style_dimension_counts_means_and_deviations() -> None:
    description = BackboneDescription("x", 32, 16, (4, 6), 8, "", 0.0, "", "")
    assert description.style_dimension == 20


def test_every_listed_backbone_opens_by_its_name() -> None:
    for each in describe_backbones():
        assert open_backbone(each.name).description == each


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("efficientnet-lite4", "efficientnet-lite"),
        ("EfficientNet-Lite2", "efficientnet-lite2"),
        ("efficientnetlite1", "efficientnet-lite1"),
        ("tyni", "tiny"),
    ],
)
def test_the_error_of_an_unknown_name_suggests_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(BackboneError, match=rf"unknown backbone '{wrong}'\. Did you mean '{meant}"):
        open_backbone(wrong)


def test_the_error_of_an_unknown_name_lists_all() -> None:
    with pytest.raises(
        BackboneError, match=r"unknown backbone 'zzz'\. Choose one of: efficientnet-lite0, .*transformers:"
    ):
        open_backbone("zzz")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("efficientnet-lite2:int8", {}, r"unknown precision 'int8'\. Choose one of: fp32, bf16\."),
        ("tiny:bf16", {}, "tiny:bf16: this backbone runs in fp32 only"),
        (
            "tiny",
            {"engine": "tensorrt"},
            r"unknown engine 'tensorrt'\. Choose one of: auto, onnxruntime, openvino, cuda\.",
        ),
        ("tiny", {"threads": 0}, "threads 0: must be at least 1"),
    ],
)
def test_other_wrong_arguments(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(BackboneError, match=message):
        open_backbone(name, **options)  # type: ignore[arg-type]


def test_fp32_may_be_named() -> None:
    assert open_backbone("tiny:fp32").identity == open_backbone("tiny").identity
