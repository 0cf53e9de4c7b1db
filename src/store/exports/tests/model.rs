//! Random histories of jobs against a model that is nothing but a list.

use proptest::prelude::*;

use super::*;
use crate::model::{Day, History, LOCAL_ISSUER};
use crate::store::testing::{cases, export_id, new_export};

const OWNERS: [&str; 3] = ["a", "b", "c"];
const QUOTA: u32 = 8;
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

/// What the model knows of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    n: u32,
    owner: usize,
    names_users: bool,
    state: JobState,
    attempt: u32,
    /// The how-manieth it was to be begun.
    served: Option<u32>,
    code: Option<&'static str>,
    file: File,
    bytes: u64,
    finished_at: i64,
    expires_at: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum File {
    None,
    There,
    GivenUp,
}

#[derive(Default)]
struct Model {
    jobs: Vec<Known>,
    keys: Vec<(usize, u8, u8, u32)>,
    charged: [u32; OWNERS.len()],
    servings: u32,
    accepted: u32,
    now: i64,
}

impl Model {
    fn job(&mut self, n: u32) -> Option<&mut Known> {
        self.jobs.iter_mut().find(|job| job.n == n)
    }

    fn accept(&mut self, owner: usize, key: Option<u8>, digest: u8, names_users: bool) -> &'static str {
        let known = self.keys.iter().find(|(by, name, ..)| *by == owner && Some(*name) == key).copied();
        match known {
            Some((_, _, other, _)) if other != digest => return "in use",
            Some((.., n)) => return if self.job(n).is_some() { "repeated" } else { "gone" },
            None if self.charged[owner] == QUOTA => return "over quota",
            None => {}
        }
        self.accepted += 1;
        self.charged[owner] += 1;
        let n = self.accepted;
        self.keys.extend(key.map(|key| (owner, key, digest, n)));
        self.jobs.push(Known {
            n,
            owner,
            names_users,
            state: JobState::Queued,
            attempt: 0,
            served: None,
            code: None,
            file: File::None,
            bytes: 0,
            finished_at: 0,
            expires_at: 0,
        });
        "new"
    }

    fn begin(&mut self, each: u32) -> Option<u32> {
        let under_way =
            |owner| self.jobs.iter().filter(|j| j.owner == owner && j.state == JobState::Processing).count();
        let waiting = |owner| self.jobs.iter().find(|j| j.owner == owner && j.state == JobState::Queued);
        let served = |owner| self.jobs.iter().filter(|j| j.owner == owner).map(|j| j.served).max();
        let (.., n) = (0..OWNERS.len())
            .filter(|owner| (under_way(*owner) as u32) < each)
            .filter_map(|owner| waiting(owner).map(|job| (under_way(owner), served(owner), job.n)))
            .min()?;
        self.servings += 1;
        let servings = self.servings;
        let job = self.job(n)?;
        (job.state, job.served) = (JobState::Processing, Some(servings));
        job.attempt += 1;
        Some(n)
    }

    fn finish(&mut self, n: u32, state: JobState, code: Option<&'static str>) {
        let now = self.now;
        let job = self.job(n).unwrap();
        (job.state, job.code, job.finished_at) = (state, code, now);
    }

    fn requeue(job: &mut Known, counts: bool) {
        job.state = JobState::Queued;
        job.attempt -= u32::from(!counts);
    }

    fn recover(&mut self) {
        let now = self.now;
        for job in self.jobs.iter_mut().filter(|job| job.state == JobState::Processing) {
            match job.attempt {
                3.. => (job.state, job.code, job.finished_at) = (JobState::Failed, Some("interrupted"), now),
                _ => Model::requeue(job, true),
            }
        }
    }

    fn expire(&mut self, bytes_max: u64) {
        let now = self.now;
        for job in self.jobs.iter_mut().filter(|job| job.file == File::There && job.expires_at <= now) {
            job.file = File::GivenUp;
        }
        let mut newest: Vec<&mut Known> = self.jobs.iter_mut().filter(|job| job.file == File::There).collect();
        newest.sort_by_key(|job| std::cmp::Reverse((job.finished_at, job.n)));
        let mut together = 0;
        for job in newest {
            together += job.bytes;
            if together > bytes_max {
                (job.file, job.expires_at) = (File::GivenUp, job.expires_at.min(now));
            }
        }
    }

    fn erase(&mut self) {
        let now = self.now;
        for job in self.jobs.iter_mut().filter(|job| job.names_users) {
            match (job.file, job.state) {
                (File::There, _) => (job.file, job.expires_at) = (File::GivenUp, job.expires_at.min(now)),
                (_, JobState::Processing) => Model::requeue(job, false),
                _ => {}
            }
        }
    }
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
                assert!(matches!(removed, Removed::Removed { .. }), "{removed:?}");
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
