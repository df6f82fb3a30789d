//! Figures, as a table for people and as JSON for comparing.

use std::time::Duration;

use serde_json::{Value, json};

/// One thing that was measured, one value for each time.
pub struct Figure {
    what: String,
    unit: &'static str,
    values: Vec<f64>,
    /// What the same machine gives at the least, in the same run: one value for each of `values`, or one for all.
    floor: Option<(&'static str, Vec<f64>)>,
    aim: Option<Aim>,
}

#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    TimesFloor(f64),
}

impl Figure {
    pub fn new(what: impl Into<String>, unit: &'static str, values: Vec<f64>) -> Figure {
        Figure { what: what.into(), unit, values, floor: None, aim: None }
    }

    /// Times, in milliseconds.
    pub fn times(what: impl Into<String>, times: &[Duration]) -> Figure {
        Figure::new(what, "ms", times.iter().copied().map(ms).collect())
    }

    pub fn over(mut self, name: &'static str, floor: &[Duration]) -> Figure {
        self.floor = Some((name, floor.iter().copied().map(ms).collect()));
        self
    }

    pub fn over_values(mut self, name: &'static str, floor: Vec<f64>) -> Figure {
        self.floor = Some((name, floor));
        self
    }

    pub fn at_most(mut self, aim: f64) -> Figure {
        self.aim = Some(Aim::AtMost(aim));
        self
    }

    pub fn at_most_times_floor(mut self, aim: f64) -> Figure {
        self.aim = Some(Aim::TimesFloor(aim));
        self
    }

    /// The median of the ratios, pair by pair, and their quartiles.
    fn ratio(&self) -> Option<[f64; 3]> {
        let (_, floor) = self.floor.as_ref()?;
        let ratios: Vec<f64> = self.values.iter().zip(floor).map(|(value, floor)| value / floor).collect();
        Some([0.25, 0.5, 0.75].map(|q| quantile(&ratios, q)))
    }

    fn aim(&self) -> String {
        let (met, words) = match (self.aim, self.ratio()) {
            (Some(Aim::AtMost(aim)), _) => (quantile(&self.values, 0.5) <= aim, format!("≤ {aim}")),
            (Some(Aim::TimesFloor(aim)), Some([_, ratio, _])) => (ratio <= aim, format!("≤ {aim} ×")),
            _ => return String::new(),
        };
        format!("{words} {}", if met { "✓" } else { "missed" })
    }

    fn cells(&self) -> [String; 8] {
        let at = |q: f64| short(quantile(&self.values, q));
        let many = self.values.len() > 1;
        let spread = if many { format!("{} – {} – {}", at(0.25), at(0.75), at(1.0)) } else { String::new() };
        let (floor, name) = match &self.floor {
            Some((name, values)) => (short(quantile(values, 0.5)), (*name).to_owned()),
            None => Default::default(),
        };
        let ratio = self.ratio().map_or(String::new(), |[_, ratio, _]| format!("{ratio:.2}"));
        let value = format!("{} {}", at(0.5), self.unit).trim_end().to_owned();
        [self.what.clone(), self.values.len().to_string(), value, spread, ratio, floor, name, self.aim()]
    }

    fn json(&self) -> Value {
        let spread = |values: &[f64]| {
            let at = |q| quantile(values, q);
            json!({"min": at(0.0), "q1": at(0.25), "median": at(0.5), "q3": at(0.75), "p99": at(0.99), "max": at(1.0)})
        };
        let floor = self.floor.as_ref().map(|(name, values)| json!({"name": name, "values": spread(values)}));
        json!({
            "what": self.what, "unit": self.unit, "n": self.values.len(), "values": spread(&self.values),
            "floor": floor, "ratio": self.ratio().map(|[q1, median, q3]| json!({"q1": q1, "median": median, "q3": q3})),
            "aim": self.aim(),
        })
    }
}

pub fn json(figures: &[Figure]) -> Value {
    json!({"figures": figures.iter().map(Figure::json).collect::<Vec<_>>()})
}

/// Columns as wide as they need to be.
pub fn table(figures: &[Figure]) -> String {
    let head = ["", "n", "median", "q1 – q3 – max", "× floor", "floor", "which is", "aim"].map(str::to_owned);
    let rows: Vec<[String; 8]> = [head].into_iter().chain(figures.iter().map(Figure::cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 6 | 7 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.2}"),
    }
}

/// Between the two nearest values.
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = q * (sorted.len().saturating_sub(1)) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}
