//! Kubernetes quantities as numbers, in billionths so that `100m` is one.
//!
//! The format: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::fmt;

const BILLION: i128 = 1_000_000_000;

/// A quantity in billionths; nothing where it is none, or beyond all bounds.
pub(crate) fn billionths(text: &str) -> Option<i128> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let whole = whole.trim_start_matches(['+', '-']);
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !plain(whole) || !plain(fraction) {
        return None;
    }
    let value: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let value = value.checked_mul(factor(suffix)?)?.checked_div(scale)?;
    Some(if negative { -value } else { value })
}

/// What a suffix multiplies by, in billionths.
fn factor(suffix: &str) -> Option<i128> {
    let binary = |power: u32| Some((1_i128 << (10 * power)) * BILLION);
    let decimal = |power: i32| match u32::try_from(power + 9) {
        Ok(power) => 10_i128.checked_pow(power),
        Err(_) => None,
    };
    match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => decimal(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

/// A quantity that was read: its value, and its text as somebody wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    text: String,
    billionths: i128,
}

impl Amount {
    /// Reads a quantity. What is none counts as 0: the definition and the API server
    /// refuse it themselves, and say why.
    pub(crate) fn of(quantity: &Quantity) -> Self {
        Self {
            text: quantity.0.clone(),
            billionths: billionths(&quantity.0).unwrap_or(0),
        }
    }

    /// Its value in billionths.
    pub(crate) fn value(&self) -> i128 {
        self.billionths
    }

    /// Its value as a whole number that is not negative, rounded up.
    pub(crate) fn whole(&self) -> i64 {
        let billionths = self.billionths.max(0);
        i64::try_from((billionths + BILLION - 1) / BILLION).unwrap_or(i64::MAX)
    }

    /// As it was written.
    pub(crate) fn quantity(&self) -> Quantity {
        Quantity(self.text.clone())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        for (text, wanted) in [
            ("1", 1),
            ("128Mi", 128 << 20),
            ("1.5Gi", 3 << 29),
            ("10G", 10_000_000_000),
            ("1e3", 1000),
            ("2E2", 200),
            ("0.1Ki", 103),
            ("100m", 1),
            ("5E", 5_000_000_000_000_000_000),
            ("+7k", 7000),
            ("-7k", 0),
        ] {
            let amount = Amount::of(&Quantity(text.to_owned()));
            assert_eq!(amount.whole(), wanted, "{text}");
            assert_eq!(amount.to_string(), text);
        }
        assert_eq!(billionths("1024Mi"), billionths("1Gi"));
        assert_eq!(billionths("0.5"), billionths("500m"));
        for bad in [
            "",
            "Gi",
            "1.2.3",
            "1Zi",
            "1-2",
            "99999999999999999999999Ei",
            "1e99",
        ] {
            assert_eq!(billionths(bad), None, "{bad}");
        }
    }
}
