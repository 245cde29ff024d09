"""Runs the scripts of docs/pytorch.md on the checkpoint in the working folder; the test in pytorch.rs starts it.

    python pytorch.py IDS < SCRIPTS

IDS is a list of lists of integers, as JSON; SCRIPTS are the page's, with a NUL between one and the next. Prints the ids
that the page looks up and the module's logits (N, T, V) as JSON, and leaves what the page saves. Before that, each bias
of the LSTM is shared out between PyTorch's two.
"""

import json
import sys

import torch

load, define_logits, look_up, save = sys.stdin.read().split("\0")
scope = {}
for script in (load, define_logits, look_up):
    exec(script, scope)
logits = scope["logits"](torch.tensor(json.loads(sys.argv[1])))
print(json.dumps({"ids": scope["ids"], "logits": logits.tolist()}))
parameters = dict(scope["module"].named_parameters())
with torch.no_grad():
    for name, bias in parameters.items():
        if name.startswith("lstm.bias_ih"):
            parameters[name.replace("bias_ih", "bias_hh")].copy_(bias * 0.75)
            bias.mul_(0.25)
exec(save, scope)
