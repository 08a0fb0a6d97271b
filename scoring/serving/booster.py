"""LightGBM models as they are served: LightGBM's own C library without its Python package.

Importing the `lightgbm` package brings scikit-learn, pandas and scipy along where they are
installed, several seconds and a hundred megabytes that a server does not need. The C interface
is documented and stable (https://lightgbm.readthedocs.io/en/latest/C-API.html), and gives the
same numbers to the last bit, because it is what the package calls.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scoring.serving.trees import Trees, TreesError

_FLOAT64 = 1
_ROW_MAJOR = 1
_RAW_SCORE = 1
_ALL_ITERATIONS = -1
# One thread: OpenMP's pool does not survive a fork, and a server's workers are its parallelism.
_PARAMETERS = b"num_threads=1"


class BoosterError(ValueError):
    """LightGBM cannot read a model, or cannot predict with it."""


@cache
def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("lightgbm")
    if spec is None or spec.origin is None:
        raise BoosterError("lightgbm is not installed: pip install -r requirements.txt")
    # .so, .dylib or .dll, as the platform has it.
    (path,) = (Path(spec.origin).parent / "lib").glob("lib_lightgbm.*")
    library = ctypes.CDLL(str(path))
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


def _call(function: str, *arguments: object) -> None:
    if getattr(_library(), function)(*arguments) != 0:
        message = _library().LGBM_GetLastError().decode(errors="replace")
        raise BoosterError(f"LightGBM: {message}")


def _check_whole(text: str) -> None:
    """Check that every tree begins and ends where the head of the text says.

    LightGBM ends the process, rather than fail, on texts that are cut short or no model at all.
    """
    head, _, rest = text.partition("\ntree_sizes=")
    line = rest.partition("\n")[0]
    if not head.startswith("tree\n") or not line.replace(" ", "").isdigit():
        raise BoosterError("not a LightGBM model: it does not start with 'tree' and its sizes")
    position = text.find("Tree=0\n")
    for number, size in enumerate(line.split()):
        if position < 0 or not text.startswith(f"Tree={number}\n", position):
            raise BoosterError(f"the LightGBM model is damaged or cut short before tree {number}")
        position += int(size)
    if not text.startswith("end of trees", position):
        raise BoosterError("the LightGBM model is damaged or cut short in its last tree")


class Booster:
    """A trained model read from LightGBM's text format, with its trees as arrays.

    The text is what `lightgbm.Booster.model_to_string` wrote. Its structure is checked first; from
    anywhere else it has to be proved too, as the Scorer does (`proving`): LightGBM may end the
    process on altered numbers.

    Raises
    ------
    BoosterError
        If LightGBM cannot read the text, or would read beside it.
    """

    def __init__(self, text: str) -> None:
        _check_whole(text)
        try:
            self.trees = Trees.read(text)
        except TreesError as error:
            raise BoosterError(str(error)) from error
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        _call(
            "LGBM_BoosterLoadModelFromString",
            ctypes.c_char_p(text.encode()),
            ctypes.byref(iterations),
            ctypes.byref(self._handle),
        )
        columns = ctypes.c_int()
        _call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(columns))
        self.columns = columns.value

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            _library().LGBM_BoosterFree(self._handle)

    def raw_scores(self, matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum of the trees' leaves, in log-odds, of shape (rows,)."""
        values = np.ascontiguousarray(matrix, dtype=np.float64)
        rows, columns = values.shape
        if columns != self.columns:
            raise BoosterError(f"the model takes {self.columns} columns, not {columns}")
        result = np.empty(rows, dtype=np.float64)
        length = ctypes.c_int64()
        _call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            values.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(rows),
            ctypes.c_int32(columns),
            ctypes.c_int(_ROW_MAJOR),
            ctypes.c_int(_RAW_SCORE),
            ctypes.c_int(0),
            ctypes.c_int(_ALL_ITERATIONS),
            ctypes.c_char_p(_PARAMETERS),
            ctypes.byref(length),
            result.ctypes.data_as(ctypes.c_void_p),
        )
        return result
