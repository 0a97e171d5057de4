"""Makes a realistic Bi-ViT without training: random weights, quantisers set from what random images produce.

The ImageNet sizes serve latency and exactness, so what matters is that codes are balanced, that zero points are not all zero,
that a negative scale occurs, and that accumulators hit exact zeros. None of these files classifies anything.
"""

import common  # noqa: F401  (../common)
import quantizers
import torch
from images import random_images, randomise_norms
from model import BiVit
from vit import Config

# Zero points of q, k, v by (block + head) mod 8, and of the probabilities by mod 5: -2 keeps codes {a, 3a}, -1 {0, 2a}.
QKV_ZERO_POINTS = (0, 1, 0, -1, 0, 0, 2, 0)
PROBS_ZERO_POINTS = (-1, -1, -2, -1, -3)
PROBS_SHARE = 0.3  # of the probabilities above the threshold


def _set_from_input(act: quantizers.HeadBinarizer, zero_points: list[int], negative_head: int | None):
    """A pre-hook: scale = mean magnitude of what arrives, spread a little over the heads."""

    def hook(module, args):
        magnitude = args[0].abs().mean(dim=(0, 2, 3))
        spread = torch.linspace(0.8, 1.2, len(magnitude))
        act.alpha.copy_(magnitude * spread / torch.tensor([max(1, abs(z)) for z in zero_points]))
        act.zero_point.copy_(torch.tensor(zero_points, dtype=torch.float32))
        if negative_head is not None:
            act.alpha[negative_head] *= -1

    return hook


def _set_from_probs(act: quantizers.HeadBinarizer, zero_points: list[int]):
    def hook(module, args):
        heads = args[0].transpose(0, 1).flatten(1)
        threshold = torch.quantile(heads[:, :: max(1, heads.shape[1] // 100_000)], 1 - PROBS_SHARE, dim=1)
        act.alpha.copy_(threshold / torch.tensor([-z for z in zero_points]))
        act.zero_point.copy_(torch.tensor(zero_points, dtype=torch.float32))

    return hook


@torch.no_grad()
def calibrated(cfg: Config, seed: int = 1) -> BiVit:
    torch.manual_seed(seed)
    model = BiVit(cfg).eval()
    randomise_norms(model, torch.Generator().manual_seed(seed))
    for module in model.modules():
        if isinstance(module, quantizers.BinaryLinear):
            # The random generator yields a few exact zeros; a trained weight is all but never 0, and one would make its layer ternary.
            module.weight[module.weight == 0] = 1e-6
    quantizers.set_spelled_out(model, False)
    hooks = []
    for b, block in enumerate(model.blocks):
        attn = block.attn
        for t, act in enumerate((attn.q_act, attn.k_act, attn.v_act)):
            zero_points = [QKV_ZERO_POINTS[(b + t + 3 * h) % len(QKV_ZERO_POINTS)] for h in range(cfg.heads)]
            negative = 1 if (b, t) in ((0, 1), (5, 0), (7, 2)) else None
            hooks.append(act.register_forward_pre_hook(_set_from_input(act, zero_points, negative)))
        zero_points = [PROBS_ZERO_POINTS[(b + h) % len(PROBS_ZERO_POINTS)] for h in range(cfg.heads)]
        hooks.append(attn.attn_act.register_forward_pre_hook(_set_from_probs(attn.attn_act, zero_points)))
    # Each quantiser is set before it runs, so one pass calibrates the blocks in order.
    model(torch.from_numpy(random_images(cfg, 4, seed)))
    for hook in hooks:
        hook.remove()
    quantizers.set_spelled_out(model, True)
    return model
