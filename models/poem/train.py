"""Trains a small network on the solids, 1 bit from the start.

    python train.py --size solids_pointnet --out DIR

Writes DIR/SIZE.pt. Seeded; the last step is kept, so nothing is chosen by looking at test clouds. Most steps see fewer points
(`--points`), the last tenth all 1,024, which sets the statistics of BatchNormalization.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import solids
import torch
import torch.nn.functional as F
from model import CONFIGS, build
from quantizers import set_spelled_out

def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=[size for size in CONFIGS if size.startswith("solids")], required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clouds", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--points", type=int, default=384)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=4e-3)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = build(args.size)
    set_spelled_out(model, False)
    model.native_knn = False  # DGCNN: one matrix product is faster here
    points, kinds = solids.clouds(args.clouds, model.cfg.points, seed=1)
    points, kinds = torch.from_numpy(solids.coordinates(points)), torch.from_numpy(kinds)
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0)
    start, total = time.time(), 0.0
    model.train()
    for step in range(args.steps):
        for group in optimiser.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 100) * 0.5 * (1 + np.cos(np.pi * step / args.steps))
        picked = torch.randint(len(points), (args.batch,))
        count = args.points if step < 0.9 * args.steps else points.shape[1]
        x = points[picked][:, torch.randperm(points.shape[1])[:count]]
        loss = F.cross_entropy(model(x), kinds[picked])
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        total += loss.item()
        if step % 50 == 49:
            print(f"step {step + 1}/{args.steps} loss {total / 50:.4f} {time.time() - start:.0f} s", flush=True)
            total = 0.0
    torch.save(model.state_dict(), args.out / f"{args.size}.pt")


if __name__ == "__main__":
    main()
