//! Random histories of jobs against the model.

use proptest::prelude::*;

use super::model::{File, Model};
use super::*;
use crate::model::{Day, History, LOCAL_ISSUER};
use crate::store::testing::{cases, export_id, new_export};

pub const OWNERS: [&str; 3] = ["a", "b", "c"];
pub const QUOTA: u32 = 8;
const RETENTION: i64 = 30;

#[derive(Clone, Debug)]
enum Step {
    Accept {
        owner: usize,
        key: Option<u8>,
        digest: u8,
        names_users: bool,
    },
    Begin {
        each: u32,
    },
    Progress {
        held: usize,
    },
    Complete {
        held: usize,
        bytes: u64,
    },
    Fail {
        held: usize,
    },
    PutBack {
        held: usize,
    },
    Remove {
        job: usize,
    },
    Expire {
        bytes_max: u64,
    },
    Unlink,
    Erase,
    /// The clock moves on, or back.
    Move {
        micros: i64,
    },
    /// As after a restart.
    Recover,
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![2 => Just(None), 1 => (0..3u8).prop_map(Some)];
    let accept = (0..OWNERS.len(), key, 0..2u8, any::<bool>());
    prop_oneof![
        6 => accept.prop_map(|(owner, key, digest, names_users)| Step::Accept { owner, key, digest, names_users }),
        5 => (1..4u32).prop_map(|each| Step::Begin { each }),
        1 => (0..8usize).prop_map(|held| Step::Progress { held }),
        4 => (0..8usize, 1..100u64).prop_map(|(held, bytes)| Step::Complete { held, bytes }),
        1 => (0..8usize).prop_map(|held| Step::Fail { held }),
        1 => (0..8usize).prop_map(|held| Step::PutBack { held }),
        2 => (0..12usize).prop_map(|job| Step::Remove { job }),
        2 => (0..300u64).prop_map(|bytes_max| Step::Expire { bytes_max }),
        1 => Just(Step::Unlink),
        1 => Just(Step::Erase),
        2 => (-20..25i64).prop_map(|micros| Step::Move { micros }),
        1 => Just(Step::Recover),
    ]
}

/// Both sides of a history.
struct Story {
    room: Room,
    model: Model,
    /// Jobs as they were begun, the lost ones too, and whether they are still held.
    held: Vec<(ExportJob, u32)>,
}

impl Story {
    fn new() -> Story {
        Story { room: Room::new(), model: Model::default(), held: vec![] }
    }

    /// The job that somebody works on, and whether it is still theirs.
    fn pick(&self, held: usize) -> Option<(ExportJob, u32, bool)> {
        let (job, n) = self.held.get(held % self.held.len().max(1))?;
        let row = self.room.job(*n);
        let is_ours = row.is_some_and(|row| row.generation == job.generation && row.state == JobState::Processing);
        Some((job.clone(), *n, is_ours))
    }

    async fn run(&mut self, step: &Step) {
        match step.clone() {
            Step::Accept { owner, key, digest, names_users } => self.accept(owner, key, digest, names_users).await,
            Step::Begin { each } => {
                let begun = self.room.begin(each).await;
                let expected = self.model.begin(each);
                assert_eq!(begun.as_ref().map(|job| job.id.clone()), expected.map(export_id));
                self.held.extend(begun.zip(expected));
            }
            Step::Progress { held } => {
                let Some((job, _, is_ours)) = self.pick(held) else { return };
                assert_eq!(self.room.store.note_export_progress(&job, 1, None).await.unwrap(), is_ours);
            }
            Step::Complete { held, bytes } => self.complete(held, bytes).await,
            Step::Fail { held } => {
                let Some((job, n, is_ours)) = self.pick(held) else { return };
                let done = self.room.store.fail_export(&job, error("internal"), self.model.now).await.unwrap();
                assert_eq!(done, is_ours);
                if done {
                    self.model.finish(n, JobState::Failed, Some("internal"));
                }
            }
            Step::PutBack { held } => {
                let Some((job, n, is_ours)) = self.pick(held) else { return };
                assert_eq!(self.room.store.put_export_back(&job).await.unwrap(), is_ours);
                if is_ours {
                    Model::requeue(self.model.job(n).unwrap(), false);
                }
            }
            Step::Remove { job } => self.remove(job).await,
            Step::Expire { bytes_max } => {
                if self.room.store.snapshot().unwrap().is_export_expiry_due(bytes_max, self.model.now).unwrap() {
                    self.room.store.expire_exports(bytes_max, self.model.now).await.unwrap();
                }
                self.model.expire(bytes_max);
            }
            Step::Unlink => {
                self.room.store.note_exports_unlinked(self.room.to_unlink()).await.unwrap();
                let given_up = self.model.jobs.iter_mut().filter(|job| job.file == File::GivenUp);
                given_up.for_each(|job| job.file = File::None);
            }
            Step::Erase => {
                self.room.store.erase(Id::new("anybody").unwrap(), History::Remove).await.unwrap();
                self.model.erase();
            }
            Step::Move { micros } => {
                self.model.now += micros;
                self.room.clock.set(self.model.now);
            }
            Step::Recover => {
                self.room.store.recover_exports(self.model.now).await.unwrap();
                self.model.recover();
            }
        }
    }

