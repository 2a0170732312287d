"""Published figures to compare with, in percent. None of them was measured here."""

# Image AUROC as the poster prints it (Gao, He, Duan and Zuo, Sichuan University), severity 3 after Cao et al. (ICCV
# 2023): brightness, contrast, blur, noise, their mean, none. It does not name its backbone.
POSTER = {
    "MVTec AD": {
        "maeday": (60.3, 69.2, 61.9, 60.2, 62.9, 60.1),
        "acr": (84.5, 82.7, 83.0, 83.2, 83.3, 85.8),
        "clip": (74.1, 68.1, 74.2, 74.2, 72.7, 73.8),
        "clip-ac": (73.2, 69.0, 73.7, 72.7, 72.2, 73.9),
        "rwda": (85.2, 83.2, 87.7, 85.8, 85.5, 91.0),
        "winclip": (85.7, 85.9, 86.9, 87.6, 86.5, 91.8),
        "anomalyclip": (84.6, 86.2, 86.1, 81.0, 84.5, 91.5),
        "ours": (86.3, 88.0, 88.5, 87.6, 87.6, 91.0),
    },
    "VisA": {
        "maeday": (53.2, 57.9, 55.3, 58.3, 56.2, 54.4),
        "acr": (67.3, 71.8, 72.0, 70.9, 70.5, 73.5),
        "clip": (58.3, 58.1, 58.3, 58.2, 58.2, 58.2),
        "clip-ac": (59.4, 57.6, 57.8, 59.6, 58.6, 58.5),
        "rwda": (68.8, 73.1, 73.1, 73.3, 72.1, 78.1),
        "winclip": (67.9, 72.2, 73.3, 74.3, 71.9, 78.1),
        "anomalyclip": (76.9, 75.0, 79.7, 77.7, 77.3, 81.9),
        "ours": (72.5, 75.9, 76.1, 78.4, 75.7, 78.8),
    },
}
POSTER_COLUMNS = ("brightness", "contrast", "blur", "noise", "mean", "none")
# The poster's AeBAD: one figure a method, without added corruption.
POSTER_AEBAD = {
    "maeday": 57.0, "clip": 53.1, "clip-ac": 53.0, "rwda": 74.0, "winclip": 71.9, "anomalyclip": 73.0, "ours": 80.7,
}  # fmt: skip

# Clean data, from WinCLIP's tables (Jeong et al., CVPR 2023), on this backbone.
WINCLIP_BACKBONE = "ViT-B-16-plus-240"
WINCLIP = {
    "MVTec AD": {
        "winclip": {"image_auroc": 91.8, "image_ap": 96.5, "image_f1_max": 92.9, "pixel_auroc": 85.1, "pro": 64.6},
        "clip-ac": {"image_auroc": 74.0},
    },
    "VisA": {
        "winclip": {"image_auroc": 78.1, "image_ap": 81.2, "image_f1_max": 79.0, "pixel_auroc": 79.6, "pro": 56.8},
        "clip-ac": {"image_auroc": 59.3},
    },
}

# The complete test sets: categories, and images in all (None where no source was at hand).
_COMPLETE = {
    "MVTec AD": (
        "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush transistor wood zipper",
        1725,
    ),
    "VisA": (
        "candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 pipe_fryum",
        2162,
    ),
    "AeBAD": ("background illumination same view", None),
}


def published_name(categories):
    """Which published test set a folder holds, complete: "MVTec AD", "VisA" or "AeBAD"; None for anything else.

    Args:
        categories: name of a category -> number of its images.
    """
    for name, (expected, images) in _COMPLETE.items():
        if set(categories) == set(expected.split()) and images in (None, sum(categories.values())):
            return name
    return None
