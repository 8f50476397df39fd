//! Lines of files, in batches.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;

/// Bytes of lines in a batch: well under what a body may have.
const BATCH_BYTES: usize = 4 << 20;

/// Bytes that reading these files will take, as far as the disk knows.
pub(crate) fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// Opens a file, plain or .gz; - is standard input. The bar moves as its bytes are read.
pub(crate) fn open(path: &Path, bar: &ProgressBar) -> anyhow::Result<Box<dyn BufRead>> {
    let bytes: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let file = File::open(path).with_context(|| path.display().to_string())?;
        Box::new(bar.wrap_read(file))
    };
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let bytes: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(bytes)) } else { bytes };
    Ok(Box::new(BufReader::with_capacity(1 << 20, bytes)))
}

/// The next lines, at most `most`. Empty at the end.
pub(crate) fn batch(reader: &mut dyn BufRead, most: usize) -> io::Result<Vec<Vec<u8>>> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    while lines.len() < most && bytes < BATCH_BYTES {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let line = line.trim_ascii();
        if !line.is_empty() {
            bytes += line.len();
            lines.push(line.to_vec());
        }
    }
    Ok(lines)
}
