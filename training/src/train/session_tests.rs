use candle_core::{Device, Tensor};
use rand::Rng;

use super::{Pace, Report, Session, Stage};
use crate::train::generator;
use crate::train::optim::{AdamW, AdamWConfig};
use crate::train::params::Params;

/// Draws three weights to a target that changes with the step; is killed at `dies`.
struct Toy {
    dies: Option<u64>,
}

impl Stage for Toy {
    fn terms(&self) -> &'static [&'static str] {
        &["loss"]
    }

    fn step(
        &self,
        step: u64,
        params: &Params,
        optimiser: &mut AdamW,
    ) -> candle_core::Result<Report> {
        if self.dies == Some(step) {
            candle_core::bail!("killed");
        }
        let target: [f32; 3] = generator(7, &[&step.to_le_bytes()]).random();
        let target = Tensor::new(&target, &Device::Cpu)?;
        let loss = (params.get("w").unwrap() - target)?.sqr()?.sum_all()?;
        optimiser.step(params, &loss.backward()?, |_| 0.2)?;
        Ok(Report {
            values: vec![f64::from(loss.to_scalar::<f32>()?)],
            tokens: 10,
        })
    }

    fn validate(&self, params: &Params) -> candle_core::Result<Vec<(String, f64)>> {
        let sum = params.get("w").unwrap().sum_all()?.to_scalar::<f32>()?;
        Ok(vec![("sum".into(), f64::from(sum))])
    }
}

const OPTIMISER: AdamWConfig = AdamWConfig {
    beta1: 0.9,
    beta2: 0.98,
    eps: 1e-6,
    weight_decay: 0.01,
    clip_norm: 1.0,
};

/// Runs until the end or until the stage dies; the weights that are used then.
fn run(folder: &std::path::Path, dies: Option<u64>, seconds: u64) -> Result<Vec<f32>, String> {
    let pace = Pace {
        steps: 60,
        stop: None,
        report_every: 7,
        validate_every: 20,
        checkpoint_seconds: seconds,
        average_from: Some(0.5),
    };
    let begin = || {
        let mut params = Params::new(&Device::Cpu);
        params.insert("w", &Tensor::new(&[1f32, -1.0, 0.5], &Device::Cpu)?)?;
        Ok(params)
    };
    let mut session = Session::open(folder, pace, OPTIMISER, "data".into(), &Device::Cpu, begin)
        .map_err(|e| e.to_string())?;
    let done = session
        .run(&Toy { dies }, None)
        .map_err(|e| e.to_string())?;
    assert!(done);
    Ok(session.weights().get("w").unwrap().to_vec1().unwrap())
}

#[test]
fn a_run_that_is_killed_ends_with_the_same_weights() {
    let whole = tempfile::tempdir().unwrap();
    let expected = run(whole.path(), None, 1000).unwrap();
    let broken = tempfile::tempdir().unwrap();
    // A checkpoint after every step; killed before the mean begins, within it, and twice at once.
    for dies in [3, 29, 44, 44, 59] {
        run(broken.path(), Some(dies), 0).unwrap_err();
    }
    assert_eq!(run(broken.path(), None, 0).unwrap(), expected);
    // Without a checkpoint it begins anew.
    let late = tempfile::tempdir().unwrap();
    run(late.path(), Some(40), 1000).unwrap_err();
    assert_eq!(run(late.path(), None, 1000).unwrap(), expected);
    // The journals say the same of every step, but for the speed.
    let steps = |folder: &std::path::Path| -> Vec<String> {
        let text = std::fs::read_to_string(folder.join("journal.jsonl")).unwrap();
        let lines = text.lines().map(|line| {
            let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object_mut().unwrap().remove("tokens_per_second");
            // Sums since the last report do not outlive a kill.
            line.as_object_mut().unwrap().remove("loss");
            line.to_string()
        });
        lines.collect()
    };
    assert_eq!(steps(broken.path()), steps(whole.path()));
    assert!(whole.path().join("curves.svg").exists());
}

#[test]
fn the_mean_is_over_the_last_part() {
    let folder = tempfile::tempdir().unwrap();
    let mean = run(folder.path(), None, 1000).unwrap();
    let last = Params::load(
        &folder.path().join("checkpoint/weights.safetensors"),
        &Device::Cpu,
    )
    .unwrap();
    let last: Vec<f32> = last.get("w").unwrap().to_vec1().unwrap();
    assert_ne!(mean, last);
    // Targets are uniform in [0, 1): their mean is nearer than the last step's weights.
    let far = |w: &[f32]| w.iter().map(|x| (x - 0.5).abs()).sum::<f32>();
    assert!(far(&mean) < far(&last), "{mean:?} {last:?}");
}

#[test]
fn a_checkpoint_of_other_data_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), None, 1000).unwrap();
    let pace = Pace {
        steps: 60,
        stop: None,
        report_every: 7,
        validate_every: 20,
        checkpoint_seconds: 1000,
        average_from: None,
    };
    let begin = || Ok(Params::new(&Device::Cpu));
    let error = Session::open(
        folder.path(),
        pace,
        OPTIMISER,
        "other".into(),
        &Device::Cpu,
        begin,
    )
    .err();
    assert!(error.unwrap().to_string().contains("other data"));
}
