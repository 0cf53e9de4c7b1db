//! What a job that failed says of itself: to machines by a code, to people by a sentence. No path, no SQL.

use crate::error::{Error, Kind};
use crate::export::{Settings, Stop};
use crate::store::ExportError;

/// Why a file was not written; None if the job is somebody else's by now, or goes back into the queue.
pub fn failure(stopped: Option<Stop>, error: &Error, settings: &Settings) -> Option<ExportError> {
    match (stopped, error.kind) {
        (Some(Stop::Taken | Stop::Ending), _) => None,
        (Some(Stop::TimeLimit), _) => Some(time_limit(settings)),
        (None, Kind::TooLarge) => Some(too_large(settings)),
        (None, Kind::StorageFull) => Some(storage_full()),
        (None, _) => Some(internal()),
    }
}

/// A fault of ours, or of the machine; what it was stands in the server's own log.
pub fn internal() -> ExportError {
    let message = "the export failed by a fault of the server, whose log says more; ask for it anew, and tell the \
                   administrator if that fails, too";
    ExportError { code: "internal".into(), message: message.into() }
}

fn time_limit(settings: &Settings) -> ExportError {
    let message = format!(
        "the export took longer than {} s (exports.time_limit); ask for a shorter range, or let the administrator raise \
         the limit",
        settings.time_limit.as_secs()
    );
    ExportError { code: "time_limit".into(), message }
}

fn too_large(settings: &Settings) -> ExportError {
    let message = format!(
        "the file would be larger than {} bytes, which is all that files of exports may take (exports.max_bytes); ask \
         for a shorter range, or for gzip",
        settings.bytes_max
    );
    ExportError { code: "too_large".into(), message }
}

fn storage_full() -> ExportError {
    let message = "there is no room on the disk for this export; free some, then ask again";
    ExportError { code: "storage_full".into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn each_way_to_fail_has_a_code_and_names_its_setting() {
        let settings = Settings {
            directory: PathBuf::new(),
            workers: 1,
            retention: Duration::ZERO,
            bytes_max: 7_000,
            time_limit: Duration::from_secs(90),
        };
        let secret = |kind| Error::new(kind, "cannot write /var/secret: select 1");
        let busy = Kind::Busy { retry_after_s: 1 };
        let cases = [
            (Some(Stop::Taken), Kind::Internal, None),
            (Some(Stop::Ending), Kind::StorageFull, None),
            (Some(Stop::TimeLimit), Kind::Internal, Some(("time_limit", "90 s (exports.time_limit)"))),
            (None, Kind::TooLarge, Some(("too_large", "7000 bytes"))),
            (None, Kind::StorageFull, Some(("storage_full", "free some"))),
            (None, Kind::Internal, Some(("internal", "fault of the server"))),
            (None, busy, Some(("internal", "fault of the server"))),
        ];
        for (stopped, kind, expected) in cases {
            let failure = failure(stopped, &secret(kind), &settings);
            let told = failure.as_ref().map(|failure| (failure.code.as_str(), failure.message.as_str()));
            assert_eq!(told.map(|(code, _)| code), expected.map(|(code, _)| code), "{stopped:?} {kind:?}");
            if let (Some((_, message)), Some((_, part))) = (told, expected) {
                assert!(message.contains(part) && !message.contains("secret"), "{message}");
            }
        }
    }
}
