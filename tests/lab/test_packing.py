"""From dialogues to batches."""

from undertow.pretraining.build import lab_tokenizer
from undertow.pretraining.corpus import Corpus
from undertow.pretraining.packing import Encoded, encode_dialogues, pack
from undertow.pretraining.recipe import LabRecipe


def test_packing_keeps_every_dialogue_whole_and_in_its_place() -> None:
    lengths = [5, 9, 3, 10, 2, 7, 11, 1]
    dialogues = [
        Encoded([100 * i + k for k in range(n)], [k % 2 == 1 for k in range(n)])
        for i, n in enumerate(lengths, start=1)
    ]
    found: list[list[int]] = []
    for step in pack([*dialogues, *dialogues], rows=2, length=10):
        for number in range(1, step.document.max() + 1):
            here = step.document == number
            ids = step.ids[here].tolist()
            assert step.position[here].tolist() == list(range(len(ids)))
            assert step.written[here].tolist() == [k % 2 == 1 for k in range(len(ids))]
            found.append(ids)
    # The one of eleven tokens fits no row; the last, unfinished batch is not handed out.
    whole = [dialogue.ids for dialogue in [*dialogues, *dialogues] if len(dialogue.ids) <= 10]
    assert 6 < len(found) < len(whole)
    assert sorted(found) == sorted(whole[: len(found)])


def test_encoding_is_what_the_chat_template_writes() -> None:
    corpus = Corpus(LabRecipe())
    tokenizer = lab_tokenizer(corpus)
    dialogues = list(corpus.block(0, 50))
    for dialogue, encoded in zip(dialogues, encode_dialogues(dialogues, tokenizer), strict=True):
        messages = [{"role": "system", "content": dialogue.system}] if dialogue.system else []
        for question, answer in dialogue.turns:
            messages += [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
        rendered = tokenizer.apply_chat_template(messages, tokenize=False)
        assert tokenizer.decode(encoded.ids) + "\n" == rendered
        answers = [a + "<|im_end|>" for _, a in dialogue.turns]
        written = [token for token, flag in zip(*encoded, strict=True) if flag]
        assert tokenizer.decode(written) == "".join(answers)
