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
    /// Temperatures of languages (ISO 639-1) of which there were validation rows enough.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stance_languages: BTreeMap<String, LanguageTemperatures>,
    /// The model abstains when the best stance is less probable than this.
    pub stance_threshold: f32,
    /// Topic logits are divided by this before the sigmoid.
    pub topic_temperature: f32,
    /// Topics below this probability are not reported.
    pub topic_threshold: f32,
}

/// Temperatures of the stance in texts of a language: a model is surer of what is said of an actor that the
/// text names than of one that it does not, and surer than it is right of what a long text says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageTemperatures {
    /// Of actors that a text of one window names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<f32>,
    /// Of actors that it never names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnamed: Option<f32>,
    /// Of actors of texts of more than one window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<f32>,
}

/// What is asked of a stance that its temperature depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// ISO 639-1 code of the text's language.
    pub language: &'a str,
    /// The text names the actor.
    pub named: bool,
    /// The text takes more than one window.
    pub long: bool,
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
    /// Probabilities of favor, against and neutral.
    pub fn stance(&self, asked: Asked, logits: [f32; CLASSES]) -> [f32; CLASSES] {
        let temperature = self.temperature(asked);
        softmax(logits.map(|x| x / temperature))
    }

    fn temperature(&self, asked: Asked) -> f32 {
        let own = self.stance_languages.get(asked.language);
        let own = own.copied().unwrap_or_default();
        let nearest = if asked.long {
            own.long.or(self.stance_long_temperature)
        } else if asked.named {
            own.named
        } else {
            own.unnamed
        };
        nearest.unwrap_or(self.stance_temperature)
    }

    /// Whether everything can be divided by the temperatures.
    pub fn is_valid(&self) -> bool {
        let own = self.stance_languages.values();
        let own = own.flat_map(|own| [own.named, own.unnamed, own.long]);
        own.chain([self.stance_long_temperature])
            .flatten()
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
    use super::{
        Asked, Calibration, LanguageTemperatures, fit_sigmoid_temperature, fit_temperature, softmax,
    };

    #[test]
    fn the_nearest_temperature_counts() {
        let mut calibration = Calibration {
            stance_temperature: 2.0,
            ..Calibration::default()
        };
        let own = LanguageTemperatures {
            named: Some(4.0),
            ..LanguageTemperatures::default()
        };
        calibration.stance_languages.insert("ar".to_owned(), own);
        let check = |calibration: &Calibration, language, named, long, expected: f32| {
            let found = calibration.temperature(Asked {
                language,
                named,
                long,
            });
            assert!(
                (found - expected).abs() < 1e-6,
                "{language} {named} {long}: {found}"
            );
        };
        check(&calibration, "ar", true, false, 4.0);
        check(&calibration, "ar", false, false, 2.0);
        check(&calibration, "ru", true, false, 2.0);
        // Of a long text one window's temperature says nothing.
        check(&calibration, "ar", true, true, 2.0);
        let mut long = calibration.clone();
        long.stance_long_temperature = Some(3.0);
        check(&long, "ar", true, true, 3.0);
        check(&long, "ar", true, false, 4.0);
        if let Some(own) = long.stance_languages.get_mut("ar") {
            own.long = Some(5.0);
        }
        check(&long, "ar", false, true, 5.0);
        check(&long, "ru", false, true, 3.0);
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
        let bad = LanguageTemperatures {
            unnamed: Some(0.0),
            ..LanguageTemperatures::default()
        };
        calibration.stance_languages.insert("ru".to_owned(), bad);
        assert!(!calibration.is_valid());
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
