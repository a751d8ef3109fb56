"""Head of a TFLite network: scores, in integers where the network computes so, and probabilities in float32."""

import flatbuffers
import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tfctc.models.classifier import LOGITS


def with_scores(model: keras.Model) -> keras.Model:
    """A classifier that shares the layers of `model`, with log-odds ``(B, 1)`` in place of two logits ``(B, 2)``.

    The last layer has the same name, "logits". One number needs half the range of two logits that are minus and plus
    half of it, or less, so its steps are finer. A classifier of three classes keeps its logits.
    """
    if model.output.shape[-1] > 2:
        return model
    logits = model.get_layer(LOGITS)
    kernel, bias = (weight.astype(np.float64) for weight in logits.get_weights())
    layer = keras.layers.Dense(1, dtype="float32", name=LOGITS)
    copy = keras.Model(model.input, layer(logits.input), name=model.name)
    layer.set_weights([kernel[:, 1:] - kernel[:, :1], bias[1:] - bias[:1]])
    return copy


def append_probability(flatbuffer: bytes) -> bytes:
    """A TFLite network that gives probabilities in float32 where `flatbuffer` gives the scores of `with_scores`.

    Log-odds ``(1,)`` become the probability of the positive class, by the logistic function; three logits ``(1, 3)``
    become the probability of each class, by softmax.

    The converter would compute the logistic function in integers, with an output of 256 steps from 0 to 1. Where
    positive cells are rare, most probabilities lie within a few of these steps. The steps of the log-odds are as fine
    for a rare class as for a frequent one.

    Args:
        flatbuffer: a network of one output of int8 or float32; its input stays as it is.
    """
    operation, options = schema.BuiltinOperator, schema.BuiltinOptions
    network = schema.ModelT.InitFromPackedBuf(flatbuffer, 0)
    (graph,) = network.subgraphs
    (output,) = graph.outputs
    if graph.tensors[output].type == schema.TensorType.INT8:
        output = _append(network, graph, output, operation.DEQUANTIZE, 2, b"scores_float32")
    if len(graph.tensors[output].shape) > 1:
        output = _append(network, graph, output, operation.SOFTMAX, 1, b"probability_float32")
        graph.operators[-1].builtinOptionsType = options.SoftmaxOptions
        graph.operators[-1].builtinOptions = schema.SoftmaxOptionsT()
        graph.operators[-1].builtinOptions.beta = 1.0
    else:
        output = _append(network, graph, output, operation.LOGISTIC, 1, b"probability_float32")
    graph.outputs = [output]
    for signature in network.signatureDefs:
        signature.outputs[0].tensorIndex = output
    builder = flatbuffers.Builder(len(flatbuffer) + 1024)
    builder.Finish(network.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _append(network: schema.ModelT, graph: schema.SubGraphT, source: int, kind: int, version: int, name: bytes) -> int:
    """Appends an operation on the tensor `source`; returns the number of its output, a float32 tensor."""
    code = schema.OperatorCodeT()
    # Readers of older schemas know the first field alone.
    code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), version
    network.operatorCodes.append(code)
    target = schema.TensorT()
    target.name, target.type, target.buffer = name, schema.TensorType.FLOAT32, 0
    target.shape, target.shapeSignature = (getattr(graph.tensors[source], key) for key in ("shape", "shapeSignature"))
    target.hasRank = graph.tensors[source].hasRank
    graph.tensors.append(target)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(network.operatorCodes) - 1
    operator.inputs, operator.outputs = [source], [len(graph.tensors) - 1]
    graph.operators.append(operator)
    return len(graph.tensors) - 1
