"""Syndicator: publish an item once; bring it to everyone exactly when the editor said."""

__version__ = "0.1.0"
