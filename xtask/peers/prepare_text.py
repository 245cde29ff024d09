"""Times the way from a text to ids as torch-rnn's preprocessing goes it, and prints one JSON line.

A first Python loop over all characters builds the vocabulary and counts them, a second one looks each of them up and
puts its id into an array. The text is repeated, or cut, to the given size, since a gigabyte would take minutes.
"""

import argparse
import json
import pathlib
import platform
import tempfile
import time

import numpy


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=pathlib.Path)
    parser.add_argument("--megabytes", type=float, default=8, help="size of the text, in 10^6 bytes")
    return parser.parse_args()


def prepare(path):
    ids_of, count = {}, 0
    with path.open(encoding="utf-8", newline="") as text:
        for line in text:
            count += len(line)
            for character in line:
                if character not in ids_of:
                    ids_of[character] = len(ids_of) + 1
    ids = numpy.zeros(count, numpy.uint8 if len(ids_of) < 256 else numpy.uint32)
    place = 0
    with path.open(encoding="utf-8", newline="") as text:
        for line in text:
            for character in line:
                ids[place] = ids_of[character]
                place += 1
    return ids, ids_of


def main():
    options = arguments()
    text = options.text.read_bytes()
    size = int(options.megabytes * 1e6)
    text = (text * (size // len(text) + 1))[:size].decode("utf-8", "ignore").encode("utf-8")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "text.txt"
        path.write_bytes(text)
        start = time.perf_counter()
        ids, ids_of = prepare(path)
        seconds = time.perf_counter() - start
    print(json.dumps({
        "framework": "python loop", "version": platform.python_version(), "bytes": len(text), "characters": len(ids),
        "vocabulary": len(ids_of), "seconds": round(seconds, 3),
        "megabytes_per_second": round(len(text) / 1e6 / seconds, 2),
    }))


if __name__ == "__main__":
    main()
