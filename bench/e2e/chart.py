"""Draws what peers.py measured: one bar an engine, its minimum and how many times Bittern's that is.

    python chart.py out.json --title "DeiT-Tiny 1-bit, 224x224, batch 1" --commit abc1234 --out chart.svg

Needs nothing but Python. The chart names the CPU, the threads and the commit.
"""

import argparse
import json
from html import escape
from pathlib import Path

ROW, LEFT, RIGHT, TOP, WIDTH = 22, 190, 120, 46, 760
OURS, OTHERS = "#1f6f8b", "#b8bfc6"
NAMES = {"ort": "onnxruntime", "openvino": "OpenVINO", "mnn": "MNN", "litert": "LiteRT", "bittern": "Bittern"}


def spelled(engine: str) -> str:
    """"ort_int8_static" -> "onnxruntime int8 static"."""
    first, _, rest = engine.replace("_", " ").partition(" ")
    return f"{NAMES.get(first, first)} {rest}".strip()


def text(x: float, y: float, content: str, style: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}"{style}>{escape(content)}</text>'


def bars(engines: dict[str, dict]) -> list[str]:
    longest = max(r["min_ms"] for r in engines.values())
    lines = []
    for i, (name, r) in enumerate(sorted(engines.items(), key=lambda item: item[1]["min_ms"])):
        y, ours = TOP + i * ROW, name.startswith("bittern")
        width = r["min_ms"] / longest * (WIDTH - LEFT - RIGHT)
        ratio = "" if ours else f"  {r['min_ratio']:.1f}x"
        lines += [
            text(LEFT - 8, y + 15, spelled(name), ' text-anchor="end"' + (' font-weight="bold"' if ours else "")),
            f'<rect x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" fill="{OURS if ours else OTHERS}"/>',
            text(LEFT + width + 6, y + 15, f"{r['min_ms']:.2f} ms{ratio}"),
        ]
    return lines


def chart(record: dict, title: str, commit: str) -> str:
    height = TOP + len(record["engines"]) * ROW + 10
    threads = f"{record['threads']} thread" + ("s" if record["threads"] > 1 else "")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(12, 18, title, ' font-size="14" font-weight="bold"'),
        text(12, 36, f"minimum of {record['rounds']} x {record['runs']} runs, {threads}, {record['machine']['cpu'].strip()}, commit {commit}"),
        *bars(record["engines"]), "</svg>", "",
    ])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("json", type=Path, help="what peers.py --json wrote")
    parser.add_argument("--title", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.write_text(chart(json.loads(args.json.read_text()), args.title, args.commit))


if __name__ == "__main__":
    main()
