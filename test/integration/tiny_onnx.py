"""tiny_onnx.py - just enough of the ONNX file format to write small graphs without a package.

    model([("age", FLOAT, 2)], [("probability", FLOAT, 2)], [node("Sigmoid", ["age"], ["probability"])], [])

A port is (name, element type, rank or list of dimensions; None: any shape). The numbers are the field numbers of onnx.proto.
"""
import struct

FLOAT, INT64, STRING, BOOL, DOUBLE = 1, 7, 8, 9, 11
MAPS = "a sequence of maps from int64 to float"


def varint(n):
    out = bytearray()
    while True:
        out.append((n & 127) | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def message(field, *parts):
    body = b"".join(p.encode() if isinstance(p, str) else p for p in parts)
    return varint(field << 3 | 2) + varint(len(body)) + body


def port(field, name, kind, rank):
    if kind == MAPS:
        value = message(1, number(1, FLOAT))
        return message(field, message(1, name), message(2, message(4, message(1, message(5, number(1, INT64), message(2, value))))))
    if rank is None:  # of any shape
        return message(field, message(1, name), message(2, message(1, number(1, kind))))
    sizes = ["N", 1][:rank] if isinstance(rank, int) else rank
    dims = [message(1, number(1, d) if isinstance(d, int) else message(2, d)) for d in sizes]
    return message(field, message(1, name), message(2, message(1, number(1, kind), message(2, *dims))))


def constant(name, kind, dims, values):
    code = {FLOAT: "f", DOUBLE: "d", INT64: "q", BOOL: "?"}[kind]
    return message(5, *(number(1, d) for d in dims), number(2, kind), message(8, name),
                   message(9, struct.pack(f"<{len(values)}{code}", *values)))


def node(op, inputs, outputs, domain="", **attributes):
    parts = [message(1, i) for i in inputs] + [message(2, o) for o in outputs] + [message(4, op)]
    for name, v in attributes.items():
        if isinstance(v, bytes):
            parts.append(message(5, message(1, name), message(6, v), number(20, 5)))
        elif isinstance(v, int):
            parts.append(message(5, message(1, name), number(3, v), number(20, 2)))
        else:
            parts.append(message(5, message(1, name), *(number(8, i) for i in v), number(20, 7)))
    return message(1, *parts, message(7, domain))


def graph(inputs, outputs, nodes, constants):
    """The bytes of a graph, which may also be an attribute of a node."""
    return b"".join([*nodes, message(2, "g"), *constants, *(port(11, *i) for i in inputs), *(port(12, *o) for o in outputs)])


def loop(trips, x, y, body=(("Identity", "v", "v2"),)):
    """Nodes and constants that hand x through a loop of so many steps, y being what comes out."""
    nodes = [node(op, [a], [b]) for op, a, b in body]
    inner = graph([("i", INT64, 0), ("go", BOOL, 0), ("v", FLOAT, None)], [("go", BOOL, 0), (body[-1][2] if body else "v", FLOAT, None)], nodes, [])
    return ([node("Loop", ["trips", "yes", x], [y], body=inner)], [constant("trips", INT64, [], [trips]), constant("yes", BOOL, [], [True])])


def model(inputs, outputs, nodes, constants):
    return number(1, 8) + message(7, graph(inputs, outputs, nodes, constants)) + message(8, message(1, ""), number(2, 18)) + message(8, message(1, "ai.onnx.ml"), number(2, 3))
