"""Texts that files, readers of files and spreadsheets are known to stumble over."""

import json
import unicodedata
from datetime import datetime, timedelta

EMOJI = "\U0001f600"
SEVERITIES = ["info", "warning", "error"]
ATTRIBUTES_BYTES_MAX = 16 * 1024
# What a spreadsheet takes for a formula, or for the way to one.
FORMULA_STARTS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
# Of a cell of XLSX, in units of UTF-16.
CELL_UNITS_MAX = 32_767

_FORMULAS = [
    "=cmd|' /C calc'!A0", '=HYPERLINK("http://a.example","b")', "=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "=", "+", "-",
    "@", "'=x", "'", " =1", "\0=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", '"=1"', "{=1}",
]  # fmt: skip
_QUOTES = ['a"b', '"', '""', ',', "a,b", '"a",b', "a;b", "a\tb", "\\", "a\\", '\\"', "\\n", "\\N", "#a", "a#b", "'a'"]
_LINE_ENDS = ["a\r\nb", "a\rb", "a\nb", "\r\n", "\n", "\r", "a\n", "a\r", "\n\n", "a\u2028b", "a\u2029b", "a\x85b"]
# XLSX writes characters that XML has not as `_xHHHH_`, so texts of that look must come back as they are, too.
_ESCAPES = [
    "_x000D_", "_x000d_", "_x005F_", "_x005F_x000D_", "a_x0041_b", "__x000D__", "_x0000_", "_xD83D_", "_x00", "_x000D",
    "_x000G_", "_x0041_x0042_", "_x005f_x005f_", "\x01_x0001_", "_\x01_", "_x0041\x01", "_x0041\ufffe",
]  # fmt: skip
_BLANKS = [" a", "a ", "  ", "a  b", "\u00a0a\u00a0", "\u3000", "\ufeffa", "\u200b"]
_LIKE_NUMBERS = [
    "00123", "1e5", "TRUE", "false", "2025-01-01", "10:15", "nan", "NaN", "inf", "NULL", "null", "None", "N/A", "#N/A", "1,5",
    "1_000", "0x1f", "1" * 30, "50%", "$5",
]  # fmt: skip
_SCRIPTS = [
    EMOJI, "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627",
    "\u202eabc\u202c", "\u200fa", "e\u0301", "a" + "\u0310\u0343" * 20, "\u65e5\u672c\u8a9e", "\U0010ffff", "\ufdd0",
    "a\ufffe", "\uffff", "\U0001fffe",
]  # fmt: skip
_MARKUP = ["<a>&amp;</a>", "]]>", "&#10;", "&", "<!--", "http://a.example/?b=c&d", "mailto:a@b", "internal:Sheet1!A1"]
_CONTROLS = [form.format(chr(code)) for code in [*range(32), *range(127, 160)] for form in ["{}", "a{}b"]]
# Around the length of a cell, and far beyond: a line's end, an escape, a pair of surrogates where one cell ends.
_LONG = [
    "a" * CELL_UNITS_MAX, "a" * (CELL_UNITS_MAX + 1), "a" * 60_000, "=" * 60_000, EMOJI * 15_000, EMOJI * 16_384,
    "a" + EMOJI * 16_383, "\u00e9" * 32_768, "\u65e5" * 21_845, "\x01" * 60_000, "\r\n" * 30_000, "_x000D_" * 9_000,
    "a" * (CELL_UNITS_MAX - 3) + "_x000D_" * 3, "a" * (CELL_UNITS_MAX - 1) + "\r\n" + "b" * 20_000,
    "a" * (CELL_UNITS_MAX - 1) + EMOJI + "b", "a" * CELL_UNITS_MAX + " b", "a" * (2 * CELL_UNITS_MAX + 2), '"' * 60_000,
]  # fmt: skip

TEXTS = [
    *_FORMULAS, *_QUOTES, *_LINE_ENDS, *_ESCAPES, *_BLANKS, *_LIKE_NUMBERS, *_SCRIPTS, *_MARKUP, *_CONTROLS, *_LONG,
]  # fmt: skip


def may_be_an_id(text):
    return len(text.encode()) <= 256 and not any(unicodedata.category(character) == "Cc" for character in text)


IDS = [text for text in dict.fromkeys(TEXTS) if may_be_an_id(text)]


def events():
    """System events in order, each with a text wherever one may stand."""
    for i, text in enumerate(TEXTS):
        # Six digits each, none of them a nought at the end: the text that comes back is the text that was sent.
        at = datetime(2025, 5, 21, 10, 15, 30, 1) + timedelta(seconds=i)
        event = {"timestamp": at.isoformat() + "Z", "severity": SEVERITIES[i % 3], "message": text}
        if may_be_an_id(text):
            event["service"] = text
        attributes = {"text": text, **({text: i} if len(text.encode()) <= 256 else {})}
        if len(compact(attributes).encode()) <= ATTRIBUTES_BYTES_MAX:
            event["attributes"] = attributes
        yield event


def compact(attributes):
    """As exports write them."""
    return json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))


def row(event):
    """The cells of an event, as they are."""
    attributes = compact(event["attributes"]) if "attributes" in event else ""
    return (event["timestamp"], event["severity"], event.get("service", ""), event["message"], attributes)


def neutralised(row):
    return tuple("'" + cell if cell[:1] and cell[0] in FORMULA_STARTS else cell for cell in row)
