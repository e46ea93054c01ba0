"""A real llama.cpp, with a model of random weights: what it says makes no sense, and how it says it is what servers do.

A test takes the fixture ``llama_cpp``, which is the URL; this file is also the program that serves it, until its standard
input ends.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .programs import ROOT, environment, line_of

__all__ = ["MODEL", "llama_cpp"]

MODEL = "random"
_SIZE, _HEADS, _LAYERS, _FORWARD, _CONTEXT = 32, 2, 2, 64, 1024
_TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant: "


@pytest.fixture(scope="module")
def llama_cpp() -> Iterator[str]:
    """The URL of a running llama.cpp."""
    if not importlib.util.find_spec("xllamacpp") or not importlib.util.find_spec("gguf"):
        pytest.skip("xllamacpp and gguf are heavy packages")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.llama_cpp"],
        cwd=ROOT,
        env=environment(PYTHONWARNINGS="default"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        yield line_of(program)
        program.communicate()


def write_model(path: Path) -> None:
    """A llama with a token for each byte, and as few weights as there can be."""
    import gguf
    import numpy

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(MODEL)
    writer.add_context_length(_CONTEXT)
    writer.add_embedding_length(_SIZE)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(_SIZE // _HEADS)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL, *[gguf.TokenType.BYTE] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(_TEMPLATE)
    random = numpy.random.default_rng(1)

    def add(name: str, *shape: int) -> None:
        writer.add_tensor(name, random.normal(0, 0.3, shape).astype(numpy.float32))

    add("token_embd.weight", len(tokens), _SIZE)
    add("output.weight", len(tokens), _SIZE)
    writer.add_tensor("output_norm.weight", numpy.ones(_SIZE, numpy.float32))
    for layer in range(_LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", numpy.ones(_SIZE, numpy.float32))
        for matrix in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{matrix}.weight", _SIZE, _SIZE)
        for matrix in ("ffn_gate", "ffn_up"):
            add(f"blk.{layer}.{matrix}.weight", _FORWARD, _SIZE)
        add(f"blk.{layer}.ffn_down.weight", _SIZE, _FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """The program."""
    import xllamacpp

    with tempfile.TemporaryDirectory(prefix="llama-cpp-") as directory:
        path = Path(directory) / "random.gguf"
        write_model(path)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.model_alias = {MODEL}
        params.port = 0
        params.n_ctx = _CONTEXT
        params.cpuparams.n_threads = 1
        params.warmup = False
        server = xllamacpp.Server(params)
        print(server.listening_address, flush=True)
        sys.stdin.read()
        del server


if __name__ == "__main__":
    main()
