//! Turning logits into probabilities that mean what they say: temperature scaling (Guo et al.
//! 2017, arXiv 1706.04599) and the thresholds below which the model does not commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stance::CLASSES;

/// Temperatures and thresholds, chosen on validation data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Stance logits are divided by this before the softmax, where `stance_languages` has nothing nearer.
    pub stance_temperature: f32,
    /// The same in texts of more than one window, where `stance_languages` has nothing nearer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stance_long_temperature: Option<f32>,
    /// Temperatures of languages (ISO 639-1), by kind, of which there were validation rows enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stance_languages: BTreeMap<String, BTreeMap<Kind, f32>>,
    /// The model abstains when the best stance is less probable than this.
    pub stance_threshold: f32,
    /// Topic logits are divided by this before the sigmoid.
    pub topic_temperature: f32,
    /// Topics below this probability are not reported.
    pub topic_threshold: f32,
}

/// What a text is to an actor, as far as the temperature depends on it: a model is surer of what is said of an
/// actor that the text names than of one that it does not, and surer than it is right of what a long text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One window, which names the actor.
    Named,
    /// One window, which never names it.
    Unnamed,
    /// More than one window.
    Long,
}

impl Kind {
    /// The kind of a text that names the actor or not and takes one window or more.
    pub const fn of(named: bool, long: bool) -> Self {
        match (long, named) {
            (true, _) => Self::Long,
            (false, true) => Self::Named,
            (false, false) => Self::Unnamed,
        }
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            stance_temperature: 1.0,
            stance_long_temperature: None,
            stance_languages: BTreeMap::new(),
            stance_threshold: 0.5,
            topic_temperature: 1.0,
            topic_threshold: 0.5,
        }
    }
}

impl Calibration {
    /// Probabilities of favor, against and neutral toward an actor of a text in a language (ISO 639-1).
    pub fn stance(&self, language: &str, kind: Kind, logits: [f32; CLASSES]) -> [f32; CLASSES] {
        let temperature = self.temperature(language, kind);
        softmax(logits.map(|x| x / temperature))
    }

    fn temperature(&self, language: &str, kind: Kind) -> f32 {
        let own = self.stance_languages.get(language);
        let own = own.and_then(|own| own.get(&kind)).copied();
        let long = self.stance_long_temperature.filter(|_| kind == Kind::Long);
        own.or(long).unwrap_or(self.stance_temperature)
    }

    /// Whether everything can be divided by the temperatures.
    pub fn is_valid(&self) -> bool {
        let own = self.stance_languages.values().flat_map(BTreeMap::values);
        own.copied()
            .chain(self.stance_long_temperature)
            .chain([self.stance_temperature, self.topic_temperature])
            .all(|temperature| temperature > 0.0 && temperature.is_finite())
    }

    /// Probability of a topic.
    pub fn topic(&self, logit: f32) -> f32 {
        1.0 / (1.0 + (-logit / self.topic_temperature).exp())
    }
}

