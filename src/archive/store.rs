//! Object stores: `s3://`, `gs://`, `az://` and `https://`, read in a stream or in ranges, and
//! written whole.
//!
//! Credentials and endpoints come from the environment variables that the stores' own tools read
//! (`AWS_…`, `GOOGLE_…`, `AZURE_…`). The stores speak async; one small runtime waits for them.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::runtime::Runtime;
use url::Url;

use super::ArchiveError;

/// Addresses that mean an object store.
const SCHEMES: [&str; 11] = [
    "s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "wasb", "https", "http",
];
/// Settings of the stores in the environment.
const SETTINGS: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];
/// Bytes of one piece of an upload.
const PIECE: usize = 8 << 20;
/// Pieces of an upload on their way at once.
const PIECES: usize = 4;

/// An object in a store.
#[derive(Debug, Clone)]
pub struct Remote {
    url: Url,
    store: Arc<dyn ObjectStore>,
    key: Key,
}

/// The address, when the text is one.
pub fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    SCHEMES.contains(&url.scheme()).then_some(url)
}

impl Remote {
    /// The object at an address. Nothing is asked of the store yet.
    ///
    /// # Errors
    /// An address that the store does not understand, or settings that are missing.
    pub fn new(url: Url) -> Result<Self, ArchiveError> {
        let mut settings: Vec<(String, String)> = std::env::vars()
            .filter(|(name, _)| SETTINGS.iter().any(|start| name.starts_with(start)))
            .collect();
        if url.scheme() == "http" {
            settings.push(("allow_http".to_owned(), "true".to_owned()));
        }
        let (store, key) = object_store::parse_url_opts(&url, settings)
            .map_err(|error| failed(url.as_str(), &error))?;
        Ok(Self {
            url,
            store: Arc::from(store),
            key,
        })
    }

    /// The address.
    pub fn name(&self) -> &str {
        self.url.as_str()
    }

    /// All objects below, in the order of their names.
    ///
    /// # Errors
    /// What the store says.
    pub fn list(&self) -> Result<Vec<(Self, u64)>, ArchiveError> {
        let mut found = wait(self.name(), async {
            let mut all = Vec::new();
            let mut listing = self.store.list(Some(&self.key));
            while let Some(object) = listing.next().await {
                let object = object.map_err(|error| failed(self.name(), &error))?;
                all.push((object.location, object.size));
            }
            Ok(all)
        })?;
        found.sort();
        let at = |(key, size): (Key, u64)| {
            let mut url = self.url.clone();
            // The part of the path that is not of the key: a container, for some stores.
            let path = self.url.path().trim_end_matches('/');
            let before = path.strip_suffix(self.key.as_ref()).unwrap_or("");
            url.set_path(&format!("{before}/{key}").replace("//", "/"));
            let remote = Self {
                url,
                store: Arc::clone(&self.store),
                key,
            };
            (remote, size)
        };
        Ok(found.into_iter().map(at).collect())
    }

    /// Bytes of the object.
    ///
    /// # Errors
    /// What the store says.
    pub fn size(&self) -> Result<u64, ArchiveError> {
        wait(self.name(), async {
            let head = self.store.head(&self.key).await;
            Ok(head.map_err(|error| failed(self.name(), &error))?.size)
        })
    }

    /// The object's bytes from its beginning.
    ///
    /// # Errors
    /// What the store says.
    pub fn open(&self) -> Result<RemoteReader, ArchiveError> {
        let stream = wait(self.name(), async {
            let got = self.store.get(&self.key).await;
            Ok(got
                .map_err(|error| failed(self.name(), &error))?
                .into_stream())
        })?;
        Ok(RemoteReader {
            stream,
            piece: Cursor::new(Bytes::new()),
        })
    }

    /// The object, to be read in any order.
    ///
    /// # Errors
    /// What the store says.
    pub fn ranges(&self) -> Result<RemoteRanges, ArchiveError> {
        Ok(RemoteRanges {
            length: self.size()?,
            remote: self.clone(),
        })
    }

    /// Writes a file there, whole or not at all.
    ///
    /// # Errors
    /// A file that cannot be read, or what the store says.
    pub fn upload(&self, file: &Path) -> Result<(), ArchiveError> {
        let mut reader = BufReader::new(File::open(file).map_err(ArchiveError::output(file))?);
        let mut piece = Vec::new();
        let mut next = move || -> io::Result<Vec<u8>> {
            piece.clear();
            reader.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
            Ok(piece.clone())
        };
        let first = next().map_err(ArchiveError::output(file))?;
        wait(self.name(), async {
            let error = |error| failed(self.name(), &error);
            if first.len() < PIECE {
                let payload = PutPayload::from(first);
                self.store.put(&self.key, payload).await.map_err(error)?;
                return Ok(());
            }
            let upload = self.store.put_multipart(&self.key).await.map_err(error)?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
            let mut piece = first;
            while !piece.is_empty() {
                upload.wait_for_capacity(PIECES).await.map_err(error)?;
                upload.write(&piece);
                piece = next().map_err(ArchiveError::output(file))?;
            }
            upload.finish().await.map_err(error)?;
            Ok(())
        })
    }
}

/// A stream of an object as a reader.
pub struct RemoteReader {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    piece: Cursor<Bytes>,
}

impl Read for RemoteReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match runtime()?.block_on(self.stream.next()) {
                None => return Ok(0),
                Some(piece) => self.piece = Cursor::new(piece.map_err(io::Error::other)?),
            }
        }
    }
}

/// An object of which ranges are read, as Parquet wants it.
pub struct RemoteRanges {
    remote: Remote,
    length: u64,
}

impl Length for RemoteRanges {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for RemoteRanges {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        // Asked for headers only; what follows is asked for by ranges.
        let length = (self.length.saturating_sub(start)).min(64 << 10);
        Ok(Cursor::new(self.get_bytes(start, length as usize)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let range = start..start + length as u64;
        let (store, key) = (&self.remote.store, &self.remote.key);
        let got = wait(self.remote.name(), async {
            let got = store.get_range(key, range).await;
            got.map_err(|error| failed(self.remote.name(), &error))
        });
        got.map_err(|error| ParquetError::External(Box::new(error)))
    }
}

fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let built = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stance-store")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())
    });
    built
        .as_ref()
        .map_err(|message| io::Error::other(message.clone()))
}

fn wait<T>(
    name: &str,
    work: impl Future<Output = Result<T, ArchiveError>>,
) -> Result<T, ArchiveError> {
    let runtime = runtime().map_err(|error| failed(name, &error))?;
    runtime.block_on(work)
}

fn failed(name: &str, error: &dyn std::error::Error) -> ArchiveError {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_message = inner.to_string();
        if !message.contains(&inner_message) {
            message = format!("{message}: {inner_message}");
        }
        source = inner.source();
    }
    ArchiveError::Store {
        name: name.to_owned(),
        message,
    }
}
