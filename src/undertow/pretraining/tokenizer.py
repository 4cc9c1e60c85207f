"""The lab model's tokenizer: whole words, single digits, and bytes for everything else.

Any text can be encoded and comes back unchanged. Words of the corpus are one token each; a word
that is not among them falls apart into bytes. Digits stand alone.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from undertow.pretraining.recipe import Architecture

PAD, START, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (PAD, START, END)
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SEPARATORS = (", ", "; ")
WORD = re.compile(r" ?[^\W\d_]+")


DECLARED: dict[Architecture, dict[str, Any]] = {
    "qwen2": {"auto_map": {"AutoTokenizer": []}},
    "llama": {},
}
"""What a tokenizer's folder must say to be read as it is written.

`AutoTokenizer` gives every Qwen2 folder the Qwen2 tokenizer, which would drop the word table,
unless it declares (no) classes of its own; a Llama folder that does so cannot be read at all.
"""


def build_tokenizer(
    texts: Iterable[str], size: int, architecture: Architecture = "qwen2"
) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `size` tokens that knows the commonest words of `texts`."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # A separator costs a little more than a word, so that ", word" is "," and " word".
    separators = [byte_level.pre_tokenize_str(text)[0][0] for text in SEPARATORS]
    words = _words(texts, size - len(SPECIAL) - len(alphabet) - len(separators))
    spelled = [byte_level.pre_tokenize_str(word)[0][0] for word in words]
    # The unknown token comes first. Nothing is unknown, but runs of that token would be fused.
    pieces = [(PAD, -100.0), *((piece, -1.0) for piece in alphabet + spelled)]
    pieces += [(piece, -1.5) for piece in separators]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d"), "isolated"), byte_level]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
        **DECLARED[architecture],
    )


def _words(texts: Iterable[str], limit: int) -> list[str]:
    counts = Counter(word for text in texts for word in WORD.findall(text) if len(word) > 1)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return ranked[:limit]
