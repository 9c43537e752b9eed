"""The paper's own figures, in percent, to be read beside those measured: other data, other budgets.

Source: paper, tables 1 to 4.
"""

PCP = {
    "random": (51.9, 19.3), "ranking": (52.8, 19.7), "action": (46.7, 17.8), "motion": (57.1, 24.4),
    "imagenet": (65.6, 34.3),
}  # fmt: skip
"""Table 1, FLIC: strict PCP of upper and of lower arms."""

PDJ = {
    "random": ((20.0, 47.3, 63.9, 74.8), (17.2, 36.1, 49.6, 60.8)),
    "action": ((18.5, 44.8, 61.0, 71.1), (16.5, 34.8, 45.2, 53.2)),
    "ranking": ((23.0, 48.3, 66.5, 77.6), (19.1, 36.6, 46.7, 55.1)),
    "motion": ((28.0, 54.6, 68.8, 77.6), (20.1, 40.0, 51.6, 60.8)),
    "imagenet": ((34.8, 62.0, 74.7, 82.1), (29.0, 48.5, 59.3, 66.7)),
}
"""Table 2, FLIC: PDJ of elbows, then of wrists, at 0.1, 0.2, 0.3 and 0.4."""

ACTION = {
    ("random", "full"): (42.5, 15.1), ("ranking", "full"): (41.5, 16.9), ("motion", "full"): (55.4, 23.6),
    ("motion", "last2"): (41.4, 19.1), ("imagenet", "full"): (70.8, 40.5),
}  # fmt: skip
"""Table 3: accuracy on UCF101 and on HMDB51."""

STATIC = {"random": 15.34, "steady": 20.95, "motion": 22.7}
"""Table 4, PASCAL VOC 2010 action with 50 training images: accuracy, mean of 5 runs."""

NAMES = {
    "random": "Random", "motion": "Ours", "ranking": "Wang et al. unsupervised [11]", "steady": "SSFA [22]",
    "action": "UCF101 pretrained", "imagenet": "ImageNet pretrained",
}  # fmt: skip
"""What the paper calls our initialisations."""
