"""Training on MNIST: batches, the loop, the float teacher, distillation. What differs between networks is passed in."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mnist
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TEMPERATURE = 2.0
SHIFT = 1  # pixels

Pair = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Schedule:
    epochs: float
    lr: float
    seed: int  # of the order of the batches
    batch: int = 128


def log(line: str) -> None:
    print(line, flush=True)


def load(wheel: Path) -> tuple[Pair, Pair]:
    """Training and held-out images [B, 1, 28, 28], normalised, with their labels."""

    def tensors(pair):
        return torch.from_numpy(mnist.normalise(pair[0])), torch.from_numpy(pair[1].astype(np.int64))

    return tensors(mnist.train_set(wheel)), tensors(mnist.held_out_set(wheel))


def batches(images: Tensor, labels: Tensor, batch: int, generator: torch.Generator):
    """One shuffled epoch; every image moved by up to SHIFT pixels each way."""
    padded = F.pad(images, (SHIFT,) * 4, value=images.min().item())
    order = torch.randperm(len(images), generator=generator)
    for start in range(0, len(order) - batch + 1, batch):
        picked = order[start : start + batch]
        dy, dx = torch.randint(0, 2 * SHIFT + 1, (2, batch), generator=generator)
        rows = (dy[:, None] + torch.arange(28))[:, None, :, None]
        cols = (dx[:, None] + torch.arange(28))[:, None, None, :]
        yield padded[picked[:, None, None, None], 0, rows, cols], labels[picked]


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return 100 * right / len(images)


def parameter_groups(model: nn.Module, lr: float) -> list[dict]:
    """Scales and zero points move slowly; the matrices of the body, quantised or not, do not decay."""
    slow, body, rest = [], [], []
    for name, p in model.named_parameters():
        if name.endswith(("alpha", "zero_point", ".scale")):
            slow.append(p)
        elif p.dim() == 2 and (".qkv." in name or ".proj." in name or ".fc" in name or ".reduction." in name):
            body.append(p)
        else:
            rest.append(p)
    return [
        {"params": slow, "lr": 0.1 * lr, "scale": 0.1, "weight_decay": 0.0},
        {"params": body, "lr": lr, "scale": 1.0, "weight_decay": 0.0},
        {"params": rest, "lr": lr, "scale": 1.0, "weight_decay": 0.01},
    ]


def fit(
    model: nn.Module,
    data: tuple[Pair, Pair],
    schedule: Schedule,
    loss_of: Callable[[nn.Module, Tensor, Tensor, int], Tensor],
    checkpoint: Path,
    after_step: Callable[[nn.Module], None] = lambda model: None,
) -> None:
    """Trains, and writes `checkpoint` at the end: the last step is kept, so nothing is chosen by looking at test images."""
    train, held_out = data
    generator = torch.Generator().manual_seed(schedule.seed)
    per_epoch = len(train[0]) // schedule.batch
    steps = round(schedule.epochs * per_epoch)
    optimiser = torch.optim.AdamW(parameter_groups(model, schedule.lr), betas=(0.9, 0.99))
    step, start = 0, time.time()
    partial = checkpoint.with_suffix(".partial.pt")  # so that a stopped run leaves its last epoch, and never under the final name
    torch.save(model.state_dict(), partial)
    while step < steps:
        model.train()
        total, first = 0.0, step
        for x, y in itertools.islice(batches(*train, schedule.batch, generator), steps - step):
            factor = min(1.0, (step + 1) / min(300, 0.2 * steps)) * 0.5 * (1 + np.cos(np.pi * step / steps))
            for group in optimiser.param_groups:
                group["lr"] = schedule.lr * group["scale"] * factor
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, x, y, step)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            after_step(model)
            total += loss.item()
            step += 1
        torch.save(model.state_dict(), partial)
        log(f"step {step}/{steps} loss {total / (step - first):.4f} "
            f"held-out {accuracy(model, *held_out):.2f} % {time.time() - start:.0f} s")
    partial.rename(checkpoint)


def split_heads_in_training(model: nn.Module) -> None:
    """While it trains, a distilled model answers with both heads apart."""
    if model.cfg.distilled:
        model.register_forward_pre_hook(lambda m, args: setattr(m, "both_heads", m.training))


def _both(logits) -> tuple[Tensor, Tensor]:
    return logits if isinstance(logits, tuple) else (logits, logits)


def float_loss(model: nn.Module, x: Tensor, y: Tensor, step: int) -> Tensor:
    cls, dist = _both(model(x))
    return F.cross_entropy(cls, y, label_smoothing=0.05) + F.cross_entropy(dist, y, label_smoothing=0.05)


def distillation(teacher: nn.Module, before_step: Callable[[nn.Module, int], None] = lambda model, step: None):
    """The loss of a student: the labels for the class head, the teacher's softened answers for both heads."""

    def loss(model: nn.Module, x: Tensor, y: Tensor, step: int) -> Tensor:
        before_step(model, step)
        with torch.no_grad():
            target = F.softmax(teacher(x) / TEMPERATURE, dim=1)
        cls, dist = _both(model(x))
        soft = lambda logits: F.kl_div(F.log_softmax(logits / TEMPERATURE, dim=1), target, reduction="batchmean")
        return F.cross_entropy(cls, y) + TEMPERATURE**2 * (soft(cls) + soft(dist))

    return loss


def float_teacher(model: nn.Module, data: tuple[Pair, Pair], stored: Path, schedule: Schedule) -> nn.Module:
    """The plain network, from `stored` or trained and stored there."""
    split_heads_in_training(model)
    if stored.exists():
        model.load_state_dict(torch.load(stored, weights_only=True))
    else:
        fit(model, data, schedule, float_loss, stored)
    log(f"teacher {accuracy(model, *data[1]):.2f} %")
    return model.eval()