    async fn accept(&mut self, owner: usize, key: Option<u8>, digest: u8, names_users: bool) {
        let key = key.map(|key| Idempotency { key: key.to_string(), request_digest: [digest; 32] });
        let new = NewExport {
            names_users,
            idempotency: key.clone(),
            charge: Some((Day::MIN, QUOTA)),
            ..new_export(self.model.accepted + 1, OWNERS[owner], self.model.now)
        };
        let told = match self.room.store.accept_export(new).await.unwrap() {
            Accepted::New(_) => "new",
            Accepted::Repeated(_) => "repeated",
            Accepted::RepeatedButGone => "gone",
            Accepted::KeyInUse => "in use",
            Accepted::OverQuota => "over quota",
        };
        let key = key.map(|key| key.key.parse().unwrap());
        assert_eq!(told, self.model.accept(owner, key, digest, names_users));
    }

    async fn complete(&mut self, held: usize, bytes: u64) {
        let Some((job, n, is_ours)) = self.pick(held) else { return };
        let expires_at = self.model.now + RETENTION;
        let done = self.room.store.complete_export(&job, finished(bytes, expires_at), self.model.now).await.unwrap();
        assert_eq!(done, is_ours);
        if done {
            self.model.finish(n, JobState::Completed, None);
            let known = self.model.job(n).unwrap();
            (known.file, known.bytes, known.expires_at) = (File::There, bytes, expires_at);
        }
    }

    async fn remove(&mut self, job: usize) {
        let n = job as u32 + 1;
        let removed = self.room.store.remove_export(&export_id(n), self.model.now).await.unwrap();
        match self.model.job(n).cloned() {
            None => assert_eq!(removed, Removed::Missing),
            Some(job) if job.state.is_finished() => {
                if job.file == File::None {
                    assert_eq!(removed, Removed::Removed);
                } else {
                    assert!(matches!(removed, Removed::FileFirst { .. }), "{removed:?}");
                    self.room.store.note_exports_unlinked(vec![export_id(n)]).await.unwrap();
                    let removed = self.room.store.remove_export(&export_id(n), self.model.now).await.unwrap();
                    assert_eq!(removed, Removed::Removed);
                }
                self.model.jobs.retain(|job| job.n != n);
            }
            Some(_) => {
                assert_eq!(removed, Removed::Cancelled);
                self.model.finish(n, JobState::Failed, Some("cancelled"));
            }
        }
    }

    fn expect_equal(&self) {
        let snapshot = self.room.store.snapshot().unwrap();
        let page = snapshot.export_jobs(&ExportFilter::default(), 0, usize::MAX).unwrap();
        assert_eq!(page.total, self.model.jobs.len() as u64);
        for (job, known) in page.jobs.iter().rev().zip(&self.model.jobs) {
            assert_eq!(job.id, export_id(known.n));
            assert_eq!((job.state, job.attempt), (known.state, known.attempt), "{known:?}");
            assert_eq!(job.error.as_ref().map(|error| error.code.as_str()), known.code, "{known:?}");
            assert_eq!(job.has_file, known.file == File::There, "{known:?}");
            let is_available = known.file == File::There && known.expires_at > self.model.now;
            assert_eq!(job.is_available(self.model.now), is_available, "{known:?}");
        }
        for (owner, charged) in OWNERS.iter().zip(self.model.charged) {
            assert_eq!(snapshot.export_count(LOCAL_ISSUER, owner, Day::MIN).unwrap(), charged);
        }
        let given_up = self.model.jobs.iter().filter(|job| job.file == File::GivenUp).count();
        assert_eq!(self.room.to_unlink().len(), given_up);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn every_history_of_jobs_goes_as_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut history = Story::new();
            for step in &steps {
                history.run(step).await;
                history.expect_equal();
            }
        });
    }
}
