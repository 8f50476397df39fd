//! Content encodings, never beyond the limit.

use std::io::{self, Read};

use bytes::Bytes;

/// Why a body cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// An encoding that is not spoken here.
    Encoding(String),
    /// The bytes are not of that encoding.
    Corrupt,
    /// More bytes than a body may have.
    TooLarge,
}

/// The body as it was before it was encoded.
pub(crate) fn decode(encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, Undecodable> {
    let encoded = &body[..];
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" if body.len() > limit => Err(Undecodable::TooLarge),
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => match gzip_member(encoded, limit) {
            Some(decoded) => Ok(decoded),
            None => read(flate2::read::MultiGzDecoder::new(encoded), limit),
        },
        // By the standard "deflate" is zlib; some clients send it bare.
        "deflate" if is_zlib(encoded) => read(flate2::read::ZlibDecoder::new(encoded), limit),
        "deflate" => read(flate2::read::DeflateDecoder::new(encoded), limit),
        "br" => read(brotli::Decompressor::new(encoded, 4_096), limit),
        "zstd" => read(zstd(encoded).map_err(|_| Undecodable::Corrupt)?, limit),
        other => Err(Undecodable::Encoding(other.to_owned())),
    }
}

/// What nearly every client sends: one gzip member, whose last four bytes tell its size. Decoded in
/// one go, which takes half the time; whatever is unusual about it is left to the other decoder.
fn gzip_member(encoded: &[u8], limit: usize) -> Option<Bytes> {
    let size = usize::try_from(u32::from_le_bytes(*encoded.last_chunk::<4>()?)).ok()?;
    let another = memchr::memmem::find(encoded.get(1..)?, b"\x1f\x8b\x08").is_some();
    if size > limit || another {
        return None;
    }
    let mut decoded = vec![0; size];
    let written = libdeflater::Decompressor::new().gzip_decompress(encoded, &mut decoded).ok()?;
    (written == size).then(|| decoded.into())
}

/// A frame that asks for a larger window than any body can fill is refused.
fn zstd(encoded: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::Decoder::with_buffer(encoded)?;
    decoder.window_log_max(23)?;
    Ok(decoder)
}

fn is_zlib(encoded: &[u8]) -> bool {
    matches!(encoded, [method, flags, ..]
        if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

fn read(decoder: impl Read, limit: usize) -> Result<Bytes, Undecodable> {
    let mut decoded = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    match decoder.take(most).read_to_end(&mut decoded) {
        Err(_) => Err(Undecodable::Corrupt),
        Ok(length) if length > limit => Err(Undecodable::TooLarge),
        Ok(_) => Ok(decoded.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const TEXT: &[u8] = b"[{\"id\":\"a\"},{\"id\":\"b\"}]";

    fn encoded(encoding: &str, text: &[u8]) -> Bytes {
        use flate2::{Compression, write};
        let fast = Compression::fast();
        let mut out = Vec::new();
        match encoding {
            "gzip" => {
                write::GzEncoder::new(&mut out, fast).write_all(text).unwrap();
            }
            "zlib" => write::ZlibEncoder::new(&mut out, fast).write_all(text).unwrap(),
            "bare" => write::DeflateEncoder::new(&mut out, fast).write_all(text).unwrap(),
            "br" => brotli::CompressorWriter::new(&mut out, 4_096, 1, 20).write_all(text).unwrap(),
            _ => out = zstd::encode_all(text, 1).unwrap(),
        }
        out.into()
    }

    #[test]
    fn every_encoding_gives_the_text_back() {
        for (name, how) in [
            ("gzip", "gzip"),
            ("GZIP ", "gzip"),
            ("deflate", "zlib"),
            ("deflate", "bare"),
            ("br", "br"),
            ("zstd", "zstd"),
        ] {
            let body = encoded(how, TEXT);
            assert_eq!(decode(name, body, 100).unwrap(), TEXT, "{name} {how}");
        }
        assert_eq!(decode("identity", Bytes::from_static(TEXT), 100).unwrap(), TEXT);
        let two = [encoded("gzip", TEXT), encoded("gzip", TEXT)].concat();
        assert_eq!(decode("gzip", two.into(), 100).unwrap(), [TEXT, TEXT].concat());
        let more = [&encoded("gzip", TEXT)[..], b"more"].concat();
        assert_eq!(decode("gzip", more.into(), 100), Err(Undecodable::Corrupt));
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_limit() {
        let bomb = vec![b' '; 50 << 20];
        for (name, how) in [("gzip", "gzip"), ("deflate", "zlib"), ("br", "br"), ("zstd", "zstd")] {
            let body = encoded(how, &bomb);
            assert_eq!(decode(name, body, 1 << 20), Err(Undecodable::TooLarge), "{name}");
        }
        let exact = encoded("gzip", TEXT);
        assert!(decode("gzip", exact.clone(), TEXT.len()).is_ok());
        assert_eq!(decode("gzip", exact, TEXT.len() - 1), Err(Undecodable::TooLarge));
    }

    #[test]
    fn what_is_not_that_encoding_is_corrupt() {
        for name in ["gzip", "deflate", "br", "zstd"] {
            let body = Bytes::from_static(&[0xff; 40]);
            assert_eq!(decode(name, body, 100), Err(Undecodable::Corrupt), "{name}");
        }
        let cut = encoded("gzip", TEXT);
        let cut = cut.slice(..cut.len() - 3);
        assert_eq!(decode("gzip", cut, 100), Err(Undecodable::Corrupt));
        let lzma = decode("lzma", Bytes::new(), 100);
        assert_eq!(lzma, Err(Undecodable::Encoding("lzma".to_owned())));
    }
}
