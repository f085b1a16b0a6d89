//! The bytes of a source: unpacked, and counted as they lie there.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::ArchiveError;
use super::source::{Compression, Place, Source};

/// Bytes of sources that were read so far.
#[derive(Debug, Clone, Default)]
pub struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts some that were not read through [`open`].
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

struct Counted<R> {
    inner: R,
    count: BytesRead,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.add(read as u64);
        Ok(read)
    }
}

/// The unpacked bytes of a source, as a stream.
///
/// # Errors
/// A source that cannot be opened.
pub fn open(source: &Source, count: &BytesRead) -> Result<Box<dyn Read + Send>, ArchiveError> {
    let unreadable = |error: io::Error| ArchiveError::unreadable(&source.name, error);
    let raw: Box<dyn Read + Send> = match &source.place {
        Place::Stdin => Box::new(io::stdin()),
        Place::File(path) => Box::new(File::open(path).map_err(unreadable)?),
        Place::Remote(remote) => Box::new(remote.open()?),
    };
    let raw = BufReader::with_capacity(
        64 << 10,
        Counted {
            inner: raw,
            count: count.clone(),
        },
    );
    Ok(match source.compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(MultiGzDecoder::new(raw)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(raw).map_err(unreadable)?),
    })
}

/// A source as a file that can be read in any order: itself, or a copy without a name where it
/// is a stream or packed.
///
/// # Errors
/// A source that cannot be read, or a disk without room for the copy.
pub fn seekable(source: &Source, count: &BytesRead) -> Result<File, ArchiveError> {
    let unreadable = |error: io::Error| ArchiveError::unreadable(&source.name, error);
    if let (Place::File(path), Compression::None) = (&source.place, source.compression) {
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().is_ok_and(|data| data.is_file()) {
            return Ok(file);
        }
    }
    let mut copy = tempfile::tempfile().map_err(unreadable)?;
    io::copy(&mut open(source, count)?, &mut copy).map_err(unreadable)?;
    copy.rewind().map_err(unreadable)?;
    Ok(copy)
}
