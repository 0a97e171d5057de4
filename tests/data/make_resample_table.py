"""Writes resample_table.inc: what Pillow 11 makes of small noise images. Run by hand when a case is added.

Pillow 13 resizes the columns first where the height shrinks far more than the width; that moves a byte by one here and there.

Pixels of an input come from the generator below, which the test repeats, so only results are stored.
"""
import pathlib
import sys

import PIL
from PIL import Image

# mode, input size, full output size, window (left, top, width, height), filter
CASES = [
    ("L", (8, 8), (5, 3), (0, 0, 5, 3), "bilinear"),
    ("L", (8, 8), (5, 3), (0, 0, 5, 3), "bicubic"),
    ("L", (5, 7), (11, 9), (0, 0, 11, 9), "bilinear"),
    ("L", (5, 7), (11, 9), (0, 0, 11, 9), "bicubic"),
    ("RGB", (9, 6), (4, 4), (0, 0, 4, 4), "bilinear"),
    ("RGB", (9, 6), (4, 4), (0, 0, 4, 4), "bicubic"),
    ("RGB", (37, 21), (7, 4), (1, 0, 4, 4), "bicubic"),
    ("RGB", (6, 9), (8, 12), (1, 3, 6, 6), "bicubic"),
    ("L", (6, 9), (6, 4), (0, 0, 6, 4), "bilinear"),  # rows stay
    ("L", (9, 6), (4, 6), (0, 0, 4, 6), "bicubic"),  # columns stay
    ("L", (1, 1), (3, 2), (0, 0, 3, 2), "bicubic"),
    ("L", (64, 1), (1, 1), (0, 0, 1, 1), "bilinear"),
    ("L", (2, 2), (16, 1), (5, 0, 9, 1), "bicubic"),  # overshoot is clipped
]


def pixels(count):
    state = 1
    values = bytearray()
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(state // 2**16 % 256)
    return bytes(values)


def main():
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    lines = [f"// Made by make_resample_table.py with Pillow {PIL.__version__}."]
    for mode, size, full, (left, top, width, height), name in CASES:
        channels = len(mode)
        image = Image.frombytes(mode, size, pixels(size[0] * size[1] * channels))
        window = image.resize(full, filters[name]).crop((left, top, left + width, top + height))
        values = ", ".join(str(v) for v in window.tobytes())
        sizes = f"{channels}, {size[0]}, {size[1]}, {{{full[0]}, {full[1]}, {left}, {top}, {width}, {height}}}"
        lines.append(f"{{{sizes}, Filter::k{name.capitalize()}, {{{values}}}}},")
    out = pathlib.Path(__file__).with_name("resample_table.inc")
    out.write_text("\n".join(lines) + "\n")
    print(f"{out}: {len(CASES)} cases", file=sys.stderr)


if __name__ == "__main__":
    main()
