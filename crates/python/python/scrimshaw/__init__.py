"""Writes and scores text with an exported Scrimshaw model.

>>> import scrimshaw
>>> model = scrimshaw.Model("model.onnx")
>>> model.generate("The ship", length=200, temperature=0.5, seed=7)
"""

from ._scrimshaw import Error, Model, Stream, __version__

__all__ = ["Error", "Model", "Stream", "__version__"]
