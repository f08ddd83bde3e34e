"""The compatibility model: its networks (in torch), its files on disk, and how to run it without torch."""
