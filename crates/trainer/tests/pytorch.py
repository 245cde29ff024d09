"""Runs the scripts of docs/pytorch.md on checkpoints; the test in pytorch.rs starts it.

    python pytorch.py IDS FOLDER ... < SCRIPTS

IDS is a list of lists of integers, as JSON; SCRIPTS are the page's, with a NUL between one and the next. They run in
each FOLDER, which holds a checkpoint. Prints, as one line of JSON for each, the ids that the page looks up and the
module's logits (N, T, V), and leaves what the page saves. Before that, each bias of the LSTM is shared out between
PyTorch's two, and a table that equals the output weight is tied to it.
"""

import json
import os
import sys

import torch


def share_out_biases(parameters):
    with torch.no_grad():
        for name, bias in parameters.items():
            if name.startswith("lstm.bias_ih"):
                parameters[name.replace("bias_ih", "bias_hh")].copy_(bias * 0.75)
                bias.mul_(0.25)


load, define_logits, look_up, save = sys.stdin.read().split("\0")
ids = torch.tensor(json.loads(sys.argv[1]))
for folder in sys.argv[2:]:
    os.chdir(folder)
    scope = {}
    for script in (load, define_logits, look_up):
        exec(script, scope)
    print(json.dumps({"ids": scope["ids"], "logits": scope["logits"](ids).tolist()}))
    module = scope["module"]
    share_out_biases(dict(module.named_parameters()))
    if torch.equal(module["embedding"].weight, module["output"].weight):
        module["output"].weight = module["embedding"].weight  # tied: the file has one of the two names
    exec(save, scope)
