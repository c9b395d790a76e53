#!/usr/bin/env python3
"""Scores a batch of noisy queries against a golddiff server, with nothing of golddiff's installed.

Needs grpcio, protobuf and numpy (Debian: python3-grpcio python3-protobuf python3-numpy). The messages are built at run time, either from what the
server says of itself by reflection, or from the .proto files where --proto names their folder and protoc is installed.

    python3 score_batch.py --endpoint 127.0.0.1:50051 --random 4 --t 400
    python3 score_batch.py --endpoint scores.example:443 --random 4 --t 400 --tls-ca ca.crt --tls-cert tls.crt --tls-key tls.key
    python3 score_batch.py --endpoint 127.0.0.1:50051 --x x.npy --alpha 1 --sigma 0.5 --golden --output x0hat.npy
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import grpc
import numpy
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "golddiff.v1"
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
NUMPY_OF_DTYPE = {"F32": "<f4", "F64": "<f8", "F16": "<f2"}


def message_class(pool, name):
    descriptor = pool.FindMessageTypeByName(name)
    if hasattr(message_factory, "GetMessageClass"):  # protobuf 4.22 and later
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


def reflection_messages():
    """The part of grpc/reflection/v1/reflection.proto that asks for files: Debian has no Python package of it."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="reflection_subset.proto", package="grpc.reflection.v1", syntax="proto3")

    def message(name, *fields):
        added = file.message_type.add(name=name)
        for number, field_name, kind, label, type_name in fields:
            added.field.add(number=number, name=field_name, type=kind, label=label, type_name=type_name)

    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    message(
        "ServerReflectionRequest",
        (3, "file_by_filename", field.TYPE_STRING, one, None),
        (4, "file_containing_symbol", field.TYPE_STRING, one, None),
    )
    message("FileDescriptorResponse", (1, "file_descriptor_proto", field.TYPE_BYTES, many, None))
    message("ErrorResponse", (1, "error_code", field.TYPE_INT32, one, None), (2, "error_message", field.TYPE_STRING, one, None))
    message(
        "ServerReflectionResponse",
        (4, "file_descriptor_response", field.TYPE_MESSAGE, one, ".grpc.reflection.v1.FileDescriptorResponse"),
        (7, "error_response", field.TYPE_MESSAGE, one, ".grpc.reflection.v1.ErrorResponse"),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return tuple(message_class(pool, f"grpc.reflection.v1.{name}") for name in ("ServerReflectionRequest", "ServerReflectionResponse"))


def files_by_reflection(channel, symbols):
    """Every file that defines the symbols, and what those import, by name."""
    request_class, response_class = reflection_messages()
    call = channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )
    files = {}
    wanted = [request_class(file_containing_symbol=symbol) for symbol in symbols]
    while wanted:
        for answer in call(iter(wanted)):
            if answer.HasField("error_response"):
                raise SystemExit(f"The server's reflection refused: {answer.error_response.error_message}")
            for encoded in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(encoded)
                files[file.name] = file
        missing = {name for file in files.values() for name in file.dependency} - files.keys()
        wanted = [request_class(file_by_filename=name) for name in sorted(missing)]
    return files


def files_by_protoc(folder):
    """The same from the .proto files."""
    sources = sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder, "golddiff", "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as temporary:
        output = pathlib.Path(temporary, "set")
        subprocess.run(["protoc", f"--proto_path={folder}", "--include_imports", f"--descriptor_set_out={output}", *sources], check=True)
        return {file.name: file for file in descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file}


class Api:
    """Messages and unary methods of golddiff.v1, by name."""

    def __init__(self, channel, files):
        self.channel = channel
        self.pool = descriptor_pool.DescriptorPool()
        added = set()

        def add(file):  # a pool takes a file only after those that it imports
            if file.name not in added:
                added.add(file.name)
                for name in file.dependency:
                    add(files[name])
                self.pool.Add(file)

        for file in files.values():
            add(file)

    def message(self, name):
        return message_class(self.pool, f"{PACKAGE}.{name}")

    def call(self, service, method, request, timeout_s):
        described = self.pool.FindServiceByName(f"{PACKAGE}.{service}").methods_by_name[method]
        answer = message_class(self.pool, described.output_type.full_name)
        invoke = self.channel.unary_unary(
            f"/{PACKAGE}.{service}/{method}", request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
        )
        return invoke(request, timeout=timeout_s)


def to_array(tensor):
    name = type(tensor).DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number[tensor.dtype].name
    return numpy.frombuffer(tensor.data, dtype=NUMPY_OF_DTYPE[name]).reshape(tuple(tensor.shape))


