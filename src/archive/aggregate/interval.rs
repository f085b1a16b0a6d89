//! How sure a share of documents is.
//!
//! The intervals say how far chance goes in the choice of documents. They know nothing of the
//! model's own mistakes, which do not become fewer with more documents.

/// Quantile of the normal distribution for 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A value with the ends of its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The value itself.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The share `count` of `all`, with Wilson's score interval (1927). `None` of nothing.
pub fn share(count: u64, all: u64) -> Option<Interval> {
    if all == 0 {
        return None;
    }
    let (n, value) = (all as f64, count as f64 / all as f64);
    let z2 = Z * Z;
    let middle = (value + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let reach = Z / (1.0 + z2 / n) * (value * (1.0 - value) / n + z2 / (4.0 * n * n)).sqrt();
    Some(Interval {
        value,
        low: if count == 0 { 0.0 } else { middle - reach },
        high: if count == all { 1.0 } else { middle + reach },
    })
}

/// The net stance: the share in favor less the share against, from −1 to 1, of `all` documents.
///
/// The interval is that of Bonett and Price (2012) for the difference of two shares of the same
/// documents: one document more on each side, then normal. `None` of nothing.
pub fn net(favor: u64, against: u64, all: u64) -> Option<Interval> {
    if all == 0 {
        return None;
    }
    let n = all as f64;
    let value = (favor as f64 - against as f64) / n;
    let (f, a) = (
        (favor as f64 + 1.0) / (n + 2.0),
        (against as f64 + 1.0) / (n + 2.0),
    );
    let (middle, spread) = (f - a, f + a);
    let reach = Z * ((spread - middle * middle) / (n + 2.0)).sqrt();
    Some(Interval {
        value,
        low: (middle - reach).max(-1.0),
        high: (middle + reach).min(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<Interval>, [value, low, high]: [f64; 3]) {
        let found = found.unwrap();
        for (a, b) in [(found.value, value), (found.low, low), (found.high, high)] {
            assert!((a - b).abs() < 5e-5, "{found:?}");
        }
    }

    #[test]
    fn shares_by_hand() {
        // Newcombe (1998), table I: 81 of 263 and 15 of 148, 0 of 20, 1 of 29.
        near(share(81, 263), [0.30798, 0.25529, 0.36621]);
        near(share(15, 148), [0.10135, 0.06239, 0.16049]);
        near(share(0, 20), [0.0, 0.0, 0.16113]);
        near(share(1, 29), [0.03448, 0.00611, 0.17177]);
        assert_eq!(share(0, 0), None);
    }

    #[test]
    fn the_net_stance_by_hand() {
        // (6 - 2) / 10; shares 7/12 and 3/12: 1/3 ± 1.959964 · sqrt((10/12 - 1/9) / 12).
        near(net(6, 2, 10), [0.4, -0.147_50, 0.814_16]);
        near(net(0, 0, 5), [0.0, -0.395_97, 0.395_97]);
        assert_eq!(net(0, 0, 0), None);
        assert!(net(3, 0, 3).unwrap().high <= 1.0);
    }
}
