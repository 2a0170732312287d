"""Weights from files, from the cache and from a hub that may be out of reach."""

import json
import pickle
import threading
import warnings
import zipfile

import huggingface_hub
import open_clip
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
from safetensors.torch import save_file
from tiny_clip import TINY

from zsad_core import checkpoints
from zsad_core.backbone import load_backbone
from zsad_core.backbone_table import RECOMMENDED, WEIGHT_FILES
from zsad_core.errors import InputError

BEST = "ViT-B-16-plus-240"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(3)
    return checkpoints.build(TINY).eval()


@pytest.fixture
def state(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


@pytest.fixture
def tiny_architecture(monkeypatch):
    """The tiny ViT as an architecture of open_clip and as the only open_clip backbone of the table."""
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny", TINY)
    row = {"name": "tiny", "architecture": "Tiny", "tag": "none", "repository": "nobody/tiny"}
    table = checkpoints.backbone_table()[:1] + [row]
    monkeypatch.setattr(checkpoints, "backbone_table", lambda: table)
    return row


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)


class Hub:
    """Stands in for a reachable hub: remembers which files were asked for, and answers as the test says."""

    def __init__(self):
        self.asked = []

    def download(self, repository, file, **options):
        self.asked.append(file)
        return self.answer(file, **options)


@pytest.fixture
def hub(monkeypatch, empty_cache):
    hub = Hub()
    monkeypatch.setattr(checkpoints, "hub_reachable", lambda: True)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    return hub


def with_sidecar(folder, config=TINY, **more):
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, **more}))


def save(path, state):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


