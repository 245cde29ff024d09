from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Any

__all__ = ["Error", "Model", "Stream", "__version__"]

__version__: str

class Error(ValueError): ...

class Stream(Iterator[str]):
    @property
    def seed(self) -> int: ...
    def __iter__(self) -> Stream: ...
    def __next__(self) -> str: ...

class Model:
    def __new__(
        cls,
        path_or_bytes: str | PathLike[str] | bytes | bytearray | memoryview,
        *,
        threads: int = 1,
    ) -> Model: ...
    @property
    def card(self) -> dict[str, Any]: ...
    def generate(
        self,
        prompt: str | None = None,
        *,
        length: int = 400,
        temperature: float = 0.5,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        words: bool = False,
    ) -> str: ...
    def stream(
        self,
        prompt: str | None = None,
        *,
        length: int = 400,
        temperature: float = 0.5,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        words: bool = False,
    ) -> Stream: ...
    def score(self, text: str) -> list[tuple[str, float | None]]: ...
    def logits(self, text: str) -> Any: ...  # numpy.ndarray of float32 if numpy can be imported, list[float] otherwise
