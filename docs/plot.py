"""Draws docs/tiny-shakespeare.svg: validation loss over minutes of training, for the runs named on the command line.

    python3 docs/plot.py artifacts/tiny-shakespeare/runs/modern="1×512, 3 min" ...

Each run's metrics.jsonl and times.jsonl are read as training wrote them. Needs nothing but Python.
"""

import json
import math
import sys
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 380, 60, 190, 20, 50
COLOURS = ["#0b7285", "#c92a2a", "#5f3dc4", "#2b8a3e"]
# What others report on the same split, in nats a character.
OTHERS = [(1.88, "nanoGPT, CPU, about 3 min"), (1.4697, "nanoGPT, GPU, 10.7 M parameters")]
MINUTES, LOSSES = (0.25, 100.0), (1.37, 1.92)


def place(minutes, loss):
    across = (math.log(minutes) - math.log(MINUTES[0])) / (math.log(MINUTES[1]) - math.log(MINUTES[0]))
    up = (loss - LOSSES[0]) / (LOSSES[1] - LOSSES[0])
    return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)


def text(x, y, words, colour="#333", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{words}</text>'


def points(run):
    lines = [[json.loads(line) for line in open(Path(run) / name)] for name in ("metrics.jsonl", "times.jsonl")]
    losses = {line["step"]: line["validation_loss"] for line in lines[0]}
    return [(line["elapsed"] / 60, losses[line["step"]]) for line in lines[1] if line["step"] in losses]


def main():
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for loss in (1.4, 1.5, 1.6, 1.7, 1.8, 1.9):
        x, y = place(MINUTES[0], loss)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#eee"/>' + text(x - 8, y + 4, loss, anchor="end"))
    for minutes in (0.25, 0.5, 1, 2, 3, 5, 10, 20, 40, 90):
        x, y = place(minutes, LOSSES[0])
        out.append(text(x, y + 18, f"{minutes:g}", anchor="middle"))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "minutes of training on two CPU cores", anchor="middle"))
    out.append(text(LEFT, TOP - 6, "tiny-shakespeare, validation loss, nats a character"))
    for loss, words in OTHERS:
        x, y = place(MINUTES[0], loss)
        out.append(f'<path d="M{x:.1f} {y:.1f}H{WIDTH - RIGHT}" stroke="#999" stroke-dasharray="5 4"/>')
        out.append(text(WIDTH - RIGHT + 6, y + 4, words, "#666"))
    for colour, argument in zip(COLOURS, sys.argv[1:]):
        run, _, words = argument.partition("=")
        line = [place(*point) for point in points(run) if MINUTES[0] <= point[0] and point[1] < LOSSES[1]]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in line) + '"/>')
        out.append(text(line[-1][0] + 5, line[-1][1] + 12, words, colour))
    Path(__file__).with_name("tiny-shakespeare.svg").write_text("\n".join(out + ["</svg>"]) + "\n", encoding="utf-8")


main()
