"""Codes of languages and scripts: detectors' labels, ISO 639 and BCP-47.

>>> bcp47("zh-tw"), bcp47("arb"), code_of_label("__label__deu_Latn"), code_of_label("zho_Hant")
('zh-Hant', 'ar', ('de', 'Latn'), ('zh', 'Hant'))
"""

import re

# Detectors' codes as BCP-47: what was renamed, macrolanguages' usual member, duplicates of the trained models.
# fmt: off
_BCP47 = {
    "iw": "he", "jw": "jv", "in": "id", "no": "nb", "zh-cn": "zh-Hans", "zh-tw": "zh-Hant", "cmn": "zh",
    "zh-hant": "zh-Hant", "zh-hans": "zh-Hans", "bh": "bho", "sr-me": "sr", "sh": "sr", "uzs": "uz", "gug": "gn",
    "kik": "ki", "hbo": "he", "wuu": "zh", "als": "sq", "arb": "ar", "pes": "fa", "swh": "sw", "zsm": "ms",
    "ekk": "et", "lvs": "lv", "uzn": "uz", "khk": "mn", "azj": "az", "npi": "ne", "ory": "or", "fil": "tl",
    "kmr": "ku", "ydd": "yi", "plt": "mg", "gaz": "om", "pbt": "ps", "ayr": "ay",
    "un": "und", "zxx": "und", "xxx": "und", "zzp": "und", "zzb": "und", "zze": "und", "zzh": "und",
}
# fmt: on
# ISO 639-1 with the code of ISO 639-3 behind it; codes of three letters are their own.
_ISO_639 = """
aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bibis bmbam bnben bobod brbre
bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest
eueus fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv hahau heheb hihin hohmo hrhrv hthat
huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita iuiku jajpn jvjav kakat kgkon kikik kjkua kkkaz
klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim lnlin lolao ltlit lulub lvlav mgmlg
mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya
ococi ojoji omorm orori ososs papan pipli plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme
sgsag sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir tktuk
tltgl tntsn toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor
zazha zhzho zuzul
"""
ISO3 = {pair[:2]: pair[2:] for pair in _ISO_639.split()}
_ISO1 = {long: short for short, long in ISO3.items()}
_TAG = re.compile(r"([a-z]{2,3})(?:-[A-Z][a-z]{3})?")


def bcp47(code: str) -> str:
    """A detector's code as BCP-47; `und` for what names no language."""
    code = _BCP47.get(code.lower(), code)
    return "und" if code.startswith("xx-") else code


def fault_of_code(code: str) -> str | None:
    """What is wrong with a language code in a configuration, or None: one that no detector answers keeps nothing.

    >>> fault_of_code("zh-Hant"), fault_of_code("zh-TW"), fault_of_code("deu")
    (None, None, "'deu' is no BCP-47 code that a language gets here; 'de' is")
    """
    found = _TAG.fullmatch(bcp47(code))
    name = found[1] if found else ""
    if found and (name in ISO3 or (len(name) == 3 and name not in _ISO1)):
        return None
    better = _ISO1.get(code.lower(), code.lower() if code.lower() in ISO3 else None)
    return f"'{code}' is no BCP-47 code that a language gets here" + (f"; '{better}' is" if better else "")


# Languages of two scripts, with the one that goes without saying (the registry's Suppress-Script, or the commoner).
# fmt: off
_USUAL_SCRIPT = {
    "sr": "Cyrl", "uz": "Latn", "az": "Latn", "kk": "Cyrl", "mn": "Cyrl", "ku": "Latn", "pa": "Guru", "tk": "Latn",
    "tt": "Cyrl", "ms": "Latn", "bs": "Latn", "ha": "Latn", "sd": "Arab", "tg": "Cyrl", "crh": "Latn",
}
# fmt: on

# What goes without saying of the others (Suppress-Script), where a fastText model knows them in Latin letters too.
_SCRIPTS = {
    "Arab": "ar fa ps ur ug ckb", "Armn": "hy", "Beng": "as bn", "Cyrl": "be bg ky mk ru uk", "Deva": "hi mr ne sa",
    "Ethi": "am ti", "Geor": "ka", "Grek": "el", "Gujr": "gu", "Hebr": "he yi", "Jpan": "ja", "Khmr": "km",
    "Knda": "kn", "Kore": "ko", "Laoo": "lo", "Mlym": "ml", "Mymr": "my", "Orya": "or", "Sinh": "si", "Taml": "ta",
    "Telu": "te", "Thaa": "dv", "Thai": "th", "Tibt": "bo dz",
    "Latn": "af ca cs cy da de en eo es et eu fi fo fr ga gl gn hr ht hu id is it jv la lb lt lv mg mt nb nl nn ny om "
    "pl pt qu ro rw sk sl sm so sq ss st su sv sw tl tn to tr ts ve vi xh yo zu",
}  # fmt: skip
_SUPPRESSED = {code: script for script, codes in _SCRIPTS.items() for code in codes.split()}
_LABEL = re.compile(r"(?:__label__)?([A-Za-z]{2,3})(?:[_-]([A-Z][a-z]{3}))?(?![A-Za-z])")


def usual_script(code: str) -> str | None:
    """The script that goes without saying of a language that is written in two; None of any other."""
    return _USUAL_SCRIPT.get(code)


def suppressed_script(code: str) -> str | None:
    """The script that goes without saying of a language."""
    return _USUAL_SCRIPT.get(code) or _SUPPRESSED.get(code)


def code_of_label(label: str) -> tuple[str, str | None]:
    """BCP-47 and ISO 15924 of a fastText model's label: `de`, `deu` or `deu_Latn`; what is none of these is `und`."""
    found = _LABEL.match(label)
    if not found:
        return "und", None
    code, script = found[1].lower(), found[2]
    code = bcp47(_ISO1.get(code, code)).split("-")[0]
    return code, {"Hang": "Kore"}.get(script or "", script) if code != "und" else None
