"""From logits and boxes to detections, and what they are worth on scenes whose objects are known."""

import numpy as np
from scenes import overlap

SCORE = 0.5  # of a detection that is shown
SAME_PLACE = 0.5  # overlap of a detection and its object


def scores(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def detections(logits: np.ndarray, boxes: np.ndarray, least: float) -> list[tuple[float, int, np.ndarray]]:
    """Of one image, SMCA: every query's best class, best score first."""
    of_queries = scores(logits)
    best = of_queries.argmax(1)
    kept = [(of_queries[q, c], int(c), boxes[q]) for q, c in enumerate(best) if of_queries[q, c] > least]
    return sorted(kept, key=lambda d: -d[0])


def _hits(found: list, boxes: np.ndarray, classes: np.ndarray) -> list[tuple[float, bool]]:
    """Score of each detection, and whether it is the first of an object of its class at its place."""
    free, result = np.ones(len(boxes), bool), []
    for score, label, box in found:
        shared = overlap(box[None], boxes)[0] * (free & (classes == label))
        hit = shared.max() >= SAME_PLACE
        free[shared.argmax()] &= not hit
        result.append((score, hit))
    return result


def judge(logits: np.ndarray, boxes: np.ndarray, true_boxes: list, true_classes: list) -> dict[str, float]:
    """AP50 over all classes together; precision and recall of the detections above SCORE; percent."""
    all_hits = []
    for image in range(len(logits)):
        found = detections(logits[image], boxes[image], 0.0)
        all_hits += _hits(found, true_boxes[image], true_classes[image])
    objects = sum(len(b) for b in true_boxes)
    all_hits.sort(key=lambda h: -h[0])
    hit = np.array([h for _, h in all_hits], float)
    recall, precision = hit.cumsum() / objects, hit.cumsum() / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    average = (np.diff(recall, prepend=0) * envelope).sum()
    shown = sum(score > SCORE for score, _ in all_hits)
    right = hit[:shown].sum()
    named = {"ap50": average, "precision": right / max(shown, 1), "recall": right / objects}
    return {name: round(100 * float(value), 2) for name, value in named.items()}
