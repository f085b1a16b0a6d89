//! `stance doctor`: whether this machine runs the model as it was made.

mod machine;

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::config::SourceArgs;
use crate::encoder::EncoderError;
use crate::encoder::device::device_name;
use crate::encoder::dtype::DtypeChoice;
use crate::encoder::files::ModelFiles;
use crate::encoder::hub::HubOptions;
use crate::error::ErrorCode;
use crate::model::{self, FileEntry, ModelFolder};
use crate::predict::{Outcome, PredictError, Predictor, SELF_TEST_FILE, SelfTest};
use crate::prediction::ModelInfo;

use super::args::DoctorArgs;
use super::exit::{Exit, Failure};
use machine::{Cpu, DeviceReport, Memory};

/// Version of the report's layout.
const SCHEMA: u32 = 1;

/// What was found. `docs/doctor.md` explains every field.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    version: &'static str,
    ok: bool,
    checks: Vec<Check>,
    cpu: Cpu,
    memory: Option<Memory>,
    devices: Vec<DeviceReport>,
    model: ModelReport,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    code: Option<&'static str>,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Pass,
    Fail,
    Skip,
}

#[derive(Debug, Default, Serialize)]
struct ModelReport {
    asked: String,
    location: Option<String>,
    info: Option<ModelInfo>,
    files: Vec<FileReport>,
    encoder: Option<EncoderReport>,
    dtype: Option<DtypeReport>,
    self_test: Option<Outcome>,
}

#[derive(Debug, Serialize)]
struct FileReport {
    name: String,
    bytes: u64,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct EncoderReport {
    architecture: String,
    hidden: usize,
    layers: usize,
    max_tokens: usize,
    vocab: usize,
    device: String,
}

/// What the encoder multiplies in.
#[derive(Debug, Serialize)]
struct DtypeReport {
    asked: String,
    precision: &'static str,
    reason: String,
}

impl Check {
    fn pass(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            name,
            status: Status::Pass,
            code: None,
            message: message.into(),
        }
    }

    fn skip(name: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: Status::Skip,
            ..Self::pass(name, message)
        }
    }

    fn fail(name: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: Status::Fail,
            code: Some(code),
            ..Self::pass(name, message)
        }
    }

    fn error(name: &'static str, error: &impl ErrorCode) -> Self {
        Self::fail(name, error.code(), error.to_string())
    }
}

/// Runs the command.
pub(super) fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    if args.write_self_test {
        return write_self_test(args);
    }
    let mut checks = Vec::new();
    let mut report = ModelReport {
        asked: args.model.model.clone(),
        ..ModelReport::default()
    };
    examine(args, &mut report, &mut checks);
    let report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        ok: checks.iter().all(|check| check.status != Status::Fail),
        checks,
        cpu: Cpu::here(),
        // After the model was loaded and asked, so that what it takes is seen.
        memory: Memory::here(),
        devices: DeviceReport::all(),
        model: report,
    };
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        print(&report, &mut out)?;
    }
    Ok(if report.ok {
        Exit::Success
    } else {
        Exit::Failure
    })
}

/// Opens, checks, loads and asks the model, as far as that goes.
fn examine(args: &DoctorArgs, report: &mut ModelReport, checks: &mut Vec<Check>) {
    let device = match args.model.source.device.open() {
        Ok(device) => {
            checks.push(Check::pass("device", device_name(&device)));
            Some(device)
        }
        Err(error) => {
            checks.push(Check::error("device", &error));
            None
        }
    };
    let mut hub = HubOptions::from_env();
    hub.offline |= args.model.source.offline;
    // Opening checks a folder; what is inside the program is checked here only.
    let opened =
        model::open(&args.model.model, &hub).and_then(|folder| folder.verify().map(|()| folder));
    let folder = match opened {
        Ok(folder) => folder,
        Err(error) => return checks.push(Check::error("model_files", &error)),
    };
    let manifest = folder.manifest();
    let count = manifest.files.len();
    let message = format!("{count} files have the size and the SHA-256 of the manifest");
    checks.push(Check::pass("model_files", message));
    report.location = Some(folder.location());
    report.files = manifest.files.iter().map(FileReport::from).collect();
    let info = ModelInfo {
        name: manifest.info.name.clone(),
        version: manifest.info.version.clone(),
        sha256: folder.sha256().to_owned(),
    };
    report.info = Some(info.clone());
    let registry = match args.model.source.registry() {
        Ok(registry) => registry,
        Err(error) => return checks.push(Check::error("actors", &error)),
    };
    checks.push(Check::pass(
        "actors",
        format!("{} actors", registry.iter().count()),
    ));
    let Some(device) = device else {
        return;
    };
    let asked = args.model.source.dtype;
    let loaded = Predictor::from_files_as(&folder, &device, asked, info, registry);
    let predictor = match loaded {
        Ok(predictor) => predictor,
        Err(error) => return checks.push(Check::error("model_loads", &error)),
    };
    let encoder = predictor.encoder().info();
    report.encoder = Some(EncoderReport {
        architecture: encoder.architecture.clone(),
        hidden: encoder.hidden,
        layers: encoder.layers,
        max_tokens: encoder.max_tokens,
        vocab: encoder.vocab,
        device: device_name(&encoder.device),
    });
    let dtype = predictor.dtype();
    report.dtype = Some(DtypeReport {
        asked: asked.to_string(),
        precision: dtype.precision.name(),
        reason: dtype.reason.clone(),
    });
    checks.push(Check::pass("model_loads", "tokenizer, encoder and heads"));
    let (check, outcome) = self_test(&folder, &predictor);
    checks.push(check);
    report.self_test = outcome;
}

