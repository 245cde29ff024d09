"""Writes tests/pytorch.safetensors: weights, inputs, outputs and gradients of small networks, computed by PyTorch.

    python tests/pytorch.py            # from the crate's folder; needs torch and safetensors

Everything is computed in float64 from weights that are exact in float32, so that the file's numbers are right to the
last digit of float32. The objective is the mean cross-entropy, plus the mean square of the final hidden state, plus the
mean square of the final cell state, so that gradients also enter from the final state.
"""

import pathlib

import torch
from safetensors.torch import save_file
from torch import nn

# name: vocabulary, embedding (0 is one-hot), hidden, layers, batch, time, all targets, initial state given
CASES = {
    "last": (7, 0, 5, 1, 3, 4, False, False),
    "all": (7, 0, 16, 1, 2, 6, True, True),
    "embedded": (6, 3, 9, 2, 3, 5, True, True),
    "three-layers": (5, 0, 20, 3, 9, 3, False, True),
    "one-of-each": (2, 0, 1, 1, 1, 1, True, True),
    "wide": (11, 0, 33, 2, 7, 8, True, False),
}


def record(vocabulary, embedding, hidden, layers, batch, time, every, given):
    module = nn.Module()
    if embedding:
        module.embedding = nn.Embedding(vocabulary, embedding)
    module.lstm = nn.LSTM(embedding or vocabulary, hidden, layers, batch_first=True)
    module.output = nn.Linear(hidden, vocabulary)
    for parameter in module.parameters():
        parameter.data.mul_(1.5)
    module = module.double()  # exact: the numbers were made in float32
    ids = torch.randint(0, vocabulary, (batch, time))
    targets = torch.randint(0, vocabulary, (batch, time) if every else (batch,))
    state = [torch.randn(layers, batch, hidden).double() * 0.5 * given for _ in range(2)]
    state = [tensor.requires_grad_() for tensor in state]
    vectors = module.embedding(ids) if embedding else nn.functional.one_hot(ids, vocabulary).double()
    steps, (final_hidden, final_cell) = module.lstm(vectors, tuple(state))
    logits = module.output(steps if every else steps[:, -1])
    entropy = nn.functional.cross_entropy(logits.reshape(-1, vocabulary), targets.reshape(-1))
    objective = entropy + final_hidden.square().mean() + final_cell.square().mean()
    objective.backward()
    tensors = {f"weight.{name}": parameter.data for name, parameter in module.named_parameters()}
    tensors |= {f"gradient.{name}": parameter.grad for name, parameter in module.named_parameters()}
    tensors |= {"ids": ids, "targets": targets, "logits": logits, "objective": objective}
    tensors |= {"hidden": state[0], "cell": state[1], "final_hidden": final_hidden, "final_cell": final_cell}
    tensors |= {"gradient.hidden": state[0].grad, "gradient.cell": state[1].grad}
    integers = {"ids", "targets"}
    return {name: tensor.detach().clone().to(torch.int64 if name in integers else torch.float32).contiguous()
            for name, tensor in tensors.items()}


torch.manual_seed(20150521)
everything = {f"{case}/{name}": tensor for case, sizes in CASES.items() for name, tensor in record(*sizes).items()}
save_file(everything, pathlib.Path(__file__).with_suffix(".safetensors"))
