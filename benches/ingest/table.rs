//! What was measured, in groups whose first row is what the others are compared with until the next bare one.

/// One measurement.
#[derive(Clone, Copy)]
pub struct Rate {
    pub items: f64,
    pub seconds: f64,
    /// Of the process that takes the items.
    pub cpu_seconds: f64,
}

#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

struct Row {
    group: &'static str,
    name: &'static str,
    unit: &'static str,
    rates: Vec<Rate>,
}

impl Table {
    /// One round's measurement; rows stand in the order in which they first came.
    pub fn add(&mut self, group: &'static str, name: &'static str, unit: &'static str, rate: Rate) {
        match self.rows.iter_mut().find(|row| row.group == group && row.name == name) {
            Some(row) => row.rates.push(rate),
            None => self.rows.push(Row { group, name, unit, rates: vec![rate] }),
        }
    }

    /// Medians of the rounds, and ratios of medians.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut reference: Option<&Row> = None;
        for row in &self.rows {
            if reference.is_none_or(|reference| reference.group != row.group) {
                text += &format!("\n{}, medians of {} rounds\n", row.group, row.rates.len());
                let heads = ["", "a second", "rate", "CPU us each", "CPU"];
                text +=
                    &format!("{:<20} {:>12} {:>8} {:>14} {:>8}\n", heads[0], heads[1], heads[2], heads[3], heads[4]);
                reference = None;
            }
            if reference.is_none() || row.is_reference() {
                reference = Some(row);
            }
            let (rate, cpu) = (row.rate(), row.cpu_micros());
            let of = reference.unwrap_or(row);
            let (rate_ratio, cpu_ratio) = (100.0 * rate / of.rate(), cpu / of.cpu_micros());
            text += &format!("{:<20} {rate:>12.0} {rate_ratio:>7.1}% {cpu:>14.2} {cpu_ratio:>7.2}x\n", row.name);
        }
        text
    }

    /// An array of objects: group, name, unit, per_second (lowest, median, highest of the rounds), cpu_us (the same).
    pub fn json(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(Row::json).collect();
        format!("[\n{}\n]\n", rows.join(",\n"))
    }
}

impl Row {
    fn is_reference(&self) -> bool {
        self.name.starts_with("bare")
    }

    fn rate(&self) -> f64 {
        spread(&self.rates, |rate| rate.items / rate.seconds)[1]
    }

    fn cpu_micros(&self) -> f64 {
        spread(&self.rates, |rate| rate.cpu_seconds * 1e6 / rate.items)[1]
    }

    fn json(&self) -> String {
        let Row { group, name, unit, rates } = self;
        let [low, mid, high] = spread(rates, |rate| rate.items / rate.seconds);
        let [cpu_low, cpu_mid, cpu_high] = spread(rates, |rate| rate.cpu_seconds * 1e6 / rate.items);
        format!(
            r#"  {{"group":"{group}","name":"{name}","unit":"{unit}","per_second":[{low:.0},{mid:.0},{high:.0}],"cpu_us":[{cpu_low:.3},{cpu_mid:.3},{cpu_high:.3}]}}"#
        )
    }
}

/// Lowest, median and highest.
fn spread(rates: &[Rate], of: impl Fn(&Rate) -> f64) -> [f64; 3] {
    let mut values: Vec<f64> = rates.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
