//! Plots as inline SVG: lines over an axis, and the saturation of gates. Colours are the page's: see `page.css`.
//!
//! Every plot has a title and a description in words for those who do not see it, and its numbers in a table that opens.

mod axis;
mod scatter;

use maud::{Markup, html};

pub use axis::{Axis, Scale};
pub use scatter::saturation;

use crate::numbers::short;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 56.0;

/// Points of a line that are drawn; what is left out is averaged.
const DRAWN: usize = 300;

/// Colours of runs in `page.css`.
const COLOURS: usize = 6;

/// Points of a line in the table.
const LISTED: usize = 20;

/// Lines over a horizontal axis.
pub struct Plot<'p> {
    /// A word that no other plot of the page has.
    pub id: &'p str,
    pub title: &'p str,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
    /// A point that is marked, and what it is.
    pub mark: Option<(f64, f64, String)>,
}

/// One line.
pub struct Line {
    pub name: String,
    /// The number of its colour.
    pub colour: usize,
    /// Whether it is drawn thin, in the background.
    pub is_faint: bool,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

impl Plot<'_> {
    /// The figure; nothing if no line has a point.
    pub fn figure(&self) -> Markup {
        let lines: Vec<(&Line, Vec<(f64, f64)>)> = self
            .lines
            .iter()
            .map(|line| (line, thinned(&line.points, DRAWN, &self.x)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let Some((x, y)) = self.scales(&lines) else { return html! {} };
        let (title, description) = (format!("{}-title", self.id), format!("{}-description", self.id));
        html! {
            figure.plot {
                figcaption { (self.title) }
                @if lines.len() > 1 || self.mark.is_some() {
                    ul.legend {
                        @for (line, _) in &lines {
                            li class=(class("", line)) { span class=(class("key", line)) {} (line.name) }
                        }
                        @if let Some((_, _, what)) = &self.mark { li { span.dot {} (what) } }
                    }
                }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(format!("{title} {description}")) {
                    title id=(title) { (self.title) }
                    desc id=(description) { (self.description(&lines)) }
                    (self.axes(&x, &y))
                    @for (line, points) in lines.iter().rev() {
                        path class=(class("line", line)) d=(path(points, &x, &y)) {}
                    }
                    @if let Some((across, up, _)) = &self.mark {
                        circle.mark cx=(place(x.place(*across))) cy=(place(y.place(*up))) r="5" {}
                    }
                }
                (self.table())
            }
        }
    }

    fn scales(&self, lines: &[(&Line, Vec<(f64, f64)>)]) -> Option<(Scale, Scale)> {
        let points = || lines.iter().flat_map(|(_, points)| points.iter().copied());
        let x = Scale::new(&self.x, points().map(|(across, _)| across), LEFT, WIDTH - RIGHT)?;
        let y = Scale::new(&self.y, points().map(|(_, up)| up), HEIGHT - BOTTOM, TOP)?;
        Some((x, y))
    }

    fn axes(&self, x: &Scale, y: &Scale) -> Markup {
        html! {
            g.axis {
                @for tick in y.ticks() {
                    @let at = y.place(tick);
                    path.grid d=(format!("M{LEFT} {}H{}", place(at), WIDTH - RIGHT)) {}
                    text.y x=(LEFT - 8.0) y=(place(at)) { (short(tick)) }
                }
                @for tick in x.ticks() {
                    @let at = place(x.place(tick));
                    path.tick d=(format!("M{at} {}v5", HEIGHT - BOTTOM)) {}
                    text.x x=(at) y=(HEIGHT - BOTTOM + 24.0) { (short(tick)) }
                }
                path.base d=(format!("M{LEFT} {}H{}", HEIGHT - BOTTOM, WIDTH - RIGHT)) {}
                text.name x=(f64::midpoint(LEFT, WIDTH - RIGHT)) y=(HEIGHT - 6.0) { (self.x.name) }
            }
        }
    }

    /// The plot in words.
    fn description(&self, lines: &[(&Line, Vec<(f64, f64)>)]) -> String {
        let sentence = |(line, points): &(&Line, Vec<(f64, f64)>)| {
            let (first, last) = (points.first()?, points.last()?);
            let least = points.iter().min_by(|one, other| one.1.total_cmp(&other.1))?;
            let at = |point: &(f64, f64)| format!("{} at {} {}", short(point.1), short(point.0), self.x.name);
            Some(format!("{} goes from {} to {}; the lowest is {}.", line.name, at(first), at(last), at(least)))
        };
        let mut words: Vec<String> = lines.iter().filter_map(sentence).collect();
        words.extend(self.mark.as_ref().map(|(_, _, what)| format!("Marked: {what}.")));
        words.join(" ")
    }

    fn table(&self) -> Markup {
        html! {
            details {
                summary { "The numbers" }
                div.scroll tabindex="0" role="region" aria-label=(format!("{}: the numbers", self.title)) {
                    table {
                        thead { tr { th scope="col" { "line" } th.n scope="col" { (self.x.name) } th.n scope="col" { (self.y.name) } } }
                        tbody {
                            @for line in &self.lines {
                                @for (across, up) in picked(&line.points, LISTED) {
                                    tr { td { (line.name) } td.n { (short(across)) } td.n { (format!("{up:.4}").trim_end_matches('0').trim_end_matches('.')) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The classes of something that stands for a line.
fn class(what: &str, line: &Line) -> String {
    format!("{what} run-{}{}", line.colour % COLOURS, if line.is_faint { " faint" } else { "" })
}

/// At most `most` points: the others are averaged with their neighbours, in equal steps of the axis.
fn thinned(points: &[(f64, f64)], most: usize, axis: &Axis) -> Vec<(f64, f64)> {
    let usable: Vec<(f64, f64)> = points
        .iter()
        .copied()
        .filter(|(across, up)| up.is_finite() && across.is_finite() && (!axis.is_logarithmic || *across > 0.0))
        .collect();
    let (Some(first), Some(last)) = (usable.first(), usable.last()) else { return usable };
    if usable.len() <= most {
        return usable;
    }
    let along = |across: f64| if axis.is_logarithmic { across.ln() } else { across };
    let (from, width) = (along(first.0), (along(last.0) - along(first.0)).max(f64::MIN_POSITIVE) / most as f64);
    let bin = |point: &(f64, f64)| ((along(point.0) - from) / width) as usize;
    usable
        .chunk_by(|one, other| bin(one) == bin(other))
        .map(|chunk| {
            let mean = |part: fn(&(f64, f64)) -> f64| chunk.iter().map(part).sum::<f64>() / chunk.len() as f64;
            (mean(|point| point.0), mean(|point| point.1))
        })
        .collect()
}

/// At most `most` points, evenly chosen, the first and the last among them.
fn picked(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points.to_vec();
    }
    (0..most).map(|number| points[number * (points.len() - 1) / (most - 1)]).collect()
}

fn path(points: &[(f64, f64)], x: &Scale, y: &Scale) -> String {
    let mut path = String::new();
    // What a cut axis leaves out is not drawn along its edge.
    for (number, (across, up)) in points.iter().filter(|(_, up)| y.holds(*up)).enumerate() {
        let letter = if number == 0 { "M" } else { "L" };
        path.extend([letter.into(), place(x.place(*across)), " ".into(), place(y.place(*up))]);
    }
    if points.len() == 1 {
        // A round cap makes a dot of a line without length.
        path.push_str("h0");
    }
    path
}

/// A coordinate with a digit after the point.
fn place(coordinate: f64) -> String {
    format!("{coordinate:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(points: Vec<(f64, f64)>, is_logarithmic: bool) -> String {
        let axis = |name, is_logarithmic| Axis { name, is_logarithmic, is_cut: false };
        let line = Line { name: "a <b>".into(), colour: 0, is_faint: false, points };
        Plot {
            id: "p",
            title: "Loss",
            x: axis("steps", is_logarithmic),
            y: axis("nats", false),
            lines: vec![line],
            mark: None,
        }
        .figure()
        .into_string()
    }

    #[test]
    fn a_plot_is_told_in_words_and_numbers() {
        let figure = plot(vec![(1.0, 4.0), (10.0, 2.0), (100.0, 3.0)], true);
        for part in
            ["role=\"img\"", "<title id=\"p-title\">Loss", "goes from 4 at 1 steps to 3 at 100 steps", "lowest is 2"]
        {
            assert!(figure.contains(part), "{part} in {figure}");
        }
        assert!(figure.contains("a &lt;b&gt;") && !figure.contains("<b>"), "{figure}");
        assert_eq!(figure.matches("<tr>").count(), 4, "{figure}");
    }

    #[test]
    fn one_point_many_points_none_and_points_that_are_no_numbers() {
        assert_eq!(plot(vec![], false), "");
        assert_eq!(plot(vec![(1.0, f64::NAN)], false), "");
        assert!(plot(vec![(0.0, 1.0)], true).is_empty(), "0 has no logarithm");
        assert!(plot(vec![(5.0, 1.0)], false).contains("h0"));
        let many = plot((1..100_000).map(|at| (f64::from(at), 1.0 / f64::from(at))).collect(), true);
        assert!(many.len() < 12_000, "{}", many.len());
        assert!(!many.contains("NaN") && !many.contains("inf"), "{many}");
    }
}
