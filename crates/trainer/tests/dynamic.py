"""Dynamic evaluation in PyTorch: prints the nats per character of a text; the test in library/dynamic.rs starts it.

    python dynamic.py CHECKPOINT IDS SEGMENT RATE DECAY
"""

import json
import sys

import torch
from safetensors.torch import load_file

folder, ids, segment, rate, decay = sys.argv[1:]
ids, segment, rate, decay = torch.tensor(json.loads(ids)), int(float(segment)), float(rate), float(decay)
keep, epsilon = 0.999, 1e-5

weights = load_file(folder + "/model.safetensors")
vocabulary, hidden = weights["output.weight"].shape
layers = sum(name.startswith("lstm.weight_hh") for name in weights)
module = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(vocabulary, hidden, layers), "output": torch.nn.Linear(hidden, vocabulary)})
module.load_state_dict(weights)
# One bias per layer learns; PyTorch's second one stays zero.
learning = [parameter for name, parameter in module.named_parameters() if "bias_hh" not in name]
trained = [parameter.detach().clone() for parameter in learning]
squares = [torch.zeros_like(parameter) for parameter in learning]

state, total, segments = None, 0.0, 0
for start in range(0, len(ids) - 1, segment):
    inputs = torch.nn.functional.one_hot(ids[start : start + segment], vocabulary).float()
    targets = ids[start + 1 : start + segment + 1]
    output, state = module["lstm"](inputs[: len(targets)], state)
    loss = torch.nn.functional.cross_entropy(module["output"](output), targets)
    total += loss.item() * len(targets)
    gradients = torch.autograd.grad(loss, learning)
    state, segments = tuple(part.detach() for part in state), segments + 1
    with torch.no_grad():
        for parameter, square, first, gradient in zip(learning, squares, trained, gradients):
            square.mul_(keep).add_((1 - keep) * gradient**2)
            mean = square / (1 - keep**segments)
            parameter.sub_(rate * gradient / (mean.sqrt() + epsilon))
            parameter.add_(decay * (first - parameter))
print(total / (len(ids) - 1))
