"""DETR's loss: one-to-one matching of queries and objects, then classes (sigmoid focal), boxes (L1 and generalised overlap)."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

CLASS, L1, OVERLAP = 2.0, 5.0, 2.0  # weights, of the matching and of the loss
GAMMA = 2.0
EARLY = 3


def corners(boxes: Tensor) -> Tensor:
    return torch.cat((boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2), -1)


def generalised_overlap(a: Tensor, b: Tensor) -> Tensor:
    """Of boxes that broadcast, as corners."""
    inside = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inside
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return inside / union.clamp(min=1e-8) - (hull - union) / hull.clamp(min=1e-8)


def focal(logits: Tensor, target: Tensor, alpha: float) -> Tensor:
    """alpha: the share of what is there in the loss; more of it, higher scores."""
    p = logits.sigmoid()
    right = p * target + (1 - p) * (1 - target)
    weight = alpha * target + (1 - alpha) * (1 - target)
    return weight * (1 - right) ** GAMMA * F.binary_cross_entropy_with_logits(logits, target, reduction="none")


@torch.no_grad()
def match(logits: Tensor, boxes: Tensor, targets: list[tuple[Tensor, Tensor]], alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Image, query and object (counted over the batch) of every pair."""
    all_boxes, all_classes = (torch.cat(part) for part in zip(*targets))
    one, zero = torch.ones_like(logits), torch.zeros_like(logits)
    cost = CLASS * (focal(logits, one, alpha) - focal(logits, zero, alpha))[..., all_classes]
    cost = cost + L1 * (boxes[:, :, None] - all_boxes).abs().sum(-1)
    cost = (cost - OVERLAP * generalised_overlap(corners(boxes)[:, :, None], corners(all_boxes))).numpy()
    images, queries, objects, start = [], [], [], 0
    for i, (of_image, _) in enumerate(targets):
        rows, columns = linear_sum_assignment(cost[i, :, start : start + len(of_image)])
        images += [i] * len(rows)
        queries += rows.tolist()
        objects += (columns + start).tolist()
        start += len(of_image)
    return torch.tensor(images), torch.tensor(queries), torch.tensor(objects)


def detection_loss(layers: list[tuple[Tensor, Tensor]], targets: list[tuple[Tensor, Tensor]], alpha: float) -> Tensor:
    """Summed over the decoder's layers; `targets` holds boxes [N, 4] and classes [N] of each image.

    Layers before the last may find an object EARLY times: more queries learn from it, and the last layer chooses among them.
    """
    total = torch.zeros(())
    for i, (logits, boxes) in enumerate(layers):
        copies = 1 if i == len(layers) - 1 else EARLY
        repeated = [(b.repeat(copies, 1), c.repeat(copies)) for b, c in targets]
        all_boxes, all_classes = (torch.cat(part) for part in zip(*repeated))
        images, queries, objects = match(logits, boxes, repeated, alpha)
        wanted = torch.zeros_like(logits)
        wanted[images, queries, all_classes[objects]] = 1
        found, true = boxes[images, queries], all_boxes[objects]
        parts = CLASS * focal(logits, wanted, alpha).sum() + L1 * (found - true).abs().sum()
        parts = parts + OVERLAP * (1 - generalised_overlap(corners(found), corners(true))).sum()
        total = total + parts / len(all_boxes)
    return total
