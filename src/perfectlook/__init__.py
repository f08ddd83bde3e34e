"""Complete the look: products that go with the photo of a real scene, from a shop's own catalogue."""

__version__ = "0.1.0"
