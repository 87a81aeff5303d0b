"""Where a text model puts the captions: computed once, shipped as numbers, so that nothing else needs a text model."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from hil.errors import FormatError, MissingDependencyError
from hil.network import CaptionSet
from hil.types import Float64Array

__all__ = ["DEFAULT_MODEL", "compute", "distances", "load", "save"]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
REMEDY = "compute it with hil train --text-model, or write your own vectors with quant.captions.save"


def load(path: Path) -> CaptionSet:
    """Read captions that ``save`` wrote.

    Raises:
        FormatError: There is no such file, or it is not such a file.
    """
    if not path.is_file():
        raise FormatError(f"there must be a file of caption vectors at {path}, but there is none; {REMEDY}")
    if not zipfile.is_zipfile(path):
        raise FormatError(f"{path} must be a NumPy archive (npz) of caption vectors, but is not; {REMEDY}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            texts = tuple(str(text) for text in archive["texts"])
            vectors = archive["vectors"].astype(np.float32)  # what numpy writes of one's own is float64
            return CaptionSet(texts, vectors, str(archive["model"]), str(archive["model_sha256"]))
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} must hold texts, vectors, model and model_sha256: {error}; {REMEDY}") from error


def save(captions: CaptionSet, path: Path) -> None:
    """Write captions as a NumPy archive without pickles.

    Args:
        captions: Of any text model, or vectors of your own.
        path: Where to; a name that does not end in ``.npz`` gets that ending.
    """
    np.savez(
        path,
        texts=np.array(captions.texts),
        vectors=captions.vectors,
        model=np.array(captions.model),
        model_sha256=np.array(captions.model_sha256),
    )


def compute(texts: tuple[str, ...], *, model: str = DEFAULT_MODEL, name: str | None = None) -> CaptionSet:
    """Return the unit vectors of texts, from a local folder or a named model of sentence-transformers.

    Args:
        texts: One caption per class.
        model: A folder that holds the model, or its public name.
        name: What to call the model in the result; the folder's or public name when not given.

    Returns:
        (n_captions, d_out) float32 unit vectors, with the SHA-256 of the model's weights.

    Raises:
        MissingDependencyError: sentence-transformers cannot be imported.
        FormatError: The model's weights cannot be found to be hashed.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except (ImportError, OSError) as error:  # a broken shared library of one of its parts is an OSError
        absent = MissingDependencyError.of("sentence-transformers", extra="train", purpose="computing captions")
        raise MissingDependencyError(f"{absent} (importing it says: {error})") from error
    text_model = SentenceTransformer(model, device="cpu")
    vectors = text_model.encode(list(texts), normalize_embeddings=True, convert_to_numpy=True)
    return CaptionSet(texts, vectors.astype(np.float32), name or Path(model).name, _weights_sha256(model))


def _weights_sha256(model: str) -> str:
    weights = Path(model) / WEIGHTS
    if not weights.is_file():
        from huggingface_hub import hf_hub_download

        weights = Path(hf_hub_download(model, WEIGHTS))
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def distances(captions: CaptionSet) -> Float64Array:
    """Return the (n, n) cosine distances between captions: what a gate would measure between two classes."""
    vectors = captions.vectors.astype(np.float64)
    return 1.0 - vectors @ vectors.T