# -- local checkpoints -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.safetensors", "model.bin", "model.pt"])
def test_a_checkpoint_beside_its_description_is_loaded(tmp_path, model, state, name):
    with_sidecar(tmp_path, preprocess_cfg={"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]})
    backbone = load_backbone(str(save(tmp_path / name, state)))
    with torch.no_grad():
        texts = ["a photo of a metal nut.", "broken metal nut."]
        expected = model.encode_text(open_clip.tokenize(texts), normalize=True)
        torch.testing.assert_close(backbone.text_vectors(texts), expected, atol=1e-5, rtol=0)
        pixels = torch.randn(2, 3, 96, 96)
        image = model.encode_image(pixels, normalize=True)
        torch.testing.assert_close(backbone.encode_pixels(pixels)[0], image, atol=1e-5, rtol=0)
    assert backbone.preprocess([torch.full((9, 9, 3), 255, dtype=torch.uint8).numpy()]).mean() == 2  # (1 - .5) / .25
    assert backbone.logit_scale == pytest.approx(1 / 0.07, rel=1e-4)
    assert name in backbone.name and str(tmp_path) not in backbone.name


def test_checkpoints_of_training_scripts_and_of_half_precision_are_loaded(tmp_path, tiny_architecture, state):
    plain = load_backbone("tiny", weights=save(tmp_path / "plain.safetensors", state))
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}
    assert load_backbone("tiny", weights=save(tmp_path / "epoch.pt", wrapped)).fingerprint == plain.fingerprint
    half = load_backbone("tiny", weights=save(tmp_path / "half.bin", {key: v.half() for key, v in state.items()}))
    assert half.text_vectors(["nut"]).dtype == torch.float32
    assert (half.text_vectors(["nut"]) - plain.text_vectors(["nut"])).abs().max() < 1e-2


def test_a_convolutional_checkpoint_with_its_own_text_class_is_loaded(tmp_path):
    vision = {"timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "linear", "image_size": 96}
    config = {**TINY, "vision_cfg": vision, "custom_text": True}
    model = checkpoints.build(config).eval()
    with_sidecar(tmp_path, config)
    backbone = load_backbone(str(save(tmp_path / "model.safetensors", model.state_dict())))
    pixels = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        expected = model.encode_image(pixels, normalize=True)
        torch.testing.assert_close(backbone.encode_pixels(pixels)[0], expected, atol=1e-5, rtol=0)


def test_an_architecture_of_the_table_is_recognised_by_its_tensors(tmp_path, tiny_architecture, state):
    path = save(tmp_path / "found.safetensors", state)
    recognised = load_backbone(str(path))
    assert recognised.name == "tiny (found.safetensors)"
    assert recognised.fingerprint == load_backbone("auto", weights=path).fingerprint
    with_sidecar(tmp_path)
    assert load_backbone(str(path)).fingerprint == recognised.fingerprint  # however the architecture was found out


def test_a_checkpoint_that_fits_two_activations_is_not_guessed(monkeypatch, tmp_path, tiny_architecture, state):
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "Tiny-quickgelu", {**TINY, "quick_gelu": True})
    tiny_architecture["architecture"] = "Tiny-quickgelu"
    path = save(tmp_path / "model.safetensors", state)
    with pytest.raises(InputError, match="--backbone tiny for OpenAI's weights, or --backbone Tiny:TAG"):
        load_backbone(str(path))
    assert load_backbone("tiny", weights=path).name == "tiny (model.safetensors)"


def test_an_unknown_checkpoint_asks_for_its_architecture(tmp_path, tiny_architecture):
    with pytest.raises(InputError, match="name it with --backbone"):
        load_backbone(str(save(tmp_path / "model.safetensors", {"weight": torch.zeros(3)})))


def test_the_wrong_architecture_is_refused(tmp_path, state):
    config = {**TINY, "embed_dim": 32}
    with_sidecar(tmp_path, config)
    with pytest.raises(InputError, match=r"model\.safetensors does not fit custom .*proj.*--backbone"):
        load_backbone(str(save(tmp_path / "model.safetensors", state)))


def test_a_checkpoint_that_lacks_a_tensor_is_refused(tmp_path, tiny_architecture, state):
    del state["ln_final.bias"]
    with pytest.raises(InputError, match=r"does not fit tiny.*ln_final\.bias"):
        load_backbone("tiny", weights=save(tmp_path / "model.safetensors", state))


class Trap:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.pth", "model.safetensors"])
def test_a_pickle_in_disguise_is_refused_and_never_run(tmp_path, tiny_architecture, name):
    path, marker = tmp_path / name, tmp_path / "marker"
    path.write_bytes(pickle.dumps({"state_dict": Trap(marker)}, protocol=2))
    with pytest.raises(InputError, match=f"{name} is damaged"):
        load_backbone("tiny", weights=path)
    torch.save({"weight": Trap(marker)}, path)
    with pytest.raises(InputError, match=f"{name} is damaged"):
        load_backbone("tiny", weights=path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.bin", "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 7, 100, 100_000])
def test_a_truncated_checkpoint_is_refused(tmp_path, tiny_architecture, state, name, keep):
    path = save(tmp_path / name, state)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"{name} is damaged"):
        load_backbone("tiny", weights=path)


@pytest.mark.parametrize(
    "content, reason", [([1, 2], "does not hold"), ({}, "does not hold"), ({"a": 1}, "does not hold")]
)
def test_a_file_of_something_else_is_refused(tmp_path, tiny_architecture, content, reason):
    torch.save(content, tmp_path / "model.bin")
    with pytest.raises(InputError, match=reason):
        load_backbone("tiny", weights=tmp_path / "model.bin")


