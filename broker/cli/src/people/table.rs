//! Tables with aligned columns: names to the left, numbers to the right, two blanks between. Colour is
//! decided by the caller. Never wraps: a line is a row, whatever the width of the terminal.

use comfy_table::{Attribute, Cell as Raw, CellAlignment, Color, ContentArrangement, presets};

/// What a value means to its reader, which a terminal shows as colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Tone {
    /// A value like any other.
    #[default]
    Plain,
    /// What the row is about.
    Name,
    /// Of little interest.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A value with its meaning.
    pub(crate) fn toned(text: impl ToString, tone: Tone) -> Self {
        Self { text: text.to_string(), tone }
    }

    /// What the row is about.
    pub(crate) fn name(text: impl ToString) -> Self {
        Self::toned(text, Tone::Name)
    }

    /// The value, or a faint `-`.
    pub(crate) fn maybe(value: Option<impl ToString>) -> Self {
        value.map_or_else(|| Self::toned("-", Tone::Faint), |value| Self::toned(value, Tone::Plain))
    }

    /// A number that ought to be zero.
    pub(crate) fn ought_to_be_zero(number: impl ToString + PartialEq + Default, otherwise: Tone) -> Self {
        let tone = if number == Default::default() { Tone::Plain } else { otherwise };
        Self::toned(number, tone)
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self::toned(value, Tone::Plain)
    }
}

/// A heading, and on which side its values stand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Words, to the left.
    Left(&'static str),
    /// Numbers, to the right.
    Right(&'static str),
}

/// Rows under headings.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// No rows yet.
    pub(crate) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self { columns: columns.into(), rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Lines, each ended.
    pub(crate) fn render(&self, colour: bool) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let heading = |column: &Column| match column {
            Column::Left(text) => Raw::new(text).add_attribute(Attribute::Bold),
            Column::Right(text) => {
                Raw::new(text).add_attribute(Attribute::Bold).set_alignment(CellAlignment::Right)
            }
        };
        table.set_header(self.columns.iter().map(heading).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(row.iter().map(styled).collect::<Vec<_>>());
        }
        let last = self.columns.len().saturating_sub(1);
        for (at, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, if at == last { 0 } else { 2 }));
            if matches!(self.columns.get(at), Some(Column::Right(_))) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn styled(cell: &Cell) -> Raw {
    // Line ends and tabs inside a value would break the row.
    let text: String =
        cell.text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let raw = Raw::new(text);
    match cell.tone {
        Tone::Plain => raw,
        Tone::Name => raw.fg(Color::Cyan),
        Tone::Faint => raw.add_attribute(Attribute::Dim),
        Tone::Good => raw.fg(Color::Green),
        Tone::Warn => raw.fg(Color::Yellow),
        Tone::Bad => raw.fg(Color::Red),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn sample() -> Table {
        let mut table = Table::new([Column::Left("TOPIC"), Column::Right("LAG"), Column::Left("OWNER")]);
        table.row([Cell::name("orders"), Cell::toned(7, Tone::Warn), Cell::maybe(None::<&str>)]);
        table.row([Cell::name("größen"), 12_000.into(), "a\nb".into()]);
        table
    }

    #[test]
    fn columns_line_up() {
        expect![[r#"
            TOPIC     LAG  OWNER
            orders      7  -
            größen  12000  a b
        "#]]
        .assert_eq(&sample().render(false));
    }

    #[test]
    fn colour_changes_no_letter() {
        let coloured = sample().render(true);
        assert!(coloured.contains("\u{1b}["), "{coloured:?}");
        let mut plain = String::new();
        let mut letters = coloured.chars();
        while let Some(letter) = letters.next() {
            if letter == '\u{1b}' {
                letters.by_ref().find(|letter| letter.is_ascii_alphabetic());
            } else {
                plain.push(letter);
            }
        }
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n") + "\n", sample().render(false));
    }
}
