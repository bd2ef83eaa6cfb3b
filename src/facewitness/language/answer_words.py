"""The words by which an answer's verdict is recognised; matched against small letters."""

from __future__ import annotations

import re
from typing import Final

from facewitness.records import Label

SPECIAL: Final = re.compile(r"</?(?:s|n|pad|unk|eos|bos)>|<\|[^|>]*\|>|\[/?inst\]|#{2,}")
QUOTES: Final = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})

SENTENCE: Final = re.compile(r"[^.!?\n\u3002]+(?:\.(?=\S)[^.!?\n\u3002]*)*[.!?\u3002]*")
QUESTION: Final = re.compile(r"[?][\"')\s]*$")
CLAUSE_END: Final = re.compile(r"[,;:\u3001]|\s[-\u2013\u2014]+\s")

_MADE: Final = r"(?:computer|ai|a\.i\.|machine|digitally|artificially|synthetically)"
_FAKE: Final = (
    r"(?:deep[- ]?)?fake(?:d|s)?(?!\s+(?:smile|(?:eye)?lash|tan\b|nails))|deep[- ]?fakes?|forged|forger(?:y|ies)"
    r"|manipulat(?:ed|ions?)|tampered|tampering|doctored|fabricated|counterfeit|synthetic|synthesi[sz]ed|inauthentic"
    rf"|{_MADE}[- ]+(?:generated|created|made|manipulated|altered|edited|rendered|synthesi[sz]ed)"
    r"|(?:generated|created|made|altered)\s+(?:by|with|using)\s+(?:an?\s+)?(?:ai\b|a\.i\.|artificial|computer|gan\b)"
    r"|face[- ]?swap(?:ped)?|unreal(?:istic)?(?:ally)?|not-real|non-real|non-authentic"
)
_REAL: Final = (
    r"real(?!-|\s+(?:time|life|world|estate|quick))|authentic|genuine|bona[- ]fide|legit(?:imate)?"
    r"|un(?:altered|manipulated|edited|doctored|touched)|pristine"
)
TERM: Final = re.compile(rf"(?<![\w-])(?:(?P<fake>{_FAKE})|(?P<real>{_REAL}))(?!\w)")
"""A word that states a label, in the group ``fake`` or ``real``."""

_GAP: Final = r"(?:\s+(?!but\b|and\b|because\b|so\b)[\w'-]+){0,5}\s*$"
DENIAL: Final = re.compile(rf"(?:\b(?:not(?!\s+only)|never|hardly|neither|nor|isn'?t|aren'?t|wasn'?t|\w+n't)\b){_GAP}")
"""At the end of what precedes a word: it is denied."""

ABSENCE: Final = re.compile(
    rf"\b(?:no|without(?:\s+any)?|free\s+(?:of|from)|lacks?|lacking|absence\s+of|zero|nothing){_GAP}"
)
"""At the end of what precedes a word: there is none of it."""

_OR: Final = r"(?:\s+\w+)?\s*(?:\bor\b|\bnor\b|/|\bvs\.?|\bversus\b)\s*(?:an?\s+|it\s+is\s+|is\s+)?"
ALTERNATIVE: Final = re.compile(
    rf"(?<![\w-])(?:either\s+|neither\s+)?(?:(?:{_FAKE}){_OR}(?:{_REAL})|(?:{_REAL}){_OR}(?:{_FAKE})"
    rf"|(?:{_FAKE}|{_REAL})\s+or\s+not)(?!\w)"
)
"""Both labels offered, as in "real or fake"."""

DOUBT: Final = re.compile(
    r"\b(?:(?:can(?:not|'t)|could(?:\s+not|n't)|unable\s+to|impossible\s+to|hard\s+to|difficult\s+to|not\s+possible\s+to)"
    r"\s+(?:\w+ly\s+)?(?:say|tell|determine|confirm|know|judge|decide|assess|verify|conclude)"
    r"|(?:un|not\s+)(?:sure|certain|clear)|whether|if|to\s+(?:determine|decide|judge|assess|check|verify))\b[^,;.]*"
)
"""Doubt and conditions, to the end of the clause."""

