//! A table of figures that reads well in Markdown and in a terminal.

use std::fmt;

/// A table. The first row is the heading; the first column is aligned left, all others right.
pub struct Table(Vec<Vec<String>>);

impl Table {
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self(vec![heading.map(str::to_string).into()])
    }

    pub fn add<const N: usize>(&mut self, row: [String; N]) {
        debug_assert_eq!(self.0[0].len(), N, "a row has as many cells as the heading");
        self.0.push(row.into());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(rows) = self;
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        for (number, row) in rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 {
                    write!(formatter, "| {cell:<width$} |")?;
                } else {
                    write!(formatter, " {cell:>width$} |")?;
                }
            }
            writeln!(formatter)?;
            if number == 0 {
                write!(formatter, "| {} |", "-".repeat(widths[0]))?;
                for width in &widths[1..] {
                    write!(formatter, " {}: |", "-".repeat(width - 1))?;
                }
                writeln!(formatter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["step", "ms"]);
        table.add(["1×128".into(), "12345".into()]);
        assert_eq!(table.to_string(), "| step  |    ms |\n| ----- | ----: |\n| 1×128 | 12345 |\n");
    }
}