def score(api, data_set, x, arguments):
    request = api.message("ScoreRequest")(data_set=data_set)
    x = numpy.ascontiguousarray(x, dtype="<f8" if x.dtype == numpy.float64 else "<f4")
    enum = {value.name: value.number for value in api.pool.FindEnumTypeByName(f"{PACKAGE}.DType").values}
    request.x.dtype = request.result_dtype = enum["F64" if x.dtype.itemsize == 8 else "F32"]
    request.x.shape.extend(x.shape)
    request.x.data = x.tobytes()
    if arguments.t is not None:
        request.timesteps.t.append(arguments.t)  # of the ddpm-linear schedule
    else:
        request.levels.alpha.append(arguments.alpha)
        request.levels.sigma.append(arguments.sigma)
    if arguments.golden:
        kinds = api.pool.FindEnumTypeByName(f"{PACKAGE}.RetrievalKind").values_by_name
        request.retrieval.kind = kinds["GOLDEN"].number
    if arguments.label is not None:
        request.labels.append(arguments.label)
    request.return_score = arguments.score is not None
    return api.call("ScoreService", "Score", request, arguments.timeout)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Score a batch of noisy queries with a golddiff server.")
    parser.add_argument("--endpoint", required=True, metavar="HOST:PORT")
    parser.add_argument("--proto", metavar="DIR", help="build the messages from these .proto files (needs protoc) instead of by reflection")
    parser.add_argument("--data-set", default="", help="needed where the server has more than one")
    queries = parser.add_mutually_exclusive_group(required=True)
    queries.add_argument("--x", metavar="FILE", help=".npy of shape [B, D] or [B, C, H, W], float32 or float64")
    queries.add_argument("--random", type=int, metavar="B", help="B queries of standard normal noise instead")
    parser.add_argument("--t", type=int, help="timestep of the ddpm-linear schedule, 0 to 999")
    parser.add_argument("--alpha", type=float, help="or the noise level itself, with --sigma")
    parser.add_argument("--sigma", type=float)
    parser.add_argument("--golden", action="store_true", help="score a golden subset instead of every row")
    parser.add_argument("--label", type=int, help="only rows of this class")
    parser.add_argument("--output", metavar="FILE", help="write x0hat as .npy")
    parser.add_argument("--score", metavar="FILE", help="write the score as .npy")
    parser.add_argument("--json", action="store_true", help="print the statistics as JSON")
    parser.add_argument("--tls-ca", metavar="FILE", help="dial by TLS: certificates (PEM) of the server's authority")
    parser.add_argument("--tls-cert", metavar="FILE", help="certificate (PEM) of this client, where the server asks for one; with --tls-key")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument("--tls-server-name", metavar="NAME", help="name that the server's certificate must have (default: the host dialled)")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    arguments = parser.parse_args()
    levels = (arguments.alpha is not None) + (arguments.sigma is not None)
    if (arguments.t is None and levels != 2) or (arguments.t is not None and levels != 0):
        parser.error("expected --t, or --alpha and --sigma")
    if (arguments.tls_cert is None) != (arguments.tls_key is None) or (arguments.tls_cert is not None and arguments.tls_ca is None):
        parser.error("expected --tls-ca beside --tls-cert and --tls-key, and both of these or none")
    return arguments


def open_channel(arguments):
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX), ("grpc.max_send_message_length", MESSAGE_BYTES_MAX)]
    if arguments.tls_ca is None:
        return grpc.insecure_channel(arguments.endpoint, options=options)
    if arguments.tls_server_name is not None:
        options.append(("grpc.ssl_target_name_override", arguments.tls_server_name))
    ca, key, cert = (name and pathlib.Path(name).read_bytes() for name in (arguments.tls_ca, arguments.tls_key, arguments.tls_cert))
    return grpc.secure_channel(arguments.endpoint, grpc.ssl_channel_credentials(ca, key, cert), options=options)


def main():
    arguments = parse_arguments()
    with open_channel(arguments) as channel:
        symbols = (f"{PACKAGE}.ScoreService", f"{PACKAGE}.DatasetService")
        api = Api(channel, files_by_protoc(arguments.proto) if arguments.proto else files_by_reflection(channel, symbols))
        data_set = api.call("DatasetService", "Get", api.message("GetDatasetRequest")(name=arguments.data_set), arguments.timeout)
        if arguments.x is not None:
            x = numpy.load(arguments.x)
        else:
            x = numpy.random.default_rng(0).standard_normal((arguments.random, *data_set.shape), dtype="f4")
        answer = score(api, data_set.name, x, arguments)

    x0hat = to_array(answer.x0hat)
    if arguments.output is not None:
        numpy.save(arguments.output, x0hat)
    if arguments.score is not None:
        numpy.save(arguments.score, to_array(answer.score))
    kind = type(answer).DESCRIPTOR.fields_by_name["tail_mass_kind"].enum_type.values_by_number[answer.tail_mass_kind].name
    names = ("alpha", "sigma", "log_evidence", "log_z", "effective_support", "max_weight", "golden_rows", "tail_mass_bound")
    statistics = {name: list(getattr(answer, name)) for name in names}
    if arguments.json:
        print(json.dumps({"data_set": data_set.name, "rows": data_set.rows, "tail_mass_kind": kind, "coverage": answer.coverage.fraction, **statistics}))
        return
    print(f"{data_set.name}: {data_set.rows} rows of {list(data_set.shape)}; {len(x0hat)} queries in {answer.timings.total_ms:.1f} ms on the server")
    print("query  log evidence  effective support  largest weight  rows scored  mass left out at most")
    columns = (statistics[name] for name in ("log_evidence", "effective_support", "max_weight", "golden_rows", "tail_mass_bound"))
    for b, (evidence, support, weight, rows, bound) in enumerate(zip(*columns)):
        print(f"{b:5d}  {evidence:12.3f}  {support:17.2f}  {weight:14.4f}  {rows:11d}  {bound:.2e} ({kind})")


if __name__ == "__main__":
    try:
        main()
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
