//! Numbers as people read them.

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with about three significant digits, without zeros that say nothing: `1,234`, `12.5`, `0.003`, `2e-5`.
pub fn short(number: f64) -> String {
    let size = number.abs();
    match size {
        _ if !number.is_finite() => "-".into(),
        0.0 => "0".into(),
        1000.0.. => {
            let sign = if number < 0.0 { "\u{2212}" } else { "" };
            format!("{sign}{}", thousands(size.round() as u64))
        }
        0.001..1000.0 => {
            let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
            let text = format!("{number:.digits$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
        }
        _ => format!("{number:.0e}"),
    }
}

/// `0.1234` as `12.3 %`; what is not nothing does not read as nothing.
pub fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent > 0.0 && percent < 0.05 => "< 0.1 %".into(),
        percent => format!("{percent:.1} %"),
    }
}

/// `12.3 s`, `4 min 05 s` or `2 h 07 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (1_234_567.2, "1,234,567"),
            (999.4, "999"),
            (12.5, "12.5"),
            (1.0, "1"),
            (0.003, "0.003"),
            (0.00123, "0.00123"),
            (2e-5, "2e-5"),
            (-0.5, "-0.5"),
            (f64::NAN, "-"),
        ];
        for (number, text) in cases {
            assert_eq!(short(number), text);
        }
        assert_eq!(
            (percent(0.1234), percent(0.0001), percent(0.0)),
            ("12.3 %".into(), "< 0.1 %".into(), "0.0 %".into())
        );
    }
}
