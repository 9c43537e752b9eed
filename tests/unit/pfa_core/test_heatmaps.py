"""Heatmap geometry, the rebalanced loss against a literal one, and the read-out."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pfa_core.heatmaps import Targets, cells_to_px, decode, heatmap_loss, px_to_cells, targets

SIZES = [(256, 60), (128, 28)]


def _literal_loss(heatmaps: torch.Tensor, wanted: Targets) -> float:
    """Cell by cell, as the paper says it."""
    losses = []
    for b in range(heatmaps.shape[0]):
        for k in range(heatmaps.shape[1]):
            if not wanted.drawn[b, k]:
                continue
            positive: list[float] = []
            negative: list[float] = []
            for row in range(heatmaps.shape[2]):
                for column in range(heatmaps.shape[3]):
                    target = wanted.maps[b, k, row, column].item()
                    square = (heatmaps[b, k, row, column].item() - target) ** 2
                    (positive if target > 0 else negative).append(square)
            losses.append(sum(positive) / len(positive) / 2 + sum(negative) / len(negative) / 2)
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("crop_px", "cells"), SIZES)
def test_cell_map_fixed_points(crop_px: int, cells: int) -> None:
    """Outer edges fall on outer edges, the middle on the middle, and neighbours are one stride apart."""
    edges = torch.tensor([[-0.5, crop_px - 0.5], [(crop_px - 1) / 2, (crop_px - 1) / 2]], dtype=torch.float64)
    expected = torch.tensor([[-0.5, cells - 0.5], [(cells - 1) / 2, (cells - 1) / 2]], dtype=torch.float64)
    torch.testing.assert_close(px_to_cells(edges, crop_px=crop_px, cells=cells), expected)
    torch.testing.assert_close(cells_to_px(expected, crop_px=crop_px, cells=cells), edges)
    step = cells_to_px(torch.tensor([1.0, 2.0]), crop_px=crop_px, cells=cells).diff().item()
    assert step == pytest.approx(crop_px / cells)


@settings(max_examples=60, deadline=None)
@given(
    size=st.sampled_from(SIZES),
    x=st.floats(0.1, 0.9),
    y=st.floats(0.1, 0.9),
    side=st.sampled_from([1, 3, 5]),
)
def test_decode_undoes_targets_to_half_a_cell(size: tuple[int, int], x: float, y: float, side: int) -> None:
    crop_px, cells = size
    point_px = torch.tensor([[[x * crop_px, y * crop_px]]])
    wanted = targets(point_px, torch.tensor([[True]]), crop_px=crop_px, cells=cells, positive_cells=side)
    found_px, score = decode(wanted.maps, crop_px=crop_px, top_cells=side * side)
    assert (found_px - point_px).abs().max().item() <= 0.5 * crop_px / cells + 1e-3
    assert score.item() == 1.0


def test_twenty_cells_of_a_symmetric_hill_give_its_centre() -> None:
    rows, columns = torch.meshgrid(torch.arange(60.0), torch.arange(60.0), indexing="ij")
    hill = -((columns - 30.5) ** 2 + (rows - 12.5) ** 2)  # 4, 12, 16, 24, ... cells within growing radii
    found_px, _ = decode(hill[None, None], crop_px=256, top_cells=12)
    expected = [(30.5 + 0.5) * 256 / 60 - 0.5, (12.5 + 0.5) * 256 / 60 - 0.5]
    assert found_px[0, 0].tolist() == pytest.approx(expected, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(size=st.sampled_from(SIZES), x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9))
def test_sub_cells_undo_targets_to_half_a_cell(size: tuple[int, int], x: float, y: float) -> None:
    crop_px, cells = size
    point_px = torch.tensor([[[x * crop_px, y * crop_px]]])
    wanted = targets(point_px, torch.tensor([[True]]), crop_px=crop_px, cells=cells, positive_cells=3)
    found_px, _ = decode(wanted.maps, crop_px=crop_px, top_cells=20, sub_cell=True)
    assert (found_px - point_px).abs().max().item() <= 0.5 * crop_px / cells + 1e-3


@settings(max_examples=60, deadline=None)
@given(column=st.floats(2, 25), row=st.floats(2, 25), steep=st.floats(0.01, 1))
def test_sub_cells_find_the_top_of_a_paraboloid_between_cells(column: float, row: float, steep: float) -> None:
    """Averaging over a square lowers a paraboloid everywhere alike, and the fit is a parabola itself."""
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    hill = 1 - steep * ((columns - column) ** 2 + 0.5 * (rows - row) ** 2)
    found_px, fine_score = decode(hill[None, None], crop_px=128, top_cells=9, sub_cell=True)
    expected = [(place + 0.5) * 128 / 28 - 0.5 for place in (column, row)]
    assert found_px[0, 0].tolist() == pytest.approx(expected, abs=0.02)
    assert fine_score == decode(hill[None, None], crop_px=128, top_cells=9)[1]


def test_sub_cells_stay_on_the_heatmap_and_need_no_slope() -> None:
    flat, corner = torch.zeros(28, 28), torch.zeros(28, 28)
    corner[27, 0] = 1.0
    found_px, _ = decode(torch.stack([flat, corner])[None], crop_px=128, top_cells=9, sub_cell=True)
    assert found_px.isfinite().all()
    assert found_px[0, 1].tolist() == pytest.approx([0.5 * 128 / 28 - 0.5, 27.5 * 128 / 28 - 0.5])


def test_targets_are_three_by_three_and_cut_at_the_border() -> None:
    points_px = torch.tensor([[[128.0, 128.0], [0.0, 0.0], [255.0, 128.0]]])
    wanted = targets(points_px, torch.ones(1, 3, dtype=torch.bool), crop_px=256, cells=60, positive_cells=3)
    assert (wanted.maps > 0).sum(dim=(-1, -2)).tolist() == [[9, 4, 6]]
    assert set(wanted.maps.unique().tolist()) == {-1.0, 1.0}
    assert wanted.maps[0, 0, 29:32, 29:32].min() == 1  # px 128 lies in cell floor(128.5 * 60 / 256) = 30
    assert wanted.maps[0, 1, :2, :2].min() == 1


def test_rows_are_y_and_columns_x() -> None:
    wanted = targets(torch.tensor([[[200.0, 20.0]]]), torch.tensor([[True]]), crop_px=256, cells=60, positive_cells=1)
    row, column = (wanted.maps[0, 0] > 0).nonzero()[0].tolist()
    assert (column, row) == (int(200.5 * 60 / 256), int(20.5 * 60 / 256))


@pytest.mark.parametrize("x", [-0.6, 255.6, math.nan, math.inf])
def test_joints_outside_the_crop_do_not_count(x: float) -> None:
    wanted = targets(torch.tensor([[[x, 50.0]]]), torch.tensor([[True]]), crop_px=256, cells=60, positive_cells=3)
    assert not wanted.drawn.any()
    assert heatmap_loss(torch.ones(1, 1, 60, 60), wanted) == 0


def test_loss_equals_the_literal_one() -> None:
    generator = torch.Generator().manual_seed(1)
    points_px = torch.rand(3, 4, 2, generator=generator) * 64 - 4
    labelled = torch.rand(3, 4, generator=generator) > 0.3
    wanted = targets(points_px, labelled, crop_px=60, cells=12, positive_cells=3)
    heatmaps = torch.randn(3, 4, 12, 12, generator=generator)
    assert heatmap_loss(heatmaps, wanted).item() == pytest.approx(_literal_loss(heatmaps, wanted), rel=1e-5)


def test_gradients_of_both_signs_balance() -> None:
    """At a flat zero the pulls up and down are equal, so "all background" is no way out."""
    wanted = targets(torch.tensor([[[128.0, 90.0]]]), torch.tensor([[True]]), crop_px=256, cells=60, positive_cells=3)
    heatmaps = torch.zeros(1, 1, 60, 60, requires_grad=True)
    heatmap_loss(heatmaps, wanted).backward()
    assert heatmaps.grad is not None
    up, down = heatmaps.grad[wanted.maps > 0].sum().item(), heatmaps.grad[wanted.maps < 0].sum().item()
    assert up == pytest.approx(-down)
    assert up == pytest.approx(-1.0)


def test_perfect_heatmaps_cost_nothing_and_unlabelled_ones_are_free() -> None:
    wanted = targets(
        torch.tensor([[[128.0, 90.0], [1.0, 1.0]]]),
        torch.tensor([[True, False]]),
        crop_px=256, cells=60, positive_cells=3,
    )  # fmt: skip
    heatmaps = wanted.maps.clone()
    heatmaps[0, 1] = 100.0
    assert heatmap_loss(heatmaps, wanted).item() == 0


def test_scores_span_background_to_joint() -> None:
    heatmaps = torch.stack([torch.full((10, 10), value) for value in (-1.0, 0.0, 1.0, 5.0)])[None]
    _, scores = decode(heatmaps, crop_px=40, top_cells=1000)
    assert scores.tolist() == [[0.0, 0.5, 1.0, 1.0]]
