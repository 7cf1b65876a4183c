"""The builtins that the library makes: see native.pyi for what they are and take."""

from .load import builtins

globals().update(builtins())
