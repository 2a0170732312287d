"""The configuration of a CLIP that takes milliseconds, for tests on random weights."""

TINY = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 96, "patch_size": 16, "layers": 3, "width": 64, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 3},
}
