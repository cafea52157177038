"""bench: what is left of an image after N compress/decompress operations."""

__version__ = "0.1.0"