def torchscript(path, state):
    """A TorchScript archive of modules that hold these tensors under these names, as OpenAI publishes CLIP."""

    class Holder(torch.nn.Module):
        def forward(self, x):
            return x

    whole = Holder()
    for key, value in state.items():
        *parents, name = key.split(".")
        holder = whole
        for parent in parents:
            if not hasattr(holder, parent):
                holder.add_module(parent, Holder())
            holder = getattr(holder, parent)
        holder.register_buffer(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch call TorchScript deprecated
        torch.jit.script(whole).save(str(path))
    return path


def test_a_torchscript_archive_is_read_without_running_its_code(tmp_path, tiny_architecture, state):
    plain = load_backbone("tiny", weights=save(tmp_path / "plain.safetensors", state))
    extra = {"input_resolution": torch.tensor(96), "context_length": torch.tensor(77), "vocab_size": torch.tensor(9)}
    path = torchscript(tmp_path / "ViT.pt", {**state, **extra})
    assert load_backbone(str(path)).fingerprint == plain.fingerprint
    half = torchscript(tmp_path / "half.pt", {key: value.half() for key, value in state.items()})
    assert (load_backbone("tiny", weights=half).text_vectors(["nut"]) - plain.text_vectors(["nut"])).abs().max() < 1e-2


def test_a_torchscript_archive_of_something_else_or_with_a_trap_is_refused(tmp_path, tiny_architecture):
    path = torchscript(tmp_path / "model.pt", {"weight": torch.zeros(2)})
    with pytest.raises(InputError, match="TorchScript archive of another model.*convert it to .safetensors"):
        load_backbone("tiny", weights=path)
    marker = tmp_path / "marker"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(tmp_path / "trap.pt", "w") as trap:
        for name in archive.namelist():
            data = pickle.dumps(Trap(marker), protocol=2) if name.endswith("/data.pkl") else archive.read(name)
            trap.writestr(name, data)
    with pytest.raises(InputError, match="not read for safety"):
        load_backbone("tiny", weights=tmp_path / "trap.pt")
    assert not marker.exists()


# -- transformers, and prefixes ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def transformers_clip():
    """A small random CLIPModel of transformers, in the sizes of TINY."""
    from transformers import CLIPConfig, CLIPModel

    sizes = {"num_hidden_layers": 2, "num_attention_heads": 1, "hidden_act": "gelu"}
    text = {"hidden_size": 64, "intermediate_size": 256, **sizes}
    image = {"hidden_size": 64, "intermediate_size": 256, "image_size": 96, "patch_size": 16, **sizes}
    torch.manual_seed(4)
    return CLIPModel(CLIPConfig(text_config=text, vision_config=image, projection_dim=48)).eval()


@pytest.mark.parametrize("half", [False, True])
def test_a_model_of_transformers_gives_the_vectors_that_transformers_gives(tmp_path, transformers_clip, half):
    if half:
        state = {key: value.half() for key, value in transformers_clip.state_dict().items()}
        save(tmp_path / "model.safetensors", state)
        transformers_clip.config.save_pretrained(tmp_path)
    else:
        transformers_clip.save_pretrained(tmp_path)
    backbone = load_backbone(str(tmp_path / "model.safetensors"))
    texts, pixels = ["a photo of a metal nut.", "broken metal nut."], torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        words = transformers_clip.text_model(open_clip.tokenize(texts)).pooler_output
        seen = transformers_clip.vision_model(pixels).pooler_output
        expected = [transformers_clip.text_projection(words), transformers_clip.visual_projection(seen)]
    expected = [torch.nn.functional.normalize(one, dim=-1) for one in expected]
    close = {"atol": 5e-3 if half else 1e-5, "rtol": 0}
    torch.testing.assert_close(backbone.text_vectors(texts), expected[0], **close)
    torch.testing.assert_close(backbone.encode_pixels(pixels)[0], expected[1], **close)


def test_a_part_of_a_model_of_transformers_is_named_for_what_it_is(tmp_path, transformers_clip, tiny_architecture):
    state = transformers_clip.state_dict()
    tower = {key: value for key, value in state.items() if key.startswith("vision_model.")}
    for given in (None, "tiny"):
        with pytest.raises(InputError, match="layout of transformers and lacks 'visual_projection.weight'"):
            load_backbone(given or "auto", weights=save(tmp_path / "model.safetensors", tower))


@pytest.mark.parametrize("prefixes", [["model."], ["_orig_mod."], ["module._orig_mod."], ["clip.", "model.clip.", ""]])
def test_prefixes_of_wrappers_are_taken_off(tmp_path, tiny_architecture, state, prefixes):
    plain = load_backbone("tiny", weights=save(tmp_path / "plain.safetensors", state))
    wrapped = {f"{prefixes[index % len(prefixes)]}{key}": value for index, (key, value) in enumerate(state.items())}
    assert load_backbone(str(save(tmp_path / "model.bin", {"model": wrapped}))).fingerprint == plain.fingerprint
    with pytest.raises(InputError, match="twice"):
        load_backbone(
            "tiny", weights=save(tmp_path / "two.bin", {**state, **{f"module.{key}": state[key] for key in state}})
        )


def test_advice_names_what_fits_and_never_sends_in_circles(tmp_path, tiny_architecture, state):
    path = save(tmp_path / "model.safetensors", state)
    with pytest.raises(InputError, match="does not fit ViT-B-32.*has the sizes of Tiny: name it with --backbone"):
        load_backbone("ViT-B-32", weights=path)
    state["text_projection"] = torch.zeros(64, 40)
    with pytest.raises(InputError, match="no name for .*embed dim 40.*open_clip_config.json"):
        load_backbone("tiny", weights=save(tmp_path / "odd.safetensors", state))
    with pytest.raises(InputError, match="folder: give the weights file in it"):
        load_backbone("tiny", weights=tmp_path)


@pytest.mark.parametrize(
    "name, reason", [("absent.safetensors", "no weights file 'absent"), ("photo.png", "not a weights file")]
)
def test_a_path_that_is_no_weights_file_is_refused(tmp_path, tiny_architecture, name, reason):
    (tmp_path / "photo.png").write_bytes(b"not weights")
    with pytest.raises(InputError, match=reason):
        load_backbone("tiny", weights=tmp_path / name)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"model_cfg": 3}', '{"model_cfg": {"embed_dim": "x"}}'])
