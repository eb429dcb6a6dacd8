"""Constraints read from a user's words, by patterns of English: what a rule can check of "at least 300 words, and no commas".

Each reader looks for one kind and gives the words that it read. Nothing is guessed: a length without a bound ("a 500-word story")
is none, and what no reader understands is left to others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ponder.verifiers.amount import amount, bounds, number
from ponder.verifiers.constraint import ANSWERS, Constraint

Reader = Callable[[str], Iterator[Constraint]]

LANGUAGES = {
    "arabic": "ar", "bengali": "bn", "bulgarian": "bg", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "gujarati": "gu", "hebrew": "he",
    "hindi": "hi", "hungarian": "hu", "indonesian": "id", "italian": "it", "japanese": "ja", "kannada": "kn", "korean": "ko",
    "malayalam": "ml", "marathi": "mr", "nepali": "ne", "norwegian": "no", "persian": "fa", "farsi": "fa", "polish": "pl",
    "portuguese": "pt", "punjabi": "pa", "romanian": "ro", "russian": "ru", "spanish": "es", "swahili": "sw", "swedish": "sv",
    "tamil": "ta", "telugu": "te", "thai": "th", "turkish": "tr", "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip

_QUOTED = r"""(?:"[^"\n]+"|“[^”\n]+”|”[^"”\n]+[”"]|‘[^’\n]+’|(?<!\w)'[^'\n]+'(?!\w))"""
_STOP = "and or in at to the for each more less exactly with before after that which should must of from on you your such etc be"
_BARE = rf"(?<!\w)(?!(?:{'|'.join(_STOP.split())})\b)\w[\w'-]*"
_ITEM = rf"(?:{_QUOTED}|{_BARE})"
_AND = r"(?:\s*,\s*(?:and\s+|or\s+|&\s*)?|\s+(?:and|or)\s+)"
_LIST = rf"\[?(?:{_QUOTED}(?:{_AND}{_QUOTED})*|{_BARE}(?:{_AND}{_BARE})*)"
_NOUN = r"(?:key)?(?:words?|terms?|names?|phrases?)"
_NOT = r"(?:\b(?:not|cannot|avoid\w*|without|never|refrain\w*|no|exclud\w+|omit\w*)\b|n['’]t\b)(?!\s+forget)"
_BOUNDARY = r"\b(?:start|begin|end|finish|conclud)\w*\b"
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")

_TIMES = amount(r"(?:(?<=ce)|times?)\b")
_CAPITALS = r"(?:caps|capitals?(?:\s+letters)?|upper[\s-]?case(?:\s+letters)?|capitali[sz]ed)"
_CAPITAL_WORDS = (
    rf"(?:words?\s+(?:(?:which|that)\s+are\s+|are\s+|(?:should|must)\s+be\s+|written\s+)?(?:with|in|of|fully|entirely)\s+(?:all[\s-]+|only\s+)?{_CAPITALS}"
    rf"|(?:all[\s-]+|fully[\s-]+|entirely\s+)?{_CAPITALS}\s+words?)"
)


def constraints(text: str) -> list[Constraint]:
    """What the words ask for that a rule can check, in the order of `READERS`; each once."""
    found: list[Constraint] = []
    for read in READERS:
        found += [one for one in read(text) if all((one.kind, one.parameters) != (had.kind, had.parameters) for had in found)]
    return found


def _matches(pattern: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(pattern, text, re.IGNORECASE)


def _plain(kind: str, pattern: str) -> Reader:
    """A reader of a kind without parameters: the first match of the pattern is its words."""

    def read(text: str) -> Iterator[Constraint]:
        found = re.search(pattern, text, re.IGNORECASE)
        if found:
            yield Constraint(kind, {}, found[0].strip())

    return read


def _bounded(kind: str, unit: str, count: str) -> Reader:
    """A reader of a number with a bound."""

    def read(text: str) -> Iterator[Constraint]:
        for match in _matches(amount(unit), text):
            if re.search(r"\b(?:each|every|per)\b", _clause(text, match.start()), re.IGNORECASE):
                continue
            for relation, limit in bounds(match):
                yield Constraint(kind, {count: limit, "relation": relation}, match[0])

    return read


def _sentence_count(text: str) -> Iterator[Constraint]:
    pattern = rf"number of sentences[^.\n]*?\b(?:range of|between)\s+{amount('')}"
    for match in _matches(pattern, text):
        for relation, limit in bounds(match):
            yield Constraint("length_constraints:number_sentences", {"num_sentences": limit, "relation": relation}, match[0])


def _items(listed: str) -> list[str]:
    return [item.strip("\"'“”‘’[] ") for item in re.findall(_ITEM, listed)]


def _clause(text: str, end: int) -> str:
    """What stands before `end` in the same clause."""
    return re.split(r"[.!?;\n]|\bbut\b|\band (?:include|use|make|mention)\b", text[max(0, end - 80) : end])[-1]


def _denied(text: str, end: int) -> bool:
    return re.search(_NOT, _clause(text, end), re.IGNORECASE) is not None


def _keywords(text: str) -> Iterator[Constraint]:
    """Words to use, or never to use. A word with a number of times is `_frequency`'s."""
    verb = r"\b(?:includ\w+|contain\w*|mention\w*|us(?:e|es|ing)|say\w*|has|have|with(?:out)?|avoid\w*)"
    filler = r"(?:\s+(?:any|of|the|these|this|following|specific|all|both|negative|such))*"
    forms = (
        rf"{verb}{filler}\s+(?:{_NOUN}|items|line)(?:\s+such\s+as)?\s*:?\s*(?P<list>{_LIST})",
        rf"\bkeywords?\s*:\s*(?P<list>{_LIST})",
        rf"\b(?:mention\w*|say|includ\w+|avoid\w*)\s+(?P<list>{_QUOTED}(?:{_AND}{_QUOTED})*)",
        rf"\bthe\s+{_NOUN}\s+(?P<list>{_LIST})\s+(?P<denied>cannot|can't|must\s+not|should\s+not|shouldn't)\b",
    )
    read = 0
    for match in sorted((match for form in forms for match in _matches(form, text)), key=lambda match: match.start("list")):
        start, end = match.span("list")
        counted = re.match(rf"[\s,]*(?:for\s+)?{_TIMES}", text[end:], re.IGNORECASE)
        items = _items(match["list"])
        if start < read or counted or set(items) & set(ANSWERS) or re.search(_BOUNDARY, _clause(text, start), re.IGNORECASE):
            continue
        read = end
        denied = match.groupdict().get("denied") or _denied(text, start)
        kind, name = ("forbidden_words", "forbidden_words") if denied else ("existence", "keywords")
        yield Constraint(f"keywords:{kind}", {name: items}, match[0])


def _frequency(text: str) -> Iterator[Constraint]:
    said = r"(?:\s*,)?(?:\s+(?:should|must|needs?\s+to|has\s+to))?(?:\s+(?:appears?|occurs?|be\s+used|be\s+mentioned|shows?\s+up))?"
    where = r"(?:\s+in\s+(?:the|your)\s+\w+)?(?:\s+for)?"
    for match in _matches(rf"\b{_NOUN}\s+(?P<word>{_ITEM}){said}{where}\s+{_TIMES}", text):
        for relation, limit in bounds(match, bare="at least"):
            parameters = {"keyword": _items(match["word"])[0], "frequency": limit, "relation": relation}
            yield Constraint("keywords:frequency", parameters, match[0])


def _letters(text: str) -> Iterator[Constraint]:
    letter = r"""\bletters?\s+["'“”‘]?(?P<letter>\w)["'”’]?(?!\w)"""
    for match in _matches(rf"{letter}(?:\s+(?:\w+\s+){{0,5}}?)?{_TIMES}", text):
        yield from _letter(match, match["letter"])
    for match in _matches(rf"{amount('exclamation (?:marks?|points?)')}", text):
        yield from _letter(match, "!")
    for match in _matches(letter, text):
        if _denied(text, match.start()):
            never = {"letter": match["letter"].lower(), "let_frequency": 1, "let_relation": "less than"}
            yield Constraint("keywords:letter_frequency", never, match[0])


def _letter(match: re.Match[str], letter: str) -> Iterator[Constraint]:
    for relation, limit in bounds(match, bare="at least"):
        parameters = {"letter": letter.lower(), "let_frequency": limit, "let_relation": relation}
        yield Constraint("keywords:letter_frequency", parameters, match[0])


def _capital_words(text: str) -> Iterator[Constraint]:
    forms = (
        rf"{_CAPITAL_WORDS}[^.\n]{{0,60}}?\s{_TIMES}",
        rf"{_CAPITAL_WORDS}[^.\n]{{0,40}}?\sto\s+{amount('')}",
        amount(_CAPITAL_WORDS),
    )
    for match in (match for form in forms for match in _matches(form, text)):
        for relation, limit in bounds(match, bare="at least"):
            parameters = {"capital_frequency": limit, "capital_relation": relation}
            yield Constraint("change_case:capital_word_frequency", parameters, match[0])


def _paragraphs(text: str) -> Iterator[Constraint]:
    """Paragraphs that `***` divides."""
    if re.search(r"(?<!\*)\*{3}(?!\*)|(?:three|3) ast?erisks?|markdown divider", text, re.IGNORECASE) is None:
        return
    for unit in (r"paragraphs?", r"(?:stanzas?|parts?|sections?)(?!\s+(?:of|with|in)\s+(?:your|markdown))"):
        match = re.search(amount(rf"(?:\w+\s+)?{unit}"), text, re.IGNORECASE)
        if match:
            yield Constraint("length_constraints:number_paragraphs", {"num_paragraphs": number(match["n"])}, match[0])
            return
    shown = re.findall(r"^\s*\*\*\*\s*$", text, re.MULTILINE)
    if shown:
        yield Constraint("length_constraints:number_paragraphs", {"num_paragraphs": len(shown) + 1}, "***")


def _first_words(text: str) -> Iterator[Constraint]:
    """Paragraphs that empty lines divide, one of which starts with a given word."""
    count = re.search(amount(r"(?:\w+\s+)?paragraphs?"), text, re.IGNORECASE)
    which = rf"(?:(?P<nth>{'|'.join(_ORDINALS)}|\b\d{{1,2}}(?:st|nd|rd|th))\s+paragraph|paragraph\s+(?P<number>\d{{1,2}}))"
    word = rf"(?:the\s+)?(?:word\s*:?\s+)?(?P<word>{_ITEM})"
    forms = (
        rf"{which}\s+(?:must|should|has\s+to|needs\s+to)\s+(?:start|begin)\s+with\s+{word}",
        rf"{which}\s+(?:starts|begins|starting|beginning)\s+with\s+{word}",
        rf"(?:start|begin)\s+(?:the\s+)?{which}\s+with\s+{word}",
        rf"first\s+word\s+of\s+(?:the\s+)?{which}\s+(?:must|should|has\s+to)\s+be\s+{word}",
    )
    for form in forms:
        match = re.search(form, text, re.IGNORECASE)
        if match and count:
            nth = (match["nth"] or match["number"]).lower()
            place = _ORDINALS.index(nth) + 1 if nth in _ORDINALS else int(re.sub(r"\D", "", nth))
            given = {"num_paragraphs": number(count["n"]), "nth_paragraph": place, "first_word": _items(match["word"])[0].lower()}
            yield Constraint("length_constraints:nth_paragraph_first_word", given, f"{count[0]} … {match[0]}")


def _sections(text: str) -> Iterator[Constraint]:
    """Sections that start with a given word and their number."""
    marker = re.search(r"\b([A-Z][A-Za-z]*)\s+X\b", text) or re.search(r"\b(Section|SECTION|Part|PART|PARAGRAPH)\s+1\b", text)
    unit = rf"(?:\w+\s+)?(?:sections?|{marker[1] if marker else 'section'}s?)"
    count = re.search(amount(unit), text, re.IGNORECASE)
    if count and marker and re.search(r"(?<!\*)\*{3}(?!\*)", text) is None:
        parameters = {"section_spliter": marker[1], "num_sections": number(count["n"])}
        yield Constraint("detectable_format:multiple_sections", parameters, f"{count[0]} … {marker[0]}")


def _bullets(text: str) -> Iterator[Constraint]:
    for match in _matches(amount(r"(?:[a-z]+\s+){0,3}bullet[\s-]*(?:points?|lists?)"), text):
        if bounds(match, bare="exactly") == [("exactly", number(match["n"]))]:
            yield Constraint("detectable_format:number_bullet_lists", {"num_bullets": number(match["n"])}, match[0])


def _at_least(kind: str, name: str, *forms: str) -> Reader:
    """A reader of a number that is the least; the first form that matches is read."""

    def read(text: str) -> Iterator[Constraint]:
        match = next(filter(None, (re.search(form, text, re.IGNORECASE) for form in forms)), None)
        if match:
            yield Constraint(kind, {name: number(match["n"])}, match[0])

    return read


def _postscript(text: str) -> Iterator[Constraint]:
    for marker, pattern in (("P.P.S", r"\bP\.\s?P\.\s?S\b\.?"), ("P.S.", r"(?<!P\.)\bP\.\s?S\b\.?")):
        match = re.search(pattern, text)
        if match:
            yield Constraint("detectable_content:postscript", {"postscript_marker": marker}, match[0])


def _end(text: str) -> Iterator[Constraint]:
    last = r"last\s+(?:words?|sentence|line|phrase)"
    verb = rf"\b(?:end(?:s|ed|ing)?|finish(?:es|ed|ing)?|conclude[sd]?|concluding|clos(?:e|es|ing)|{last})\b"
    which = r"(?:\s+exactly)?(?:\s+like)?(?:\s+(?:the|this))?(?:\s+(?:exact|following|same))*"
    says = rf"(?:with|(?:should|must)\s+(?:be|read|say)|by\s+saying|of|is){which}"
    noun = r"(?:\s+(?:phrase|sentence|words?|line|question))?(?:\s+of)?\s*:?\s*"
    quoted, bare = rf"(?P<phrase>{_QUOTED})", r"(?P<phrase>[A-Za-z][^\n]*)"
    forms = (
        rf"{verb}[^.\n]{{0,60}}?\b{says}{noun}{quoted}",
        rf"{verb}[^.\n]{{0,60}}?\b{says}\s+(?:phrase|sentence|words|line)\s*:?\s*{bare}",
        rf"{verb}[^.\n]{{0,60}}?\b(?:read|with|be|say)\s+exactly(?:\s+(?:like|this|the\s+following))*\s*:\s*{bare}",
    )
    match = next(filter(None, (re.search(form, text, re.IGNORECASE) for form in forms)), None)
    phrase = match["phrase"].strip("\"“”'‘’ ") if match else "P.S."
    if match and not phrase.startswith("P."):
        yield Constraint("startend:end_checker", {"end_phrase": phrase}, match[0])


def _repeat(text: str) -> Iterator[Constraint]:
    """The request to be repeated stands before the sentence that says so, or after it where that says `below`."""
    target = r"(?:request|sentence|prompt|question|(?:first\s+)?line|it\b)"
    match = re.search(rf"\brepl?eat\s+(?:\w+\s+){{0,4}}?{target}[^.!?\n]*", text, re.IGNORECASE)
    if match is None:
        return
    start = max(text.rfind(mark, 0, match.start()) for mark in ".!?\n") + 1
    before, below = text[:start].strip(), text[match.end() :].partition("\n\n")[2].strip()
    said = text[start : match.end()].strip()
    repeated = below if re.search(r"\b(?:below|following)\b", said) or not before else before
    if repeated:
        yield Constraint("combination:repeat_prompt", {"prompt_to_repeat": repeated}, said)


def _language(text: str) -> Iterator[Constraint]:
    before = r"\b(?:in|into|us(?:e|ing))\s+(?:only\s+|just\s+|entirely\s+)?(?:in\s+)?(?:the\s+)?"
    pattern = rf"{before}(?P<name>{'|'.join(LANGUAGES)})\b(?!\s+(?:class|exam))"
    for match in _matches(pattern, text):
        if match["name"].lower() != "english":
            yield Constraint("language:response_language", {"language": LANGUAGES[match["name"].lower()]}, match[0])


def _constrained(text: str) -> Iterator[Constraint]:
    if all(answer.rstrip(".").lower() in text.lower() for answer in ANSWERS):
        yield Constraint("detectable_format:constrained_response", {}, " / ".join(ANSWERS))


_FILLER = r"(?:in|only|all|the|of|entirely|letters?|are)"
_LOWER = r"lower[\s-]?cases?d?"
_UPPER = r"(?:capital\s+letters|caps|capitals|upper[\s-]?case(?:\s+letters)?)"
_MARKED = r"(?:highlight\w*|italici[sz]\w*|italics?|bold\w*|emphasi[sz]\w*)"
_PIECES = r"(?:[a-z]+\s+){0,3}?(?:sections?|parts?|phrases?|keywords?|texts?|words?|sentences?|names?|titles?|points?)"

READERS: tuple[Reader, ...] = (
    _bounded("length_constraints:number_words", rf"words?\b(?!\s+(?:in|with|of)\s+(?:all\s+)?{_CAPITALS})", "num_words"),
    _bounded("length_constraints:number_sentences", r"sentences?\b", "num_sentences"),
    _sentence_count,
    _paragraphs,
    _first_words,
    _keywords,
    _frequency,
    _letters,
    _capital_words,
    _plain(
        "change_case:english_capital",
        rf"(?<!words )(?<!word )\b(?:in|us(?:e|ing)|only|with)\s+(?:only\s+|all\s+|entirely\s+|use\s+)+{_UPPER}(?!\s+words)"
        rf"|\bcapitali[sz]e\s+(?:all|every)\b[^.\n]*|\ball\s+(?:the\s+)?letters\b[^.\n]*?\b(?:be\s+)?capitali[sz]ed",
    ),
    _plain(
        "change_case:english_lowercase",
        rf"(?<!no )\b(?:in|us(?:e|ing)|only|with|all|be|are|is)\s+(?:{_FILLER}\s+){{0,4}}{_LOWER}\b"
        rf"|{_LOWER}\s+letters\s+only|\b(?:no|not|without|avoid)\b[^.\n]{{0,60}}\b(?:capital\s+letters?|capitali[sz]ed)",
    ),
    _plain("punctuation:no_comma", rf"{_NOT}[^.\n]{{0,60}}?\bcommas?\b"),
    _plain("detectable_format:title", r"<<[^>\n]+>>|double\s+angular\s+brackets"),
    _plain(
        "startend:quotation",
        r"\b(?:wrap\w*|put|place|enclose\w*|surround\w*)\b[^.\n]{0,80}?\bdouble[\s-]+quot\w+(?:\s+marks?)?(?:\s+around[^.\n]*)?"
        r"|double[\s-]+quot\w+(?:\s+marks?)?[^.\n]{0,40}\baround\b[^.\n]*",
    ),
    _plain("combination:two_responses", r"(?<!\*)\*{6}(?!\*)|\b(?:6|six)\s+asterisks?"),
    _plain(
        "detectable_format:json_format",
        r"\b(?:in|as|into|using|valid|a)\s+(?:a\s+|an\s+|the\s+)?(?:valid\s+|single\s+)?JSON\b(?:\s+(?:format|object|block))?",
    ),
    _constrained,
    _sections,
    _bullets,
    _at_least("detectable_content:number_placeholders", "num_placeholders", amount(r"(?:[a-z]+\s+){0,2}?placeholders?")),
    _at_least(
        "detectable_format:number_highlighted_sections",
        "num_highlights",
        rf"\b{_MARKED}\s+{amount(_PIECES)}",
        amount(rf"(?:\w+\s+)?{_MARKED}\s+{_PIECES}"),
        rf"{amount(_PIECES)}[^.\n]{{0,40}}?\b{_MARKED}",
        rf"\b{_MARKED}[^.\n]{{0,30}}?{amount('')}",
    ),
    _postscript,
    _end,
    _repeat,
    _language,
)
