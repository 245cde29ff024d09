"""Times one training step of the same character LSTM in PyTorch or Keras and prints one JSON line.

A step is what a training loop does with a batch that is in memory: forward, cross-entropy, backward, RMSprop. PyTorch
gets one-hot vectors made from ids within the step, as nn.LSTM wants them; Keras gets them ready made.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=("torch", "keras"))
    for name, default in (("batch", 128), ("time", 40), ("hidden", 128), ("layers", 1), ("vocabulary", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--targets", choices=("last", "all"), default="last")
    parser.add_argument("--steps", type=int, default=40, help="timed steps, after five that are not")
    parser.add_argument("--threads", type=int, default=0, help="0 leaves the framework's own choice")
    parser.add_argument("--device", default="cpu", help="PyTorch's name of the device")
    return parser.parse_args()


def torch_step(options):
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    everywhere = options.targets == "all"
    lstm = torch.nn.LSTM(options.vocabulary, options.hidden, options.layers, batch_first=True).to(options.device)
    dense = torch.nn.Linear(options.hidden, options.vocabulary).to(options.device)
    optimizer = torch.optim.RMSprop([*lstm.parameters(), *dense.parameters()], lr=0.01, alpha=0.9)
    random = {"low": 0, "high": options.vocabulary, "device": options.device}
    ids = torch.randint(size=(options.batch, options.time), **random)
    targets = torch.randint(size=(options.batch, options.time) if everywhere else (options.batch,), **random)

    def step():
        optimizer.zero_grad()
        states, _ = lstm(torch.nn.functional.one_hot(ids, options.vocabulary).float())
        logits = dense(states if everywhere else states[:, -1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(end_dim=-2), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, torch.__version__


def keras_step(options):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import numpy
    import tensorflow

    if options.threads:
        tensorflow.config.threading.set_intra_op_parallelism_threads(options.threads)
    keras = tensorflow.keras
    everywhere = options.targets == "all"
    model = keras.Sequential([keras.Input((options.time, options.vocabulary))])
    for layer in range(options.layers):
        sequences = everywhere or layer + 1 < options.layers
        model.add(keras.layers.LSTM(options.hidden, return_sequences=sequences))
    model.add(keras.layers.Dense(options.vocabulary, activation="softmax"))
    model.compile(optimizer=keras.optimizers.RMSprop(0.01), loss="sparse_categorical_crossentropy")
    generator = numpy.random.default_rng(1)
    ids = generator.integers(options.vocabulary, size=(options.batch, options.time))
    one_hot = tensorflow.one_hot(ids, options.vocabulary)
    shape = ids.shape if everywhere else (options.batch,)
    targets = tensorflow.constant(generator.integers(options.vocabulary, size=shape))
    return lambda: model.train_on_batch(one_hot, targets), f"{keras.__version__} on TensorFlow {tensorflow.__version__}"


def peak_memory():
    """Most memory that was ever resident, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)


def main():
    options = arguments()
    step, version = (torch_step if options.framework == "torch" else keras_step)(options)
    before = peak_memory()
    for _ in range(5):
        step()
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    peak = peak_memory()
    print(json.dumps({
        "framework": options.framework, "version": version, "median_ms": round(statistics.median(times), 3),
        "minimum_ms": round(min(times), 3), "peak_rss_mb": round(peak, 1),
        "steps_rss_mb": round(peak - before, 1),
    }))


if __name__ == "__main__":
    main()