def test_a_damaged_description_is_refused(tmp_path, state, text):
    (tmp_path / "open_clip_config.json").write_text(text)
    with pytest.raises(InputError, match="--backbone"):
        load_backbone(str(save(tmp_path / "model.safetensors", state)))


def test_weights_for_the_embedded_backbone_are_refused(tmp_path):
    with pytest.raises(InputError, match="embedded backbone has its own weights"):
        load_backbone("embedded", weights=tmp_path / "model.safetensors")


# -- names -------------------------------------------------------------------------------------------------------------


def test_every_row_of_the_table_names_weights_that_open_clip_knows():
    names = [row["name"] for row in checkpoints.backbone_table()]
    assert WEIGHT_FILES == (HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME)
    assert names[0] == "embedded" and RECOMMENDED in names and len(set(names)) == len(names)
    for row in checkpoints.backbone_table()[1:]:
        known = open_clip.get_pretrained_cfg(row["architecture"], row["tag"])
        config = open_clip.get_model_config(row["architecture"])
        assert config["vision_cfg"]["image_size"] == row["image_size"]
        assert known["hf_hub"].rstrip("/") == row["repository"]
        assert known.get("quick_gelu", False) == config.get("quick_gelu", False)
        with torch.device("meta"):
            size = sum(value.numel() for value in checkpoints.build(config).state_dict().values())
        assert row["download_mb"] == pytest.approx(size * 4 / 1e6, abs=1)


@pytest.mark.parametrize(
    "name, reason",
    [
        ("ViT-B-99", "no backbone 'ViT-B-99': choose one of embedded, ViT-B-16-plus-240"),
        ("", "no backbone ''"),
        ("x" * 10_000, "no backbone 'x{80}':"),
        ("../../etc", "no backbone"),
        ("ViT-B-32:nonsense", "no weights 'nonsense' for ViT-B-32: choose one of openai"),
        ("convnext_base_w", "Say which weights of convnext_base_w: convnext_base_w:laion2b"),
        ("ViT-B-16-SigLIP", "not CLIP's own"),
        ("xlm-roberta-base-ViT-B-32:laion5b_s13b_b90k", "not CLIP's own"),
    ],
)
def test_a_name_that_cannot_serve_is_refused(hub, tmp_path, name, reason):
    hub.answer = lambda file, **options: str(tmp_path / "model.bin")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "model.bin")
    with pytest.raises(InputError, match=reason):
        load_backbone(name)


# -- the hub -----------------------------------------------------------------------------------------------------------


