"""Workbooks as openpyxl and LibreOffice read them, and as packages of XML parts."""

import csv
import posixpath
import re
import subprocess
import zipfile
from datetime import datetime, timedelta
from xml.etree import ElementTree
from xml.parsers import expat

import openpyxl
from openpyxl.utils.escape import unescape

from stage import Failure, environment, until_we_die

CONTENT_TYPES = "[Content_Types].xml"
_TYPES = "{http://schemas.openxmlformats.org/package/2006/content-types}"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EPOCH = datetime(1899, 12, 30)
EVENT_COLUMNS = ("timestamp", "severity", "service", "message", "attributes")
LIBREOFFICE_S = 300
# Comma, quotation mark, UTF-8, from the first line on; every text quoted, values as they are shown; all sheets.
_CSV_FILTER = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,true,false,false,false,-1"


def by_openpyxl(file, stage=None):
    """The rows of each sheet, by its name: dates, numbers, texts, and None for nothing."""
    book = openpyxl.load_workbook(file, read_only=True)
    try:
        return {sheet.title: [_values(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets}
    finally:
        book.close()


def _values(row):
    # openpyxl leaves `_xHHHH_` (ECMA-376, part 1, 22.9.2.19), which stands for a character, as it is.
    return tuple(unescape(value) if isinstance(value, str) else value for value in row)


def by_libreoffice(file, stage):
    """The rows of each sheet, by its name: all cells as LibreOffice writes them into CSV. Fails if it complains."""
    made = stage.directory / f"{file.stem}.libreoffice"
    profile = f"-env:UserInstallation=file://{made}/profile"
    command = until_we_die(["soffice", "--headless", profile, "--convert-to", _CSV_FILTER, "--outdir", made, file])
    # Numbers and dates are shown as the locale has them.
    plain = {**environment(), "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, capture_output=True, text=True, env=plain, timeout=LIBREOFFICE_S)
    # It speaks of a missing Java, which it does not need for this.
    said = [line for line in ended.stderr.splitlines() if "javaldx" not in line]
    sheets = {name.stem.removeprefix(f"{file.stem}-"): name for name in made.glob("*.csv")}
    if ended.returncode != 0 or said or not sheets:
        raise Failure(f"LibreOffice ends with {ended.returncode}: {ended.stdout} {ended.stderr}")
    return {name: _csv_rows(sheet) for name, sheet in sheets.items()}


def _csv_rows(sheet):
    with sheet.open(newline="", encoding="utf-8") as text:
        return [tuple(row) for row in csv.reader(text, strict=True)]


def openpyxl_events(file, stage=None):
    """The events of a workbook: instants to the millisecond, which is what openpyxl can tell."""
    return list(_event_rows(by_openpyxl(file)))


def libreoffice_events(file, stage):
    """The same by LibreOffice."""
    rows = _event_rows(by_libreoffice(file, stage))
    return [(_instant(row[0]), *(plain_line_ends(cell) for cell in row[1:])) for row in rows]


def _instant(shown):
    return datetime.strptime(shown, "%Y-%m-%d %H:%M:%S.%f") if len(shown) == len("2025-01-01 10:15:30.000") else shown


def plain_line_ends(text):
    # LibreOffice has one kind of line end, and two of them where a cell ends between CR and LF. Its CSV has further ones
    # within lines of more than 16,367 characters.
    return re.sub("[\r\n]+", "\n" if len(text) < 16_000 else "", text)


# Each with what it does to texts.
EVENT_READERS = {
    "openpyxl": (openpyxl_events, lambda text: text),
    "LibreOffice": (libreoffice_events, plain_line_ends),
}


def tables(sheets, name):
    """The sheets that hold one table: `Events`, `Events 2`, .."""
    found, title = [], name
    while title in sheets:
        found.append(sheets[title])
        title = f"{name} {len(found) + 1}"
    return found


def _event_rows(sheets):
    """Cells of one event that go on in further columns are put together again."""
    found = tables(sheets, "Events")
    header = found[0][0]
    parts = {}
    for i, name in enumerate(header):
        parts.setdefault(_continued(name), []).append(i)
    if tuple(parts) != EVENT_COLUMNS:
        raise Failure(f"the columns of the events are {header}")
    for table in found:
        if table[0] != header:
            raise Failure(f"a further sheet has the header {table[0]}")
        for row in table[1:]:
            yield tuple(_joined([row[i] for i in columns if i < len(row)]) for columns in parts.values())


def _continued(name):
    """`message` for `message_2`."""
    stem, _, number = name.rpartition("_")
    return stem if number.isdigit() else name


def _joined(cells):
    if len(cells) == 1 and cells[0] is not None:
        return cells[0]
    return "".join(cell or "" for cell in cells)


def cells(file, part):
    """The raw cells of a sheet's part, by their place: type, style and value as they are written."""
    with zipfile.ZipFile(file) as package, package.open(part) as sheet:
        for _, element in ElementTree.iterparse(sheet):
            if element.tag == f"{_SHEET}c":
                yield element.get("r"), element.get("t"), element.get("s"), element.findtext(f"{_SHEET}v")
            elif element.tag == f"{_SHEET}row":
                element.clear()


def shared_texts(file):
    """The texts of sheets that keep theirs in a table: openpyxl drops `x005F_` from these wherever it stands."""
    with zipfile.ZipFile(file) as package:
        table = ElementTree.fromstring(package.read("xl/sharedStrings.xml"))
    return [unescape(item.findtext(f"{_SHEET}t")) for item in table]


def instant_of(serial):
    """What a number of days means in a workbook, to the microsecond."""
    return EPOCH + timedelta(days=serial)


def check_package(file):
    """Fails unless the package is whole: parts of well-formed XML, each of a type, each found by a relationship that leads
    somewhere."""
    with zipfile.ZipFile(file) as package:
        names = package.namelist()
        if package.testzip() or len(set(names)) != len(names):
            raise Failure(f"{file.name} is a damaged package of {names}")
        # Excel wants to repair a package with extra fields of ZIP64 where sizes have no need of them.
        if extra := [entry.filename for entry in package.infolist() if entry.extra]:
            raise Failure(f"parts with extra fields: {extra}")
        for name in names:
            with package.open(name) as part:
                _parse(name, part)
        _check_types(ElementTree.fromstring(package.read(CONTENT_TYPES)), names)
        _check_relationships(package, names)


def _parse(name, part):
    """Every part that we write is XML."""
    try:
        expat.ParserCreate().ParseFile(part)
    except expat.ExpatError as error:
        raise Failure(f"{name} is not well-formed: {error}") from None


def _check_types(types, names):
    overridden = {entry.get("PartName").removeprefix("/") for entry in types.findall(f"{_TYPES}Override")}
    by_ending = {entry.get("Extension") for entry in types.findall(f"{_TYPES}Default")}
    without = [n for n in names if n not in overridden and n != CONTENT_TYPES and n.rsplit(".", 1)[1] not in by_ending]
    if without or not overridden <= set(names):
        raise Failure(f"parts without a type: {without}; types without a part: {overridden - set(names)}")


def _check_relationships(package, names):
    reached = set()
    for name in names:
        if not name.endswith(".rels"):
            continue
        # `xl/_rels/workbook.xml.rels` is about `xl/workbook.xml`, and relative to where that is.
        home = posixpath.dirname(posixpath.dirname(name))
        for entry in ElementTree.fromstring(package.read(name)).findall(_RELATIONSHIP):
            if entry.get("TargetMode") != "External":
                reached.add(posixpath.normpath(posixpath.join("/", home, entry.get("Target"))).removeprefix("/"))
    parts = {name for name in names if not name.endswith(".rels") and name != CONTENT_TYPES}
    if reached != parts:
        raise Failure(f"relationships to nothing: {reached - parts}; parts that none leads to: {parts - reached}")
