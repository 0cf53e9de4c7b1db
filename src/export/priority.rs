/// How much a thread of an export gives way to others: the nice value of its own, from 0 (not at all) to 19.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Makes the calling thread, and every thread that it starts from then on, give way to those that answer requests. Does
/// nothing where a system has no priorities of single threads: they are no matter of right or wrong.
pub fn lower_priority() {
    // Linux takes this for the one thread that calls, whatever POSIX says of processes (setpriority(2)).
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_what_it_starts_give_way_and_others_do_not() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let (own, started) = std::thread::spawn(move || {
            lower_priority();
            (nice(), std::thread::spawn(nice).join().unwrap())
        })
        .join()
        .unwrap();
        assert_eq!((own, started, nice()), (NICE.max(before), NICE.max(before), before));
    }
}
