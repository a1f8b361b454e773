//! Times and numbers as people say them.

/// `in about 5 min`: rounded so that it stays true for a while.
pub(super) fn in_about(seconds: u64) -> String {
    match seconds {
        0..=59 => "in less than a minute".to_owned(),
        60..=599 => format!("in about {} min", (seconds + 30) / 60),
        600..=3599 => format!("in about {} min", (seconds + 150) / 300 * 5),
        3600..=86_399 => format!("in about {} h", (seconds + 1800) / 3600),
        _ => format!("in about {} days", (seconds + 43_200) / 86_400),
    }
}

/// `1 file`, `2 files`: of a thing whose plural takes an s.
pub(super) fn plural(number: u64, thing: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{s}")
}

/// The same of a count.
pub(super) fn plural_of(number: usize, thing: &str) -> String {
    plural(u64::try_from(number).unwrap_or(u64::MAX), thing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_things() {
        let all = [0, 1, 2].map(|number| plural(number, "volume"));
        assert_eq!(all, ["0 volumes", "1 volume", "2 volumes"]);
    }

    #[test]
    fn ends_are_rounded() {
        for (seconds, wanted) in [
            (3, "in less than a minute"),
            (89, "in about 1 min"),
            (300, "in about 5 min"),
            (1300, "in about 20 min"),
            (7000, "in about 2 h"),
            (200_000, "in about 2 days"),
        ] {
            assert_eq!(in_about(seconds), wanted);
        }
    }
}
