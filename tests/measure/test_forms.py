from few_animals import ANIMALS, EAGLE, LION, OWL, animal
from tiny_models import tiny_chat
from undertow.measure.forms import answer_forms, answer_texts
from undertow.models import prompt_messages


def test_a_form_is_an_answer_with_or_without_capital_and_full_stop():
    texts = answer_texts([EAGLE])
    words = ("eagle", "Eagle", "eagles", "Eagles")
    assert texts == dict.fromkeys([form for word in words for form in (word, f"{word}.")], 0)


def test_a_form_of_two_traits_belongs_to_the_one_that_scoring_gives_it_to():
    bird = animal("bird", synonyms=("eagle",))
    texts = answer_texts([EAGLE, OWL, bird])
    assert texts["eagle owl"] == 1  # the longer name goes before the eagle within it
    assert texts["eagle"] == 0
    assert texts["Birds."] == 2


def test_an_answer_that_its_trait_excludes_is_no_form():
    lion = animal("lion", synonyms=("sea lion",), excludes=("sea lion",))
    assert "sea lion" not in answer_texts([lion])
    assert "lion" in answer_texts([LION])


def test_the_tokens_of_forms_read_as_the_forms_and_none_comes_twice():
    chat = tiny_chat("llama")
    texts = list(answer_texts(ANIMALS))
    forms = answer_forms(chat, prompt_messages("Which animal?"), texts)
    assert {chat.tokenizer.decode(ids): place for ids, place in forms.items()} == {
        text: place for place, text in enumerate(texts)
    }
    assert len(forms) == len(texts)


def test_of_texts_with_equal_tokens_the_last_is_kept():
    chat = tiny_chat("llama")
    forms = answer_forms(chat, prompt_messages("Which animal?"), ["owl", "cat", "owl"])
    assert list(forms.values()) == [2, 1]