fn self_test(folder: &ModelFolder, predictor: &Predictor) -> (Check, Option<Outcome>) {
    const NAME: &str = "self_test";
    if !folder.manifest().files.contains_key(SELF_TEST_FILE) {
        let message = format!("the model has no {SELF_TEST_FILE}");
        return (Check::skip(NAME, message), None);
    }
    let test = match folder.file(SELF_TEST_FILE) {
        Ok(bytes) => SelfTest::from_json(&bytes),
        Err(error) => return (Check::error(NAME, &error), None),
    };
    let outcome = match test {
        Ok(test) => test.run(predictor),
        Err(message) => {
            let message = format!("{SELF_TEST_FILE}: {message}");
            return (Check::fail(NAME, "invalid_self_test", message), None);
        }
    };
    match outcome {
        Err(error) => (Check::error(NAME, &error), None),
        Ok(outcome) => {
            let message = format!(
                "cosine {:.6} of at least {}, probabilities off by {:.6} of at most {}",
                outcome.cosine,
                outcome.tolerance.cosine,
                outcome.probability,
                outcome.tolerance.probability
            );
            let check = if outcome.passed() {
                Check::pass(NAME, message)
            } else {
                Check::fail(NAME, "self_test_failed", message)
            };
            (check, Some(outcome))
        }
    }
}

/// Stores what the model in a folder answers here in f32, and how far off it is in fewer bits, and
/// lists the file in its manifest.
fn write_self_test(args: &DoctorArgs) -> Result<Exit, Failure> {
    let path = Path::new(&args.model.model);
    if !path.is_dir() {
        let message = "--write-self-test needs a folder as --model";
        return Err(Failure::usage(message));
    }
    let folder = ModelFolder::open(path).map_err(|error| Failure::from_error(&error))?;
    let test = self_test_of(args).map_err(|error| Failure::from_error(&error))?;
    let mut json = serde_json::to_vec(&test).map_err(io::Error::from)?;
    json.push(b'\n');
    std::fs::write(path.join(SELF_TEST_FILE), json)?;
    let mut files: Vec<&str> = folder.manifest().files.keys().map(String::as_str).collect();
    if !files.contains(&SELF_TEST_FILE) {
        files.push(SELF_TEST_FILE);
    }
    model::write_manifest(path, folder.manifest().info.clone(), &files)
        .map_err(|error| Failure::from_error(&error))?;
    Ok(Exit::Success)
}

/// What the model answers on the device asked for. One predictor is in memory at a time.
fn self_test_of(args: &DoctorArgs) -> Result<SelfTest, PredictError> {
    let load = |dtype| -> Result<Predictor, PredictError> {
        let source = SourceArgs {
            dtype,
            ..args.model.source.clone()
        };
        source.load(&args.model.model, source.registry()?)
    };
    let mut test = SelfTest::record(&load(DtypeChoice::F32)?)?;
    for dtype in [DtypeChoice::Bf16, DtypeChoice::Int8] {
        match load(dtype) {
            Ok(predictor) => test.measure(&predictor)?,
            // A precision that it has no kernels for keeps the general bound.
            Err(PredictError::Encoder(EncoderError::DtypeUnavailable { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(test)
}

impl From<(&String, &FileEntry)> for FileReport {
    fn from((name, entry): (&String, &FileEntry)) -> Self {
        Self {
            name: name.clone(),
            bytes: entry.bytes,
            sha256: entry.sha256.clone(),
        }
    }
}

fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let cpu = &report.cpu;
    writeln!(out, "stance {}", report.version)?;
    writeln!(out, "cpu      {} {}", cpu.architecture, cpu.system)?;
    writeln!(out, "features {}", cpu.features.join(" "))?;
    writeln!(out, "kernels  {}", cpu.kernels)?;
    writeln!(out, "threads  {} of {}", cpu.threads, cpu.processors)?;
    if let Some(memory) = &report.memory {
        let mib = |bytes: u64| bytes >> 20;
        writeln!(
            out,
            "memory   {} MiB here, {} MiB at most, {} MiB free of {} MiB",
            mib(memory.resident_bytes),
            mib(memory.peak_bytes),
            mib(memory.available_bytes),
            mib(memory.total_bytes)
        )?;
    }
    for device in &report.devices {
        let state = match (&device.message, device.available) {
            (Some(message), _) => message.as_str(),
            (None, true) => "available",
            (None, false) => "not in this build",
        };
        writeln!(out, "device   {}: {state}", device.name)?;
    }
    let model = &report.model;
    writeln!(out, "model    {}", model.asked)?;
    if let Some(info) = &model.info {
        writeln!(
            out,
            "         {} {} {}",
            info.name, info.version, info.sha256
        )?;
    }
    if let Some(location) = &model.location {
        writeln!(out, "         {location}")?;
    }
    for file in &model.files {
        writeln!(out, "         {:>12} {}", file.bytes, file.name)?;
    }
    if let Some(encoder) = &model.encoder {
        writeln!(
            out,
            "encoder  {}, {} layers of {}, {} tokens at most, on {}",
            encoder.architecture,
            encoder.layers,
            encoder.hidden,
            encoder.max_tokens,
            encoder.device
        )?;
    }
    if let Some(dtype) = &model.dtype {
        writeln!(out, "dtype    {}: {}", dtype.precision, dtype.reason)?;
    }
    for check in &report.checks {
        let status = match check.status {
            Status::Pass => "pass",
            Status::Fail => "FAIL",
            Status::Skip => "skip",
        };
        let code = check
            .code
            .map(|code| format!(" [{code}]"))
            .unwrap_or_default();
        writeln!(out, "{status}     {}: {}{code}", check.name, check.message)?;
    }
    let verdict = if report.ok {
        "all well"
    } else {
        "something is wrong"
    };
    writeln!(out, "{verdict}")
}
