"""What benches/exports.rs compares exports with: other software that writes the same five columns of the same rows.

    exports_peers.py sqlite3|duckdb|xlsxwriter|make-duckdb DATABASE DUCKDB OUTPUT XLSX_TO

Prints rows, seconds, seconds of CPU, the peak of resident memory in MiB, and bytes. What a program takes to start is not
counted, sqlite3's few milliseconds apart. Reading with sqlite3 takes the rows in
the order of time, as ours does; DuckDB has them in that order in a table of its own, and uses two threads.
"""

import datetime
import os
import resource
import sqlite3
import subprocess
import sys
import time

SEVERITIES = ["info", "warning", "error"]

TIMESTAMP = """strftime('%Y-%m-%dT%H:%M:%S', o.at / 1000000, 'unixepoch')
    || case when o.at % 1000000 = 0 then '' else printf('.%03d', o.at / 1000 % 1000) end || 'Z'"""

ROWS = """
    from log_order as o join log_event as e on e.seq = o.seq left join log_service as s on s.id = e.cell >> 2
    {where} order by o.at, o.seq"""

FORMATTED = f"""select {TIMESTAMP} as timestamp,
    case e.cell & 3 when 0 then 'info' when 1 then 'warning' else 'error' end as severity,
    s.service, e.message, e.attributes {ROWS.format(where='')}"""


def main():
    what, database, duckdb_file, output, xlsx_to = sys.argv[1:]
    who = resource.RUSAGE_CHILDREN if what == "sqlite3" else resource.RUSAGE_SELF
    work = {
        "sqlite3": lambda: sqlite3_shell(database, output),
        "duckdb": lambda: duckdb_copy(duckdb_file, output),
        "xlsxwriter": lambda: xlsxwriter_book(database, output, int(xlsx_to)),
        "make-duckdb": lambda: duckdb_table(duckdb_file, output),
    }[what]()
    cpu_before, begun = cpu_seconds(who), time.monotonic()
    rows = work()
    seconds, cpu = time.monotonic() - begun, cpu_seconds(who) - cpu_before
    peak_mib = resource.getrusage(who).ru_maxrss / 1024
    print(rows, seconds, cpu, peak_mib, os.path.getsize(output))


def cpu_seconds(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def sqlite3_shell(database, output):
    rows = sqlite3.connect(database).execute("select count(*) from log_order").fetchone()[0]

    def work():
        with open(output, "wb") as file:
            subprocess.run(["sqlite3", "-csv", "-header", "-readonly", database, FORMATTED], stdout=file, check=True)
        return rows

    return work


def duckdb_copy(duckdb_file, output):
    import duckdb

    connection = duckdb.connect(duckdb_file, read_only=True, config={"threads": 2})
    select = """select strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%gZ') as timestamp, severity, service, message, attributes
        from events"""
    return lambda: connection.execute(f"copy ({select}) to '{output}' (format csv, header)").fetchone()[0]


def duckdb_table(duckdb_file, csv):
    import duckdb

    columns = "{'timestamp': 'timestamp', 'severity': 'text', 'service': 'text', 'message': 'text', 'attributes': 'text'}"
    connection = duckdb.connect(duckdb_file)
    read = f"select * from read_csv('{csv}', header = true, columns = {columns}, quote = '\"', escape = '\"')"

    def work():
        rows = connection.execute(f"create table events as {read}").fetchone()[0]
        connection.close()
        return rows

    return work


def xlsxwriter_book(database, output, to):
    import xlsxwriter

    return lambda: write_book(xlsxwriter, sqlite3.connect(database), output, to)


def write_book(xlsxwriter, connection, output, to):
    epoch = datetime.datetime(1970, 1, 1)
    book = xlsxwriter.Workbook(output, {"constant_memory": True})
    sheet = book.add_worksheet()
    date_format = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
    sheet.write_row(0, 0, ["timestamp", "severity", "service", "message", "attributes"])
    select = "select o.at, e.cell & 3, s.service, e.message, e.attributes" + ROWS.format(where="where o.at < ?")
    row = 0
    for at, severity, service, message, attributes in connection.execute(select, [to]):
        row += 1
        sheet.write_datetime(row, 0, epoch + datetime.timedelta(microseconds=at), date_format)
        sheet.write_string(row, 1, SEVERITIES[severity])
        if service is not None:
            sheet.write_string(row, 2, service)
        sheet.write_string(row, 3, message)
        if attributes is not None:
            sheet.write_string(row, 4, attributes)
    book.close()
    return row


main()
