"""Prints where the package onnxruntime keeps its shared library, and its version, as one JSON line."""

import json
import pathlib
import sys

import onnxruntime

folder = pathlib.Path(onnxruntime.__file__).parent / "capi"
patterns = ("libonnxruntime.so*", "libonnxruntime*.dylib", "onnxruntime.dll")
libraries = sorted(path for pattern in patterns for path in folder.glob(pattern))
if not libraries:
    sys.exit(f"{folder} holds no shared library of ONNX Runtime")
print(json.dumps({"version": onnxruntime.__version__, "library": str(libraries[0])}))
