use serde_json::Value;

use crate::support::exports::{ask, log_csv, look, seed, usage_csv, wait};
use crate::support::server::Server;

#[test]
fn with_one_worker_a_small_export_ends_before_ten_large_ones_of_another_user() {
    let server = Server::with(|settings| settings.exports.workers = 1);
    for _ in 0..6 {
        seed(&server, 10_000);
    }
    let (large, small) = (server.client_of("large"), server.client_of("small"));
    let large_jobs: Vec<String> = (0..10).map(|_| ask(&large, &log_csv())).collect();
    let small_job = wait(&small, &ask(&small, &usage_csv("team")));
    assert_eq!(small_job["status"], "completed", "{small_job}");
    let finished: Vec<Value> = large_jobs.iter().map(|id| look(&large, id)).collect();
    let before: Vec<&Value> = finished.iter().filter(|job| job["status"] == "completed").collect();
    // Two of them are under way at one time, and may well be done by then: at once with the small one, never all of them.
    assert!(before.len() <= 2, "{before:?}");
    for id in large_jobs {
        let job = wait(&large, &id);
        assert_eq!((job["status"].as_str(), job["rows"].as_u64()), (Some("completed"), Some(60_000)), "{job}");
        let (ended, small_ended) = (job["finished_at"].as_str(), small_job["finished_at"].as_str());
        assert!(before.iter().any(|before| before["job_id"] == job["job_id"]) || ended > small_ended, "{job}");
    }
}
