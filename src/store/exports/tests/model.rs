//! What a history of jobs comes to, by nothing but a list.

use super::story::{OWNERS, QUOTA};
use crate::model::JobState;

/// What the model knows of a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    pub n: u32,
    pub owner: usize,
    pub names_users: bool,
    pub state: JobState,
    pub attempt: u32,
    /// The how-manieth it was to be begun.
    pub served: Option<u32>,
    pub code: Option<&'static str>,
    pub file: File,
    pub bytes: u64,
    pub finished_at: i64,
    pub expires_at: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum File {
    None,
    There,
    GivenUp,
}

#[derive(Default)]
pub struct Model {
    pub jobs: Vec<Known>,
    pub keys: Vec<(usize, u8, u8, u32)>,
    pub charged: [u32; OWNERS.len()],
    pub servings: u32,
    pub accepted: u32,
    pub now: i64,
}

impl Model {
    pub fn job(&mut self, n: u32) -> Option<&mut Known> {
        self.jobs.iter_mut().find(|job| job.n == n)
    }

    pub fn accept(&mut self, owner: usize, key: Option<u8>, digest: u8, names_users: bool) -> &'static str {
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

    pub fn begin(&mut self, each: u32) -> Option<u32> {
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

    pub fn finish(&mut self, n: u32, state: JobState, code: Option<&'static str>) {
        let now = self.now;
        let job = self.job(n).unwrap();
        (job.state, job.code, job.finished_at) = (state, code, now);
    }

    pub fn requeue(job: &mut Known, counts: bool) {
        job.state = JobState::Queued;
        job.attempt -= u32::from(!counts);
    }

    pub fn recover(&mut self) {
        let now = self.now;
        for job in self.jobs.iter_mut().filter(|job| job.state == JobState::Processing) {
            match job.attempt {
                3.. => (job.state, job.code, job.finished_at) = (JobState::Failed, Some("interrupted"), now),
                _ => Model::requeue(job, true),
            }
        }
    }

    pub fn expire(&mut self, bytes_max: u64) {
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

    pub fn erase(&mut self) {
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
