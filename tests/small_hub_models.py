"""Small hub models with random weights. Nothing is downloaded."""

import pytest

from perfectlook.backbones.backbone import Backbone


def vit_model() -> "object":
    """A vision transformer of 7×7 patches and a class token."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    return transformers.ViTModel(
        transformers.ViTConfig(
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=24,
            image_size=56,
            patch_size=8,
        )
    )


def convnext_model() -> "object":
    """A convolutional network of four stages."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    torch.manual_seed(2)
    return transformers.ConvNextModel(
        transformers.ConvNextConfig(hidden_sizes=[8, 10, 12, 14], depths=[1, 1, 1, 1], image_size=224)
    )


def small_vit() -> Backbone:
    """The transformer as a backbone."""
    from perfectlook.backbones.hub import HubBackbone, transformers_network

    return HubBackbone(transformers_network(vit_model(), 56), "transformers:small-vit")


def small_convnext() -> Backbone:
    """The convolutional network as a backbone."""
    from perfectlook.backbones.hub import HubBackbone, transformers_network

    return HubBackbone(transformers_network(convnext_model(), 224), "transformers:small-convnext")
