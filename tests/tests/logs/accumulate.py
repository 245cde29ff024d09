"""Prints what TensorBoard reads in a folder of event files, as JSON: per tag a list of [step, value]."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

accumulator = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
accumulator.Reload()
tags = accumulator.Tags()
scalars = {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in tags["scalars"]}
texts = {
    tag: [[event.step, event.tensor_proto.string_val[0].decode()] for event in accumulator.Tensors(tag)]
    for tag in tags["tensors"]
}
plugins = {tag: accumulator.SummaryMetadata(tag).plugin_data.plugin_name for tag in texts}
print(json.dumps({"scalars": scalars, "texts": texts, "plugins": plugins}))
