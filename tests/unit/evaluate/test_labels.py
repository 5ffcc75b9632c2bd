import pytest

from tuning_dynamics.common.errors import StudyError
from tuning_dynamics.evaluate.labels import match_label, refuse_alike


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        (" Yes, they are.", "yes"),
        ("YES", "yes"),
        ("no", "no"),
        ("north", ""),
        ("I say yes", ""),
        ("", ""),
        ("not-entailment!", "not_entailment"),
    ],
)
def test_a_label_is_the_beginning_of_an_answer(answer, label):
    assert match_label(answer, ("yes", "no", "not", "not_entailment")) == label


def test_labels_alike_up_to_case_are_refused():
    with pytest.raises(StudyError, match="same text up to case"):
        refuse_alike(("Yes", "no", "yes!"), "tiny")
    with pytest.raises(StudyError, match="same text"):
        refuse_alike(("yes", "?"), "tiny")
    refuse_alike(("yes", "no"), "tiny")


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("हाँ , वे हैं", "हाँ"),
        ("हो सकता है", ""),
        ("हे भगवान", ""),
        ("नहीं।", "नहीं"),
        ("نَعَم", ""),
        ("Да, конечно", "да"),
        ("дата", ""),
        ("re\u0301el", "réel"),
        ("是", "是"),
        ("是的", ""),
    ],
)
def test_labels_of_any_script_end_where_words_do(answer, label):
    assert match_label(answer, ("हाँ", "नहीं", "ن", "да", "réel", "是")) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("e\u0301te\u0301!", "été"),
        ("É TÉ", ""),
        ("ÉTÉ", "été"),
        ("ete", ""),
        ("STRASSE", "straße"),
        ("ΟΔΟΣ", ""),  # without its accent
        ("ΟΔΌΣ.", "οδός"),
        ("not so", "not so"),
        ("not-so bad", "not so"),
        ("not sorry", "not"),
        ("(not)", "not"),
        ("**not**", "not"),
        ("\u200bnot", "not"),
        ("n\u00adot", "not"),
        ("ن", "ن"),
        ("🙂 not", "not"),
    ],
)
def test_case_unicode_forms_and_longer_labels(answer, label):
    labels = ("été", "straße", "οδός", "not", "not so", "ن")
    assert match_label(answer, labels) == label


def test_labels_alike_in_another_unicode_form_are_refused():
    with pytest.raises(StudyError, match="same text"):
        refuse_alike(("été", "e\u0301te\u0301"), "tiny")
    with pytest.raises(StudyError, match="same text"):
        refuse_alike(("straße", "STRASSE"), "tiny")
