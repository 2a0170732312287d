"""The backbone against open_clip itself, on random weights: its own towers are the reference."""

import copy
import functools
import gc

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from tiny_clip import TINY

from zsad_core.backbone import Backbone, random_backbone
from zsad_core.checkpoints import build, described
from zsad_core.dense import image_tower
from zsad_core.errors import InputError

TEXTS = [
    "a photo of a metal nut.",
    "broken",
    "",
    "A close-up photo of a scratched, DAMAGED hazelnut & its shell for visual inspection; 3 of 4",
]
MEAN, STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)

tokenizer = functools.cache(open_clip.SimpleTokenizer)  # it takes a while to build, and nothing changes it


def changed(config, **changes):
    """A copy of an open_clip configuration with keys replaced, as vision_cfg__layers=2."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *outer, key = path.split("__")
        target = config
        for part in outer:
            target = target[part]
        target[key] = value
    return config


def timm_tower(name, **more):
    vision = {"timm_model_name": name, "timm_pool": "avg", "timm_proj": "linear", "image_size": 96, **more}
    return changed(TINY, vision_cfg=vision)


SMALL = {
    "small ViT": TINY,
    "small ViT, layer scale, QuickGELU, own text class": changed(
        TINY,
        vision_cfg__ls_init_value=0.5,
        text_cfg__ls_init_value=0.3,
        quick_gelu=True,
        custom_text=True,
        text_cfg__proj_bias=True,
    ),
    "small ViT, text without causal mask (MobileCLIP2)": changed(TINY, custom_text=True, text_cfg__no_causal_mask=True),
    "timm resnet, linear head": timm_tower("test_resnet"),
    "timm convnext, mlp head": timm_tower("test_convnext", timm_proj="mlp"),
    "timm efficientnet, its own classifier as projection": timm_tower("test_efficientnet", timm_proj=None),
}
LARGE = {name: open_clip.get_model_config(name) for name in ("ViT-B-32", "ViT-B-16-plus-240")}


def wrapped(config, seed=0):
    """An open_clip model whose every tensor is random, and the backbone over the same model.

    Fresh models have biases of 0 and norms of 1, under which a forgotten one would go unnoticed.
    """
    torch.manual_seed(seed)
    model = build(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.03 * torch.randn_like(parameter))
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.add_(0.3 * torch.rand_like(buffer))
    tower = image_tower(model.visual, MEAN, STD, "test")
    text = getattr(model, "text", model)
    return model, Backbone("test", text, tower, tokenizer(), model.logit_scale.exp().item())


@pytest.fixture(
    scope="module",
    params=[pytest.param(config, id=name) for name, config in SMALL.items()]
    + [pytest.param(config, id=name, marks=pytest.mark.slow) for name, config in LARGE.items()],
)
def pair(request):
    yield wrapped(request.param)
    gc.collect()  # a large model goes before the next one is built


@pytest.fixture(scope="module")
def vit():
    return wrapped(TINY)


def random_images(count, seed=0):
    """Images of different sizes with coarse structure, so that their vectors differ."""
    random = np.random.default_rng(seed)
    images = []
    for index in range(count):
        coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        images.append(np.asarray(coarse.resize((120 + 10 * index, 100), Image.Resampling.NEAREST)))
    return images


def close(actual, expected):
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=1e-4)


# -- equality with open_clip -------------------------------------------------------------------------------------------


def test_text_vectors_are_open_clips(pair):
    model, backbone = pair
    with torch.no_grad():
        expected = model.encode_text(open_clip.tokenize(TEXTS), normalize=True)
    close(backbone.text_vectors(TEXTS), expected)


def test_injected_words_give_open_clips_text_vector(pair):
    model, backbone = pair
    with torch.no_grad():
        expected = model.encode_text(open_clip.tokenize(TEXTS[:1]), normalize=True)
    close(backbone.text_vectors_from_words(backbone.word_vectors(TEXTS[0])[None]), expected)


def test_image_vectors_are_open_clips_and_the_model_is_left_as_it_was(pair):
    model, backbone = pair
    pixels = backbone.preprocess(random_images(2))
    with torch.no_grad():
        before = model.encode_image(pixels, normalize=True)
        image, dense, _ = backbone.encode_pixels(pixels)
        close(image, before)
        assert torch.equal(model.encode_image(pixels, normalize=True), before)
    assert dense.shape == (2, *backbone.grid, backbone.dim)
    close(dense.norm(dim=-1), torch.ones(2, *backbone.grid))


def test_an_image_alone_is_the_same_image_in_a_batch(pair):
    _, backbone = pair
    images = random_images(3)
    together = backbone.encode(images, batch_size=2)
    for index, image in enumerate(images):
        alone = backbone.encode([image])
        close(alone.image[0], together.image[index])
        close(alone.dense[0], together.dense[index])


# -- dense vectors of a ViT --------------------------------------------------------------------------------------------


def test_dense_vectors_are_the_value_value_path_written_out(vit):
    model, backbone = vit
    visual, pixels = model.visual, backbone.preprocess(random_images(2))
    with torch.no_grad():
        tokens = visual._embeds(pixels)
        blocks = visual.transformer.resblocks
        for block in blocks[:2]:
            tokens = block(tokens)
        dense, block = tokens, blocks[2]  # the last half of three blocks is one
        weight, bias = block.attn.in_proj_weight[-64:], block.attn.in_proj_bias[-64:]
        value = (block.ln_1(tokens) @ weight.T + bias).reshape(2, 37, 2, 32).permute(0, 2, 1, 3)  # (N, heads, L, 32)
        heard = (value @ value.transpose(-1, -2) / 32**0.5).softmax(dim=-1) @ value
        dense = dense + block.attn.out_proj(heard.permute(0, 2, 1, 3).reshape(2, 37, 64))
        expected = F.normalize(visual.ln_post(dense[:, 1:]) @ visual.proj, dim=-1).reshape(2, 6, 6, 48)
    close(backbone.encode_pixels(pixels)[1], expected)


@pytest.mark.parametrize("row, column", [(0, 0), (2, 4), (5, 5)])
def test_a_changed_patch_changes_its_own_dense_vector_most(vit, row, column):
    _, backbone = vit
    before = np.full((96, 96, 3), 128, dtype=np.uint8)
    after = before.copy()
    patch = after[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
    patch[:] = np.random.default_rng(0).integers(0, 256, patch.shape)
    dense = backbone.dense_vectors([before, after])
    distance = (dense[1] - dense[0]).norm(dim=-1)
    assert distance.argmax() == 6 * row + column
    assert distance.max() > 2 * distance.flatten().sort().values[-2]


def test_a_changed_corner_changes_a_convolutional_towers_dense_vector_there_most():
    _, backbone = wrapped(SMALL["timm resnet, linear head"])
    before = np.full((96, 96, 3), 128, dtype=np.uint8)
    after = before.copy()
    after[:24, 72:] = random_images(1)[0][:24, :24]  # the top right corner
    dense = backbone.dense_vectors([before, after])
    distance = (dense[1] - dense[0]).norm(dim=-1)
    assert backbone.grid == (3, 3) and distance.argmax() == 2


def test_a_convolutional_tower_pools_its_dense_vectors_into_the_image_vector():
    model, backbone = wrapped(SMALL["timm resnet, linear head"])
    with torch.no_grad():
        image, dense, _ = backbone._image(backbone.preprocess(random_images(2)))
    close(dense.mean((2, 3)), image)  # exact where the head is linear


# -- windows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3])
def test_a_window_run_alone_is_the_same_window_in_the_batch(vit, size):
    model, backbone = vit
    visual, pixels = model.visual, backbone.preprocess(random_images(2))
    vectors, cover = backbone.window_vectors(pixels, size)
    assert vectors.shape[1] == len(cover) == (7 - size) ** 2
    with torch.no_grad():
        tokens = visual._embeds(pixels)
        for window in (0, 1, len(cover) - 1):
            held = cover[window].flatten().nonzero()[:, 0]
            assert len(held) == size * size
            sequence = tokens[1:2, torch.cat([torch.tensor([0]), held + 1])]  # of the second image, alone
            alone = visual.ln_post(visual.transformer(sequence)[:, 0]) @ visual.proj
            close(F.normalize(alone, dim=-1)[0], vectors[1, window])


@pytest.mark.parametrize("name", ["small ViT", "timm resnet, linear head"])
def test_windows_differ_from_one_another(name):
    _, backbone = wrapped(SMALL[name])
    for size in (2, 3):
        vectors, cover = backbone.window_vectors(backbone.preprocess(random_images(1)), size)
        assert vectors[0].std(dim=0).mean() > 1e-3
        assert cover.any(dim=0).all()  # no patch is left without a window


@pytest.mark.parametrize("name", ["small ViT", "timm resnet, linear head"])
def test_dense_vectors_from_windows_are_the_mean_over_the_windows_that_hold_a_patch(name):
    _, backbone = wrapped(SMALL[name])
    images = random_images(2)
    dense = backbone.dense_vectors(images, mode="windows", batch_size=1)
    row, column = backbone.grid[0] - 1, 1
    means = []
    for size in (2, 3):
        vectors, cover = backbone.window_vectors(backbone.preprocess(images), size)
        means.append(vectors[1, cover[:, row, column]].mean(dim=0))
    close(dense[1, row, column], F.normalize(sum(means), dim=0))


def test_a_crop_sees_its_part_of_the_image_only():
    _, backbone = wrapped(SMALL["timm resnet, linear head"])
    left = np.full((96, 96, 3), 90, dtype=np.uint8)
    right = left.copy()
    right[:, 60:] = random_images(1)[0][:96, :36]
    before, cover = backbone.window_vectors(backbone.preprocess([left]), 2)
    after, _ = backbone.window_vectors(backbone.preprocess([right]), 2)
    moved = (after - before)[0].norm(dim=-1)
    touches_right = cover[:, :, -1].any(dim=1)
    assert (moved[touches_right] > 1e-3).all()
    assert moved[0] == 0  # the crop at the top left


def test_a_window_larger_than_the_grid_is_refused(vit):
    with pytest.raises(InputError, match="7 x 7 does not fit a grid of 6 x 6"):
        vit[1].window_vectors(torch.zeros(1, 3, 96, 96), 7)


# -- words and texts ---------------------------------------------------------------------------------------------------


def test_gradients_reach_the_injected_words_and_no_parameter(vit):
    model, backbone = vit
    words = torch.randn(4, 5, 64, requires_grad=True)
    backbone.text_vectors_from_words(words)[:, 0].sum().backward()
    assert (words.grad.norm(dim=-1) > 1e-6).all()  # every word of every sequence
    for module in (model.visual, model.transformer, model.token_embedding, model.ln_final):
        assert all(parameter.grad is None and not parameter.requires_grad for parameter in module.parameters())


def test_text_vectors_can_be_trained_on(vit):
    """They must not be tensors of inference mode, which autograd refuses."""
    layer = torch.nn.Linear(48, 2)
    layer(vit[1].text_vectors(TEXTS)).sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_what_lies_beyond_a_sequences_length_is_ignored(pair):
    _, backbone = pair
    words = torch.randn(2, 6, backbone.word_width)
    short = backbone.text_vectors_from_words(words[1:, :4])
    both = backbone.text_vectors_from_words(words, torch.tensor([6, 4]))
    close(both[1:], short)
    close(both[:1], backbone.text_vectors_from_words(words[:1]))


def test_a_long_text_is_refused_and_the_longest_fitting_one_is_read(vit):
    model, backbone = vit
    fits = " ".join(["nut"] * 75)
    with torch.no_grad():
        close(backbone.text_vectors([fits]), model.encode_text(open_clip.tokenize([fits]), normalize=True))
    with pytest.raises(InputError, match=r"'nut nut .*\.\.\.' has 76 tokens, and test reads 75"):
        backbone.text_vectors(["fine", fits + " nut"])
    with pytest.raises(InputError, match="A prompt has 76 tokens"):
        backbone.text_vectors_from_words(torch.zeros(1, 76, 64))


def test_many_texts_keep_their_order(vit):
    _, backbone = vit
    texts = [" ".join(["nut"] * (1 + index * 7 % 20)) + f" {index}" for index in range(150)]
    vectors = backbone.text_vectors(texts)
    for index in (0, 63, 64, 149):
        close(vectors[index], backbone.text_vectors([texts[index]])[0])


def test_learned_words_can_be_drawn_like_the_embedding_table(vit):
    model, backbone = vit
    table = model.token_embedding.weight
    close(backbone.embedding_mean, table.mean(dim=0))
    assert backbone.embedding_std == pytest.approx((table - table.mean(dim=0)).square().mean().sqrt().item(), rel=1e-3)


# -- images ------------------------------------------------------------------------------------------------------------


def test_a_defect_at_the_border_of_a_wide_image_stays_in_view(tiny_backbone):
    wide = np.zeros((60, 300, 3), dtype=np.uint8)
    wide[:, :12] = 255
    pixels = tiny_backbone.preprocess([wide])
    assert pixels.shape == (1, 3, 96, 96)
    assert (pixels[0, :, :, 0] > 1).all() and (pixels[0, :, :, -1] < 0).all()


def test_pixels_are_those_of_open_clips_own_transform_for_a_square_image(tiny_backbone):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    expected = open_clip.image_transform(96, is_train=False)(image)
    torch.testing.assert_close(tiny_backbone.preprocess([image])[0], expected, atol=1e-6, rtol=0)


def test_no_images_give_no_vectors(tiny_backbone):
    encoded = tiny_backbone.encode([])
    assert encoded.image.shape == (0, 48) and encoded.dense.shape == (0, 6, 6, 48)
    assert tiny_backbone.text_vectors([]).shape == (0, 48)


def test_an_unknown_mode_is_refused(tiny_backbone):
    with pytest.raises(InputError, match="no mode 'slow'"):
        tiny_backbone.dense_vectors(random_images(1), mode="slow")


# -- identity ----------------------------------------------------------------------------------------------------------


def test_the_fingerprint_tells_weights_and_architectures_apart(tiny_backbone):
    same, other = random_backbone(TINY), random_backbone(TINY, seed=1)
    activation = random_backbone(changed(TINY, quick_gelu=True))  # the same tensors under another activation
    assert len(tiny_backbone.fingerprint) == 16
    assert same.fingerprint == tiny_backbone.fingerprint
    assert len({tiny_backbone.fingerprint, other.fingerprint, activation.fingerprint}) == 3


def test_random_weights_leave_the_callers_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    random_backbone(TINY)
    assert torch.equal(torch.rand(3), expected)


def test_pixels_are_normalised_as_the_weights_want_it():
    assert described("MobileCLIP2-S2").mean == (0.0, 0.0, 0.0)
    assert described("ViT-B-32").mean == open_clip.OPENAI_DATASET_MEAN


# -- the embedded backbone ---------------------------------------------------------------------------------------------


def test_the_embedded_backbone_offers_the_same_operations(embedded):
    images = random_images(2)
    encoded = embedded.encode(images)
    assert encoded.dense.shape == (2, *embedded.grid, embedded.dim)
    close(embedded.encode(images[1:]).image[0], encoded.image[1])
    texts = embedded.text_vectors(["a photo of a metal nut.", "a photo of a broken metal nut.", "a blurry photo"])
    assert (texts @ texts.T - torch.eye(3)).max() < 0.99  # three meanings, three directions
    words = embedded.word_vectors("broken metal nut").requires_grad_()
    embedded.text_vectors_from_words(words[None]).sum().backward()
    assert (words.grad.norm(dim=-1) > 0).all()
    with pytest.raises(InputError, match="reads 30"):
        embedded.text_vectors([" ".join(["nut"] * 31)])


# -- towers that are refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config, reason",
    [
        (changed(TINY, vision_cfg__attentional_pool=True), "pools its patches"),
        (changed(TINY, vision_cfg__pool_type="avg"), "pools its patches"),
        (changed(TINY, vision_cfg__qk_norm=True), "blocks other than CLIP's own"),
        (changed(TINY, vision_cfg__layers=[1, 1, 1, 1]), "ModifiedResNet"),
        (changed(TINY, vision_cfg__image_size=[96, 64]), "96 x 64"),
        (timm_tower("resnet18", timm_pool="rot_attn", timm_proj=""), "attention"),
        (timm_tower("test_vit", image_size=160, timm_pool="token"), "not a convolutional one"),
        (changed(TINY, custom_text=True, text_cfg__pool_type="last"), "end-of-text"),
        (changed(TINY, custom_text=True, text_cfg__embed_cls=True), "not CLIP's own"),
        (changed(TINY, text_cfg={"hf_model_name": "roberta-base"}), "not CLIP's own"),
        (changed(TINY, multimodal_cfg={}), "not CLIP's own"),
        ({"vision": 3}, "cannot build"),
    ],
)
def test_a_tower_that_cannot_serve_is_refused_with_the_reason(config, reason):
    with pytest.raises(InputError, match=reason):
        random_backbone(config)
