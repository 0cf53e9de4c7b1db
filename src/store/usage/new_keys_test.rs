//! Keys from the creation of users to their erasure.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Erase(usize),
    Quiet,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..900usize).prop_map(Step::Create),
        3 => any::<usize>().prop_map(Step::Erase),
        1 => Just(Step::Quiet),
        1 => Just(Step::Reload),
    ]
}

struct World {
    conn: Connection,
    key: DigestKey,
    writer: KeyWriter,
    ord_end: u32,
    known: BTreeMap<u32, [u8; 16]>,
}

impl World {
    fn new() -> World {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(include_str!("../../../schema.sql")).unwrap();
        let key = DigestKey::new([7; 32]);
        let writer = KeyWriter::load(&conn, &key, FIRST_ORD).unwrap();
        World { conn, key, writer, ord_end: FIRST_ORD, known: BTreeMap::new() }
    }

    fn create(&mut self) {
        const INSERT_NAME: &str = "insert into usage_user_name (ord, user_id) values (?1, ?2)";
        let (ord, name) = (self.ord_end, format!("user {}", self.ord_end));
        self.conn.execute(INSERT_NAME, params![ord, name]).unwrap();
        let digest = self.key.digest(Kind::User, &name);
        self.writer.create(digest, ord);
        self.known.insert(ord, digest);
        self.ord_end += 1;
    }

    fn erase(&mut self, nth: usize) -> Option<[u8; 16]> {
        let ord = *self.known.keys().nth(nth % self.known.len().max(1))?;
        let digest = self.known.remove(&ord)?;
        self.writer.forget(&digest);
        self.conn.execute("delete from usage_user_key where digest = ?1", [digest]).unwrap();
        self.conn.execute("update usage_user_name set user_id = char(1) where ord = ?1", [ord]).unwrap();
        Some(digest)
    }

    fn find(&self, digest: &[u8; 16]) -> Option<u32> {
        const SELECT_KEY: &str = "select ord from usage_user_key where digest = ?1";
        let stored = || self.conn.query_row(SELECT_KEY, [digest], |row| row.get(0)).ok();
        self.writer.keys().find(digest).or_else(stored)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_user_is_found_from_its_creation_to_its_erasure_and_its_key_is_stored_in_the_end(steps in vec(step(), 1..30)) {
        let mut world = World::new();
        world.writer.set_waiting_max(1_000);
        let mut erased = vec![];
        for step in steps {
            match step {
                Step::Create(users) => (0..users).for_each(|_| world.create()),
                Step::Erase(nth) => erased.extend(world.erase(nth)),
                Step::Quiet => world.writer.settle_down(),
                Step::Reload => {
                    world.writer = KeyWriter::load(&world.conn, &world.key, world.ord_end).unwrap();
                    world.writer.set_waiting_max(1_000);
                }
            }
            world.writer.end_batch();
            world.writer.store_some(&world.conn, world.ord_end).unwrap();
            prop_assert!(world.known.iter().all(|(ord, digest)| world.find(digest) == Some(*ord)));
            prop_assert!(erased.iter().all(|digest| world.find(digest).is_none()));
            // Neither side piles up: those that wait are stored faster than others come.
            prop_assert!(world.writer.keys().waiting_len() <= 2_000);
        }
        world.writer.settle_down();
        while world.writer.is_storing() {
            world.writer.store_some(&world.conn, world.ord_end).unwrap();
        }
        let rows: i64 = world.conn.query_row("select count(*) from usage_user_key", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(rows as usize, world.known.len());
        let again = KeyWriter::load(&world.conn, &world.key, world.ord_end).unwrap();
        prop_assert_eq!(again.keys().waiting_len(), 0);
    }
}

#[test]
fn a_keyed_ord_that_was_never_given_is_damage() {
    let mut world = World::new();
    world.create();
    for ord in ["0", "-1", "3", "99999999999"] {
        world.conn.execute_batch(&format!("update usage_fold set keyed_ord = {ord}")).unwrap();
        assert!(KeyWriter::load(&world.conn, &world.key, world.ord_end).is_err(), "{ord}");
    }
}
