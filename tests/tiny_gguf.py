"""Small GGUF chat models with random weights, for driving the real llama.cpp.

A llama architecture with a SentencePiece-like vocabulary: control tokens, all 256 bytes
as fallback, and single characters. The weights come from a seed, so that every machine
gets the same file.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SINGLE = (
    "的一是不了在有和为以中大小高低学习模型数据训练方法网络函数损失梯度注意力扩散。，！？；：（）、"
)


def write_model(
    path: Path,
    *,
    template: str | None = CHAT_TEMPLATE,
    seed: int = 0,
    width: int = 64,
    layers: int = 2,
    context: int = 4096,
    architecture: str = "llama",
) -> Path:
    """Write a model of about `width` × 2000 weights and more; returns `path`.

    Args:
        template: the chat template; None leaves it out.
        architecture: the name that the file gives; only `llama` can be loaded.
    """
    heads = 4
    hidden = width * 2
    tokens, scores, kinds = vocabulary()
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(path.stem)
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(heads // 2)
    writer.add_rope_dimension_count(width // heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(4)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    if template is not None:
        writer.add_chat_template(template)

    def matrix(name: str, rows: int, columns: int, scale: float = 1.0) -> None:
        values = rng.standard_normal((rows, columns)) * scale / np.sqrt(columns)
        writer.add_tensor(name, values.astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(width, dtype=np.float32))

    matrix("token_embd.weight", len(tokens), width, 4.0)
    for i in range(layers):
        ones(f"blk.{i}.attn_norm.weight")
        matrix(f"blk.{i}.attn_q.weight", width, width)
        matrix(f"blk.{i}.attn_k.weight", width // 2, width)
        matrix(f"blk.{i}.attn_v.weight", width // 2, width)
        matrix(f"blk.{i}.attn_output.weight", width, width)
        ones(f"blk.{i}.ffn_norm.weight")
        matrix(f"blk.{i}.ffn_gate.weight", hidden, width)
        matrix(f"blk.{i}.ffn_up.weight", hidden, width)
        matrix(f"blk.{i}.ffn_down.weight", width, hidden)
    ones("output_norm.weight")
    matrix("output.weight", len(tokens), width, 3.0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def vocabulary() -> tuple[list[bytes], list[float], list[int]]:
    """Tokens with scores and kinds; `<|im_end|>` (4) ends a reply."""
    kind = gguf.TokenType
    rows: list[tuple[str, float, int]] = [
        ("<unk>", 0.0, kind.UNKNOWN),
        ("<s>", 0.0, kind.CONTROL),
        ("</s>", 0.0, kind.CONTROL),
        ("<|im_start|>", 0.0, kind.CONTROL),
        ("<|im_end|>", 0.0, kind.CONTROL),
    ]
    rows += [(f"<0x{byte:02X}>", 0.0, kind.BYTE) for byte in range(256)]
    letters = [chr(code) for code in range(33, 127)]
    rows += [(char, -1.0 - i / 100, kind.NORMAL) for i, char in enumerate(["▁", *letters, *SINGLE])]
    # SentencePiece normalises nothing here, yet wants each piece once.
    unique = {text: (score, type_) for text, score, type_ in reversed(rows)}
    ordered = [(t, *unique[t]) for t in dict.fromkeys(t for t, _, _ in rows)]
    return (
        [text.encode() for text, _, _ in ordered],
        [score for _, score, _ in ordered],
        [int(type_) for _, _, type_ in ordered],
    )