/// Softmax of a few logits, stable for large ones.
pub fn softmax<const N: usize>(logits: [f32; N]) -> [f32; N] {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = logits.map(|x| (x - max).exp());
    let sum: f32 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// The temperature that gives the least negative log-likelihood of `labels` (class indices)
/// under `softmax(logits / T)`, by golden-section search over `ln T` in [ln 0.05, ln 20]; the
/// likelihood is convex in `1 / T`, so the minimum found is the only one. Each row counts by its
/// weight.
pub fn fit_temperature(logits: &[[f32; CLASSES]], labels: &[usize], weights: &[f64]) -> f32 {
    let loss = |log_t: f64| -> f64 {
        let t = log_t.exp() as f32;
        logits
            .iter()
            .zip(labels)
            .zip(weights)
            .map(|((l, &y), w)| -w * f64::from(softmax(l.map(|x| x / t))[y].max(1e-12)).ln())
            .sum()
    };
    golden_section(loss, 0.05f64.ln(), 20f64.ln()).exp() as f32
}

/// The temperature of a sigmoid head: as [`fit_temperature`], for `(logit, label)` pairs.
pub fn fit_sigmoid_temperature(pairs: &[(f32, bool)]) -> f32 {
    let loss = |log_t: f64| -> f64 {
        let t = log_t.exp();
        pairs
            .iter()
            .map(|&(logit, label)| {
                let z = f64::from(logit) / t * if label { -1.0 } else { 1.0 };
                // ln(1 + e^z), stable for large z
                z.max(0.0) + (-z.abs()).exp().ln_1p()
            })
            .sum()
    };
    golden_section(loss, 0.05f64.ln(), 20f64.ln()).exp() as f32
}

fn golden_section(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut fa, mut fb) = (f(a), f(b));
    while high - low > 1e-4 {
        if fa < fb {
            (high, b, fb) = (b, a, fa);
            a = high - ratio * (high - low);
            fa = f(a);
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + ratio * (high - low);
            fb = f(b);
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::{Calibration, Kind, fit_sigmoid_temperature, fit_temperature, softmax};

    #[test]
    fn the_nearest_temperature_counts() {
        let mut calibration = Calibration {
            stance_temperature: 2.0,
            ..Calibration::default()
        };
        let own = calibration.stance_languages.entry("ar".to_owned());
        own.or_default().insert(Kind::Named, 4.0);
        let check = |calibration: &Calibration, language, kind, expected: f32| {
            let found = calibration.temperature(language, kind);
            let near = (found - expected).abs() < 1e-6;
            assert!(near, "{language} {kind:?}: {found}");
        };
        check(&calibration, "ar", Kind::Named, 4.0);
        check(&calibration, "ar", Kind::Unnamed, 2.0);
        check(&calibration, "ru", Kind::Named, 2.0);
        // Of a long text one window's temperature says nothing.
        check(&calibration, "ar", Kind::Long, 2.0);
        let mut long = calibration.clone();
        long.stance_long_temperature = Some(3.0);
        check(&long, "ar", Kind::Long, 3.0);
        check(&long, "ar", Kind::Named, 4.0);
        let own = long.stance_languages.entry("ar".to_owned());
        own.or_default().insert(Kind::Long, 5.0);
        check(&long, "ar", Kind::Long, 5.0);
        check(&long, "ru", Kind::Long, 3.0);
        assert!(calibration.is_valid());
        let text = serde_json::to_string(&calibration).unwrap();
        assert!(
            text.contains(r#""stance_languages":{"ar":{"named":4.0}}"#),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<Calibration>(&text).unwrap(),
            calibration
        );
        let bad = calibration.stance_languages.entry("ru".to_owned());
        bad.or_default().insert(Kind::Unnamed, 0.0);
        assert!(!calibration.is_valid());
    }

    #[test]
    fn a_kind_is_of_the_length_first() {
        assert_eq!(Kind::of(true, false), Kind::Named);
        assert_eq!(Kind::of(false, false), Kind::Unnamed);
        assert_eq!(Kind::of(true, true), Kind::Long);
        assert_eq!(Kind::of(false, true), Kind::Long);
    }

    #[test]
    fn softmax_is_stable() {
        let p = softmax([1000.0, 1000.0, -1000.0]);
        assert!((p[0] - 0.5).abs() < 1e-6 && p[2] < 1e-6);
    }

    #[test]
    fn temperature_of_overconfident_logits_is_found() {
        // Right in 75 of 100, but with logits that claim over 99 %: the margin that states 75 %
        // with two other classes is ln(0.75 / 0.125), so T = 8 / ln 6.
        let logits = vec![[8.0, 0.0, 0.0]; 100];
        let labels: Vec<usize> = (0..100)
            .map(|i| if i % 4 != 0 { 0 } else { 1 + i / 4 % 2 })
            .collect();
        let t = fit_temperature(&logits, &labels, &[1.0; 100]);
        assert!((t - 8.0 / 6f32.ln()).abs() < 0.1, "{t}");
        // Where only the right ones count, no confidence is too great.
        let right: Vec<f64> = labels
            .iter()
            .map(|&y| f64::from(u8::from(y == 0)))
            .collect();
        assert!(fit_temperature(&logits, &labels, &right) < 1.0);
    }

    #[test]
    fn sigmoid_temperature_is_found() {
        let pairs: Vec<(f32, bool)> = (0..100).map(|i| (6.0, i % 5 != 0)).collect();
        let t = fit_sigmoid_temperature(&pairs);
        assert!((t - 6.0 / 4f32.ln()).abs() < 0.1, "{t}");
    }
}