COMPARISON: Final = re.compile(
    r"\b(?:unlike|than|compared\s+(?:to|with)|as\s+opposed\s+to|instead\s+of|rather\s+than|different\s+from|like\s+those\s+of"
    r"|on|in|of|for)\s+(?:an?\s+|any\s+|the\s+)?(?:most\s+)?(?:real|genuine|authentic)\s+\w+"
)
"""Another, real thing that the picture is compared with."""

CONCESSION: Final = re.compile(
    r"\b(?:although|though|even\s+though|while|whereas|despite)\b[^,;.]*(?=[,;])"
    r"|^[^.;]*\b(?:may|might|could|seems?|appears?|looks?|at\s+first)\b[^.;]*?,?\s*(?=\b(?:but|however|yet)\b)"
)
"""What a sentence grants before it says the contrary."""

CONCLUSION: Final = re.compile(
    r"\b(?:therefore|thus|hence|overall|in\s+conclusion|conclude|so|but|however|ultimately|verdict|in\s+fact|actually)\b"
)

WHOLE: Final = re.compile(
    r"\b(?:image|photo(?:graph)?|picture|video|frame|clip|media|content|file|it|this|that|person|portrait|subject"
    r"|face|one|he|she|man|woman)\b(?:(?!\b(?:skin|nose|eyes?|eyebrows?|brows?|mouth|lips|hair|jaw|cheeks?)\b).)*$"
)
"""A statement on the picture or the person as a whole."""

VERDICT: Final = re.compile(
    r"\b(?:verdict|(?:final\s+)?(?:answer|judge?ment|decision|conclusion|result|prediction|classification|assessment)"
    r"|authenticity|label|urteil|ergebnis|fazit|antwort|verdict\s+final|r[ée]ponse|conclusi[oó]n|veredicto|respuesta"
    r"|resposta|conclus[aã]o|verdetto|risposta|conclusione|вердикт|ответ|вывод)"
    r"(?:\s+(?:is|on\s+the\s+\w+))?\s*[:=\u2013\u2014-]\s*"
    r"|(?:结论|结果|答案|判断|判定|結論|結果|答え|回答)\s*(?:[:=]|是|为)\s*"
)
"""A heading behind which the label stands."""

VERDICT_FIELDS: Final = frozenset(
    {"verdict", "label", "answer", "prediction", "predicted_label", "result", "authenticity", "classification"}
    | {"judgement", "judgment", "decision", "conclusion", "class", "final_answer", "status"}
)
YES_FIELDS: Final = {
    name: label
    for label, names in (
        (Label.FAKE, "fake is_fake deepfake is_deepfake manipulated is_manipulated forged is_forged synthetic"),
        (Label.REAL, "real is_real authentic is_authentic genuine is_genuine"),
    )
    for name in names.split()
}

_OTHER_FAKE: Final = (
    r"gef[äa]lscht|f[äa]lschung|unecht|manipuliert|nicht\s+(?:echt|authentisch)|\bfaux\b|\bfausse\b|truqu[ée]e?|falsifi[ée]e?"
    r"|\bfals[oa]\b|falsificad[oa]|falsificat[oa]|manipulad[oa]|manipolat[oa]|\bno\s+es\s+(?:real|aut[ée]ntic[oa])"
    r"|поддел\w*|фальшив\w*|не\s*(?:настоящ|подлинн)\w*|伪造|偽造|虚假|虚偽|假的|是假|^\s*假\s*。?$|(?:不|非)(?:是)?真(?:实|的)?"
    r"|合成(?:的|图像|图片)|フェイク|偽物|本物では(?:ない|ありません)"
)
_OTHER_REAL: Final = (
    r"(?<!nicht )\b(?:echt|authentisch)\b|\bvraie?\b|\bauthentique\b|\baut[ée]ntic[oa]\b|\bverdadei?r[oa]\b"
    r"|\bautentic[oa]\b|\bver[oa]\b|(?<!не )(?<!не)(?:настоящ|подлинн)\w*|(?<![不非是])真(?:实|的)|(?<!不)是真(?:实|的)"
    r"|^\s*真\s*。?$|本物(?!では)|実写"
)
FOREIGN: Final = ((re.compile(_OTHER_FAKE), Label.FAKE), (re.compile(_OTHER_REAL), Label.REAL))
"""Verdict words of other languages; they hold no word of `TERM`."""
