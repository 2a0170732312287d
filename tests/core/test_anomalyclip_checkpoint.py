"""AnomalyCLIP's published checkpoint format, on a small random ViT of the layout of ViT-L-14-336."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_clip import TINY

from zsad_core.backbone import random_backbone
from zsad_core.baselines import ImageBatch, Resources
from zsad_core.baselines.anomalyclip import AnomalyClip
from zsad_core.baselines.anomalyclip_checkpoint import LearnedPrompts, looks_at_depths, read, text_vectors
from zsad_core.errors import InputError

LAYOUT = {
    **TINY,
    "vision_cfg": {**TINY["vision_cfg"], "layers": 8},
    "text_cfg": {**TINY["text_cfg"], "layers": 6},
}
WORDS, DEEP, TOKENS = 12, 5, 4  # learned words, blocks with deep tokens, deep tokens of one


@pytest.fixture(scope="module")
def backbone():
    return random_backbone(LAYOUT)


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)


def state(backbone, deep=DEEP, seed=0):
    """What the authors' training saves, for this backbone."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return 0.02 * torch.randn(*shape, generator=generator)

    width = backbone.word_width
    start = backbone._text.token_embedding.weight[backbone._text.tokenizer.sot_token_id].detach()
    return {
        "ctx_pos": draw(1, 1, WORDS, width),
        "ctx_neg": draw(1, 1, WORDS, width),
        **{f"compound_prompts_text.{number}": draw(TOKENS, width) for number in range(deep)},
        **{f"compound_prompt_projections.{number}.weight": draw(96, width) for number in range(deep)},
        "token_prefix_pos": start.view(1, 1, 1, width).half(),
        "tokenized_prompts_pos": torch.zeros(1, 1, 77, dtype=torch.int32),
    }


def save(folder, prompt_learner, name="epoch_15.pth"):
    torch.save({"prompt_learner": prompt_learner}, folder / name)
    return folder / name


def reason(backbone, path):
    """Why AnomalyCLIP refuses the file; fitting must refuse it in the same words."""
    method = AnomalyClip(backbone, Resources(anomalyclip=path))
    said = method.missing()
    with pytest.raises(InputError) as refused:
        method.fit("metal nut")
    assert str(refused.value).startswith(said)
    return said


# -- towers ------------------------------------------------------------------------------------------------------------


def test_without_deep_tokens_the_text_path_is_the_backbones_own(backbone):
    words = torch.stack([backbone.word_vectors("photo of some")[:3], backbone.word_vectors("picture of one")[:3]])
    start = backbone.embedding_mean
    found = text_vectors(backbone, LearnedPrompts(words, torch.zeros(0, 0, backbone.word_width), start))
    expected = backbone.text_vectors(["photo of some object.", "picture of one damaged object."])
    assert torch.allclose(found, expected, atol=1e-5)


def test_deep_tokens_take_the_place_of_the_first_words_before_their_block(backbone):
    """Worked out by open_clip's own blocks, token by token."""
    prompts = LearnedPrompts(*(torch.randn(shape) * 0.02 for shape in ((2, WORDS, 64), (2, TOKENS, 64), (64,))))
    tower, rows = backbone._text, []
    for words, text in zip(prompts.words, ("object.", "damaged object.")):
        start, stop = (tower.token_embedding.weight[[number]] for number in (49406, 49407))
        tokens = torch.cat([start, words, backbone.word_vectors(text), stop])
        tokens = (tokens + tower.positional_embedding[: len(tokens)])[None]
        mask = torch.full((tokens.shape[1],) * 2, float("-inf")).triu(1)
        for number, block in enumerate(tower.blocks):
            if number in (1, 2):
                tokens[:, 1 : 1 + TOKENS] = prompts.deep[number - 1]
            tokens = block(tokens, attn_mask=mask)
        rows.append(tower.ln_final(tokens[0, -1]) @ tower.text_projection)
    assert torch.allclose(text_vectors(backbone, prompts), F.normalize(torch.stack(rows), dim=-1), atol=1e-5)


def test_with_the_dual_path_off_the_image_path_is_the_backbones_own(backbone, image):
    visual, pixels = backbone._image.visual, backbone.preprocess([image])
    token, depths = looks_at_depths(visual, pixels, first=8)
    assert torch.allclose(visual.ln_post(token) @ visual.proj, visual(pixels), atol=1e-5)
    tokens, expected = visual._embeds(pixels), []
    for number, block in enumerate(visual.transformer.resblocks, 1):
        tokens = block(tokens)
        if number % 2 == 0:
            expected.append(tokens[:, 1:])
    assert len(depths) == 4
    assert all(torch.allclose(found, own, atol=1e-5) for found, own in zip(depths, expected))


def test_with_the_dual_path_from_the_middle_on_the_last_depth_is_the_backbones_dense_path(backbone, image):
    visual, pixels = backbone._image.visual, backbone.preprocess([image])
    token, depths = looks_at_depths(visual, pixels, first=4)
    own_image, own_dense, _ = backbone.encode_pixels(pixels)
    dense = F.normalize(visual.ln_post(depths[-1]) @ visual.proj, dim=-1).unflatten(1, backbone.grid)
    assert torch.allclose(dense, own_dense, atol=1e-5)
    assert torch.allclose(F.normalize(visual.ln_post(token) @ visual.proj, dim=-1), own_image, atol=1e-5)


