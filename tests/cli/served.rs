//! The program as a service, from its first line to its exit code.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command};

use crate::support::stance;

/// A running service, killed if a test fails before it has stopped it.
pub struct Served {
    pub child: Child,
    pub out: BufReader<ChildStdout>,
    pub url: String,
    /// The line about its model.
    pub model: String,
}

impl Served {
    pub fn start() -> Self {
        Self::with(&[])
    }

    pub fn with(more: &[&str]) -> Self {
        let arguments = [&["serve", "--port", "0"], more].concat();
        Self::run(&mut stance(&arguments))
    }

    /// By a command that serves.
    pub fn run(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line
        };
        let (first, model) = (line(), line());
        let url = first
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        let url = url
            .unwrap_or_else(|| panic!("no URL in {first:?}"))
            .to_owned();
        Self {
            child,
            out,
            url,
            model,
        }
    }

    /// Where it listens, without the scheme.
    pub fn address(&self) -> &str {
        self.url.split("://").nth(1).unwrap()
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let kill = std::process::Command::new("kill")
            .args([signal, &id])
            .status()
            .unwrap();
        assert!(kill.success());
    }

    /// Signals, and returns the exit code.
    pub fn stop(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
