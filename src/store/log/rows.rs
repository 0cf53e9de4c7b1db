//! Inserting many rows by few statements: what a statement costs by itself is half the cost of a short row, and the rows of
//! one share it.

use rusqlite::{Connection, Statement};

use crate::error::Result;

/// So many rows go in by one statement, the most first.
const WIDTHS: [usize; 3] = [64, 8, 1];

/// `insert into .. values (..), (..), ..` in each width. A conflict is a fault of the file and ends the transaction: so
/// SQLite need not keep pages as they were before the statement.
pub struct Insert([String; WIDTHS.len()]);

impl Insert {
    pub fn into(table: &str, columns: &[&str]) -> Insert {
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        let columns = columns.join(", ");
        Insert(WIDTHS.map(|width| {
            format!("insert or rollback into {table} ({columns}) values {}", vec![row.as_str(); width].join(", "))
        }))
    }

    /// Inserts the rows in their order. `bind` binds one to the parameters behind so many.
    pub fn run<R>(
        &self,
        conn: &Connection,
        mut rows: &[R],
        bind: impl Fn(&mut Statement, usize, &R) -> rusqlite::Result<()>,
    ) -> Result<()> {
        for (width, sql) in WIDTHS.into_iter().zip(&self.0) {
            let (now, later) = rows.split_at(rows.len() - rows.len() % width);
            rows = later;
            if now.is_empty() {
                continue;
            }
            let mut statement = conn.prepare_cached(sql)?;
            let columns = statement.parameter_count() / width;
            for chunk in now.chunks(width) {
                for (index, row) in chunk.iter().enumerate() {
                    bind(&mut statement, index * columns, row)?;
                }
                statement.raw_execute()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_goes_in_whole_and_in_order() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("create table t (place integer primary key autoincrement, a integer, b text) strict")
            .unwrap();
        let insert = Insert::into("t", &["a", "b"]);
        let mut expected = 0;
        for len in [0, 1, 7, 8, 63, 64, 65, 137, 200] {
            let rows: Vec<i64> = (expected..expected + len).collect();
            let bind = |statement: &mut Statement, behind: usize, row: &i64| {
                statement.raw_bind_parameter(behind + 1, row)?;
                statement.raw_bind_parameter(behind + 2, row.to_string())
            };
            insert.run(&conn, &rows, bind).unwrap();
            expected += len;
            let read = "select count(*) from t where a = place - 1 and b = a";
            assert_eq!(conn.query_row(read, [], |row| row.get::<_, i64>(0)).unwrap(), expected);
        }
    }
}