# -- method ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_used_without_any_auxiliary_images(backbone, image, tmp_path):
    method = AnomalyClip(backbone, Resources(anomalyclip=save(tmp_path, state(backbone))))
    assert method.missing() is None
    (seen,) = method.fit("metal nut").inspect(ImageBatch(backbone, [image]))
    assert 0 <= seen.score <= 1 and 0 <= seen.map.min() < seen.map.max() <= 1
    assert seen.map.shape == image.shape[:2] and seen.map.dtype == np.float32


def test_every_learned_part_of_the_checkpoint_decides_the_score(backbone, image, tmp_path):
    def score(prompt_learner):
        method = AnomalyClip(backbone, Resources(anomalyclip=save(tmp_path, prompt_learner)))
        (seen,) = method.fit("metal nut").inspect(ImageBatch(backbone, [image]))
        return seen.score

    whole = state(backbone)
    expected = score(whole)
    assert score(whole) == expected
    for name in ("ctx_pos", "ctx_neg", "compound_prompts_text.0", f"compound_prompts_text.{DEEP - 1}"):
        assert abs(score({**whole, name: -whole[name]}) - expected) > 1e-6, name


def test_the_map_shows_where_a_change_is(backbone, image, tmp_path):
    changed = image.copy()
    changed[:30, :30] = 255
    fitted = AnomalyClip(backbone, Resources(anomalyclip=save(tmp_path, state(backbone)))).fit("metal nut")
    before, after = fitted.inspect(ImageBatch(backbone, [image, changed]))
    difference = np.abs(after.map - before.map)
    assert difference[:30, :30].mean() > 2 * difference[50:, 60:].mean()


# -- files that cannot be used -----------------------------------------------------------------------------------------


def test_a_backbone_of_another_kind_is_refused(backbone, embedded, tmp_path):
    path = save(tmp_path, state(backbone))
    said = reason(embedded, path)
    assert "64 wide" in said and "embedded" in said and "--backbone ViT-L-14-336" in said
    shallow = {**LAYOUT, "text_cfg": {**LAYOUT["text_cfg"], "layers": DEEP}}
    assert "larger towers" in reason(random_backbone(shallow), path)


def test_other_weights_of_the_same_architecture_are_refused(backbone, tmp_path):
    path = save(tmp_path, state(backbone))
    assert "other weights" in reason(random_backbone(LAYOUT, seed=1), path)


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    "name, wrong, said",
    [
        ("ctx_pos", None, "lacks the learned words"),
        ("ctx_neg", torch.zeros(1, 1, WORDS + 1, 64), "cannot be"),
        ("ctx_neg", torch.full((1, 1, WORDS, 64), float("nan")), "cannot be"),
        ("ctx_pos", torch.zeros(64), "cannot be"),
        ("ctx_pos", torch.zeros(1, 1, WORDS, 64).to_sparse(), "lacks the learned words"),
        ("ctx_pos", torch.zeros(1).expand(1, 1, 10**6, 64), "lacks the learned words"),  # 256 MB out of 4 bytes
        ("compound_prompts_text.0", torch.zeros(TOKENS, 63), "cannot be"),
        ("compound_prompts_text.0", torch.zeros(()), "cannot be"),
        ("compound_prompts_text.0", torch.zeros(WORDS + 1, 64), "cannot be"),
        ("compound_prompts_text.7", torch.zeros(TOKENS, 64), "lacks the learned words"),
        ("token_prefix_pos", torch.zeros(1, dtype=torch.int32), "lacks the learned words"),
    ],
)
def test_wrong_tensors_are_refused(backbone, tmp_path, name, wrong, said):
    assert said in reason(backbone, save(tmp_path, {**state(backbone), name: wrong}))


def test_files_of_another_kind_are_refused(backbone, tmp_path):
    assert "no AnomalyCLIP checkpoint 'nowhere.pth'" in reason(backbone, tmp_path / "nowhere.pth")
    (tmp_path / "text.pth").write_text("no weights")
    assert "damaged" in reason(backbone, tmp_path / "text.pth")
    torch.save(state(backbone), tmp_path / "bare.pth")
    assert "no checkpoint of AnomalyCLIP" in reason(backbone, tmp_path / "bare.pth")
    path = save(tmp_path, state(backbone))
    path.write_bytes(path.read_bytes()[:-1000])
    assert "damaged" in reason(backbone, path)


def test_a_file_that_grows_when_it_is_unpacked_is_not_unpacked(backbone, tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(80 << 20))
    assert "80 MB" in reason(backbone, tmp_path / "bomb.pth")


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_file_is_not_run(backbone, tmp_path):
    path = save(tmp_path, {**state(backbone), "ctx_pos": Trap(tmp_path / "sprung")})
    assert "not read for safety" in reason(backbone, path)
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(InputError):
        read(tmp_path / "pickle.pth")
    assert not (tmp_path / "sprung").exists()
