//! The tiny model under control: it waits for the test, fails or panics on command, and
//! remembers what it was asked.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, mpsc};

use stance::actors::Registry;
use stance::document::{Document, Options};
use stance::encoder::TokenStates;
use stance::encoder::hub::HubOptions;
use stance::engine::Model;
use stance::predict::{Brief, Output, PredictError, Predictor, Prepared, SequenceAnswer, Task};
use stance::prediction::ModelInfo;

/// The predictor of the model in `folder`, loaded once.
pub fn predictor(folder: impl FnOnce() -> &'static Path) -> Arc<Predictor> {
    static PREDICTOR: OnceLock<Arc<Predictor>> = OnceLock::new();
    let load = || {
        let name = folder().to_string_lossy().into_owned();
        let device = candle_core::Device::Cpu;
        let registry = Registry::embedded().clone();
        Arc::new(Predictor::load(&name, &HubOptions::default(), &device, registry).unwrap())
    };
    Arc::clone(PREDICTOR.get_or_init(load))
}

/// Texts with a meaning: `panic` panics while it is read, `encoder panics` and `encoder fails`
/// while it is encoded, `wait` is encoded when the test allows it. `reader breaks` and
/// `encoder breaks` panic with a [`Bomb`], which takes the thread's own loop along.
pub struct Double {
    inner: Arc<Predictor>,
    entered: Mutex<mpsc::Sender<()>>,
    gate: Mutex<mpsc::Receiver<()>>,
    batches: Mutex<Vec<Vec<String>>>,
}

/// The test's end of a [`Double`].
pub struct Control {
    /// Tells that the encoder has started to wait.
    pub entered: mpsc::Receiver<()>,
    /// Lets it go on when dropped.
    _permission: mpsc::Sender<()>,
}

/// What panics once more when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "asked to panic again");
    }
}

impl Double {
    pub fn new(inner: Arc<Predictor>) -> (Arc<Self>, Control) {
        let (enter, entered) = mpsc::channel();
        let (permission, gate) = mpsc::channel();
        let double = Self {
            inner,
            entered: Mutex::new(enter),
            gate: Mutex::new(gate),
            batches: Mutex::default(),
        };
        let control = Control {
            entered,
            _permission: permission,
        };
        (Arc::new(double), control)
    }

    /// The first word of the text of each window, by pass of the encoder.
    #[allow(dead_code)] // not every test program looks
    pub fn batches(&self) -> Vec<Vec<String>> {
        self.batches.lock().unwrap().clone()
    }

    pub fn model_info() -> ModelInfo {
        ModelInfo {
            name: "double".into(),
            version: "0.1.0".into(),
            sha256: "ab".repeat(32),
        }
    }
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

impl Model for Double {
    fn info(&self) -> ModelInfo {
        Self::model_info()
    }

    fn registry(&self) -> &Registry {
        self.inner.registry()
    }

    fn brief(&self, task: Task, options: Options) -> Result<Brief, PredictError> {
        self.inner.brief(task, options)
    }

    fn prepare(&self, brief: &Arc<Brief>, document: Document) -> Result<Prepared, PredictError> {
        assert!(document.text != "panic", "asked to panic");
        if document.text == "reader breaks" {
            std::panic::panic_any(Bomb);
        }
        self.inner.prepare(brief, document)
    }

    fn encode(&self, windows: &[(&Prepared, usize)]) -> Result<TokenStates, PredictError> {
        let texts = || {
            windows
                .iter()
                .map(|(prepared, _)| prepared.document().text.as_str())
        };
        self.batches
            .lock()
            .unwrap()
            .push(texts().map(first_word).collect());
        assert!(
            texts().all(|text| text != "encoder panics"),
            "asked to panic"
        );
        if texts().any(|text| text == "encoder breaks") {
            std::panic::panic_any(Bomb);
        }
        if texts().any(|text| text == "encoder fails") {
            return Err(PredictError::NotFinite);
        }
        if texts().any(|text| text == "wait") {
            let _ = self.entered.lock().unwrap().send(());
            // A dropped sender lets everything through.
            let _ = self.gate.lock().unwrap().recv();
        }
        self.inner.encode(windows)
    }

    fn ask_heads(
        &self,
        windows: &[(&Prepared, usize)],
        states: &TokenStates,
    ) -> Result<Vec<SequenceAnswer>, PredictError> {
        self.inner.ask_heads(windows, states)
    }

    fn finish(
        &self,
        prepared: &Prepared,
        windows: &[SequenceAnswer],
    ) -> Result<Output, PredictError> {
        let mut output = self.inner.finish(prepared, windows)?;
        if let Output::Prediction(prediction) = &mut output {
            prediction.model = Self::model_info();
        }
        Ok(output)
    }
}
