"""The README of an exported network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nagevo.foundation.machine import disturbance, stated
from nagevo.foundation.quantities import LATENCY, QUANTITIES
from nagevo.foundation.rounding import rounded_up
from nagevo.training.datasets import Inputs, described_inputs

ACCURACIES = {
    "measured": "validation split, with the supernet's weights or from a table, as the search measured it",
    "predicted": "validation split, predicted by the search's surrogate less its standard deviation",
    "test": "test split",
    "test_before": "test split, before fine-tuning",
    "exported": "test split, `network.onnx` in onnxruntime",
    "validation": "validation split, by which the best epoch was chosen",
    "validation_before": "validation split, before fine-tuning",
    "test_float32": "test split, before quantization",
    "validation_float32": "validation split, by which the best epoch was chosen, before quantization",
}
"""Split that each accuracy of a description was read on."""
PRECISIONS = {"int8": "weights and activations, by onnxruntime's static quantization; accuracies are those of the file"}
"""Precisions other than float32, in words."""


def model_card(
    description: Mapping[str, Any],
    differences: Mapping[str, float],
    state_shape: Sequence[int] | None = None,
    batch: int | None = 1,
) -> str:
    """Return a model card in Markdown, with the front matter that Hugging Face reads.

    Parameters
    ----------
    description : mapping
        The description of a :class:`nagevo.deploy.deployment.Deployment`.
    differences : mapping of str to float
        By exported file, the largest difference of an output from torch's.
    state_shape : sequence of int, optional
        Shape of the state of a network that runs token by token.
    batch : int or None
        The batch that the files take; None for any.
    """
    form = described_inputs(description["input_shape"], description)
    of_batch = "batch" if batch is None else str(batch)
    sections = (
        _heading(description, form),
        _properties(description),
        _interface(description, form, state_shape, of_batch),
        _files(description, differences),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def _heading(known: Mapping[str, Any], form: Inputs | None) -> Iterator[str]:
    task = [f"pipeline_tag: {form.task}"] if form is not None and form.task else []
    yield from ("---", "library_name: nagevo", *task, f"tags: [{known['space']['name']}]", "---", "")
    unit = QUANTITIES[known.get("measures", LATENCY)].unit
    budget = "any budget" if known["budget_ms"] is None else f"at most {known['budget_ms']:g} {unit}"
    trained = known.get("trained", True)
    yield from (f"# {known['experiment']}: {budget} on {known['device']}{'' if trained else ', untrained'}", "")
    if not trained:
        yield from ("**The weights are random: this network was not trained and has no accuracy.**", "")


def _properties(known: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| | |", "|---|---|")
    yield f"| architecture | `{known['architecture']}` in the space {known['space']['name']} |"
    precision = known.get("precision", "fp32")
    if precision != "fp32":
        yield f"| precision | {precision}: {PRECISIONS[precision]} |"
    yield from _values(known)
    for name, limit in known.get("limits", {}).items():
        yield f"| limit | {name} {limit:.6g} |"
    errors = known.get("standard_errors", {})
    for name, value in known["accuracy"].items():
        error = f" (standard error {errors[name]:.2f})" if name in errors else ""
        yield f"| accuracy | {value:.2f} %{error}: {ACCURACIES[name]} |"
    for key, words in (("training", "trained from scratch"), ("finetuning", "fine-tuned")):
        if key in known:
            yield f"| {words} | {known[key]['epochs']} epochs, best {known[key]['best_epoch']} |"
    machine, state = known.get("device_machine"), known.get("state")
    if machine is not None:
        disturbed = "" if state is None else f"; {disturbance(state)}"
        yield f"| measured on | {machine['processor']}, {machine['system']}{disturbed} |"
    yield f"| distilled on | {known['machine']['processor']}, {known['machine']['system']} |"
    yield f"| experiment | {known['experiment']}, seed {known['seed']} |"
    yield f"| versions | {', '.join(f'{name} {version}' for name, version in known['versions'].items())} |"
    yield ""


def _values(known: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of what a device measures: expected, measured, promised."""
    quantity = QUANTITIES[known.get("measures", LATENCY)]
    words, unit = quantity.words, quantity.unit
    yield f"| {words} | {known['latency_ms']:.4g} {unit} expected on {known['device']}, by the search's measurements |"
    if known["measured_latency_ms"] is not None:
        yield f"| {words} measured | {known['measured_latency_ms']:.4g} {unit}, in the search |"
    if known.get("measured_again") is not None:
        yield f"| {words} measured once more | {known['measured_again']:.4g} {unit}, when this network was delivered |"
    if known.get("verified"):
        yield f"| {words} verified | measured on the device after it was chosen, before it was promised |"
    bound = rounded_up(known["latency_bound_ms"], 4)
    of = "" if known.get("state") is None else f": {stated(known['state'])}"
    yield f"| {words} bound | {bound} {unit} at confidence {known['confidence']:g}{of} |"


def _interface(
    known: Mapping[str, Any], form: Inputs | None, state_shape: Sequence[int] | None, batch: str
) -> Iterator[str]:
    yield from ("## Input and output", "")
    tokens = form is not None and form.kind == "tokens"
    shape = list(known["input_shape"] if state_shape is None else [1])
    yield f"`inputs`: {'int64' if tokens else 'float32'} of shape ({batch}, {', '.join(map(str, shape))})."
    if form is not None:
        yield from form.sentences()
    if state_shape is not None:
        yield f"`state`: float32 of shape ({batch}, {', '.join(map(str, state_shape))}), zeros before the first token;"
        yield "exported files take one token at a time, and return the state for the next one as `next_state`."
    if "classes" in known:
        outputs = [*shape * tokens, len(known["classes"])]
        yield f"`logits`: float32 of shape ({batch}, {', '.join(map(str, outputs))})."
        yield f"Classes in order: {', '.join(map(_visible, known['classes']))}."
    else:
        yield "`logits`: float32."
    yield ""


def _files(known: Mapping[str, Any], differences: Mapping[str, float]) -> Iterator[str]:
    in_float32 = known.get("precision", "fp32") == "fp32"
    yield from ("## Files", "")
    weights = "`weights.safetensors`" if in_float32 else "`weights.safetensors`, in float32"
    yield f"- {weights}, `network.json`: read by `nagevo.deploy.deployment.Deployment.load`."
    of_torch = "torch's" if in_float32 else "those of the network in float32"
    for name, difference in differences.items():
        yield f"- `{name}`: its outputs differ from {of_torch} by at most {difference:.2g} (random input)."
    if any(name.startswith("openvino") for name in differences):
        yield 'Compile it with the hint `{"INFERENCE_PRECISION_HINT": "f32"}`: on processors with bfloat16, OpenVINO'
        yield "otherwise computes in that type, and outputs differ by more."


def _visible(name: str) -> str:
    """Return the name of a class, in quotes where it has neither letters nor digits."""
    return name if any(map(str.isalnum, name)) else repr(name)
