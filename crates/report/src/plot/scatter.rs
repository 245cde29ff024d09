//! Saturation plots, as figure 3 of Karpathy, Johnson and Fei-Fei, "Visualizing and Understanding Recurrent Networks" (2015),
//! has them: a dot for each cell, across how often its gate is nearly open, up how often it is nearly shut.

use analysis::GateShare;
use maud::{Markup, html};

use super::place;
use crate::numbers::percent;

const SIZE: f64 = 240.0;
const EDGE: f64 = 40.0;

/// A cell is called saturated in the summary if its gate is nearly open, or nearly shut, this share of the time.
const OFTEN: f32 = 0.9;

/// The gates of one kind in one layer.
pub fn saturation(id: &str, title: &str, gates: &[GateShare]) -> Markup {
    let (inner, far) = (SIZE - EDGE - 10.0, SIZE - EDGE);
    let across = |share: f32| EDGE + f64::from(share) * inner;
    let up = |share: f32| far - f64::from(share) * inner;
    let mean = |of: fn(&GateShare) -> f32| {
        let sum: f32 = gates.iter().map(of).sum();
        f64::from(sum) / gates.len().max(1) as f64
    };
    let count = |of: fn(&GateShare) -> f32| gates.iter().filter(|gate| of(gate) > OFTEN).count();
    let (open, shut) = (mean(|gate| gate.open), mean(|gate| gate.shut));
    let (always_open, always_shut) = (count(|gate| gate.open), count(|gate| gate.shut));
    let words = format!(
        "{} cells. Nearly open {} of the time on average, nearly shut {}. {always_open} are nearly open more than 90 % of \
         the time, {always_shut} nearly shut.",
        gates.len(),
        percent(open),
        percent(shut)
    );
    let (title_id, description_id) = (format!("{id}-title"), format!("{id}-description"));
    html! {
        figure.plot.gate {
            figcaption { (title) }
            svg viewBox=(format!("0 0 {SIZE} {SIZE}")) role="img" aria-labelledby=(format!("{title_id} {description_id}")) {
                title id=(title_id) { (title) }
                desc id=(description_id) { (words) }
                g.axis {
                    path.base d=(format!("M{EDGE} 10V{far}H{}", SIZE - 10.0)) {}
                    path.grid d=(format!("M{EDGE} 10L{} {far}", SIZE - 10.0)) {}
                    text.x x=(EDGE) y=(far + 18.0) { "0" }
                    text.x x=(SIZE - 12.0) y=(far + 18.0) { "1" }
                    text.y x=(EDGE - 6.0) y=(far) { "0" }
                    text.y x=(EDGE - 6.0) y="14" { "1" }
                    text.name x=(EDGE + inner / 2.0) y=(SIZE - 6.0) { "share of time open" }
                    text.name transform=(format!("rotate(-90 12 {0})translate(12 {0})", 10.0 + inner / 2.0)) { "shut" }
                }
                g.dots {
                    @for gate in gates { circle cx=(place(across(gate.open))) cy=(place(up(gate.shut))) r="2.5" {} }
                }
            }
            p.words { (words) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_a_dot() {
        let gates = [GateShare { shut: 0.0, open: 0.95 }, GateShare { shut: 0.5, open: 0.25 }];
        let figure = saturation("g", "Input gates", &gates).into_string();
        assert_eq!(figure.matches("<circle").count(), 2);
        assert!(
            figure.contains("Nearly open 60.0 % of the time on average, nearly shut 25.0 %. 1 are nearly open"),
            "{figure}"
        );
    }
}
