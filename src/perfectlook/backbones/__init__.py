"""Backbones: frozen networks, from a picture to its global vector, style statistics and feature map."""