def test_an_unreachable_hub_says_what_to_do_and_no_download_is_begun(monkeypatch, empty_cache):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *_, **__: pytest.fail("a download was begun"))
    with pytest.raises(InputError, match="cannot be reached. Connect and run again, .*--weights PATH.*embedded"):
        load_backbone(BEST)


def test_a_probe_that_never_returns_counts_as_unreachable(monkeypatch):
    never = threading.Event()
    session = type("Session", (), {"head": lambda self, *_, **__: never.wait()})
    monkeypatch.setattr(checkpoints, "get_session", session)
    monkeypatch.setattr(checkpoints, "PROBE_SECONDS", -3)  # waits PROBE_SECONDS + 3
    assert not checkpoints.hub_reachable()
    never.set()


def test_offline_mode_is_respected(monkeypatch, empty_cache):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(checkpoints, "hub_reachable", lambda: pytest.fail("the network was touched"))
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        load_backbone(BEST)


def test_a_download_reports_its_progress_and_the_second_file_name_is_tried(hub, tmp_path):
    def answer(file, tqdm_class, **options):
        if file.endswith(".safetensors"):
            raise EntryNotFoundError("no such file in the repository")
        with tqdm_class(total=8_000_000, desc=file, unit="B", name="hub") as bar:
            bar.update(2_000_000)
            bar.update(6_000_000)
        return str(tmp_path / file)

    hub.answer = answer
    seen = []
    source = checkpoints.hub_source(BEST, on_progress=seen.append)
    assert source.path == tmp_path / "open_clip_pytorch_model.bin" and source.architecture == BEST
    assert [str(progress) for progress in seen] == [
        "Fetching ViT-B-16-plus-240: 2 of 8 MB",
        "Fetching ViT-B-16-plus-240: 8 of 8 MB",
    ]
    assert hub.asked == ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]


@pytest.mark.parametrize(
    "error, reason",
    [
        (LocalEntryNotFoundError("gone"), "the connection to the hub broke off"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("502 Bad Gateway\nlong trace"), r"could not be fetched \(502 Bad Gateway\)"),
    ],
)
def test_a_failed_download_is_told_once_and_not_retried(hub, error, reason):
    def answer(file, **options):
        raise error

    hub.answer = answer
    with pytest.raises(InputError, match=reason + ".*--backbone embedded"):
        load_backbone(BEST)
    assert len(hub.asked) == 1


def test_cached_weights_need_no_network(monkeypatch, empty_cache, tmp_path):
    repository = tmp_path / "cache" / "models--timm--vit_base_patch16_plus_clip_240.laion400m_e31"
    snapshot = repository / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123")
    (snapshot / "open_clip_model.safetensors").write_bytes(b"")
    monkeypatch.setattr(checkpoints, "hub_reachable", lambda: pytest.fail("the network was touched"))
    assert checkpoints.hub_source(BEST).path == snapshot / "open_clip_model.safetensors"


# -- auto --------------------------------------------------------------------------------------------------------------


def test_auto_without_cached_weights_is_the_embedded_backbone_with_a_note(monkeypatch, empty_cache):
    monkeypatch.setattr(checkpoints, "hub_reachable", lambda: pytest.fail("the network was touched"))
    backbone = load_backbone("auto")
    assert backbone.name == "embedded"
    assert "embedded" in backbone.note and "--backbone ViT-B-16-plus-240" in backbone.note and "834 MB" in backbone.note


def test_auto_takes_the_recommended_weights_where_they_are_cached(monkeypatch, tmp_path, tiny_architecture, state):
    tiny_architecture.update(name=BEST, download_mb=834)
    path = save(tmp_path / "model.safetensors", state)
    monkeypatch.setattr("zsad_core.backbone.backbone_table", checkpoints.backbone_table)
    monkeypatch.setattr("zsad_core.backbone.cached_file", lambda repository: path)
    monkeypatch.setattr(checkpoints, "cached_weights", lambda *_: path)
    backbone = load_backbone("auto")
    assert backbone.name == BEST and "local cache" in backbone.note
    assert load_backbone(BEST).note == ""
