use super::draw::random_events;
use super::story::Story;
use crate::support::random::rounds;

#[test]
fn figures_are_what_the_definitions_say_whatever_the_order_and_the_batches() {
    rounds(6, |random| {
        let mut story = Story::begin();
        let events = random_events(random, 150);
        let mut deliveries = events.clone();
        // Everything may come again, and nothing may come of it.
        deliveries.extend((0..40).map(|_| random.pick(&events)));
        random.shuffle(&mut deliveries);
        for batch in random.batches(&deliveries, 40) {
            story.record(random, batch);
            if random.chance(50) {
                story.register(random);
            }
            if random.chance(60) {
                story.ask(random, 12);
            }
        }
        story.ask_for_everything(random);
        story.check();
    });
}

#[test]
fn an_erased_user_leaves_counts_or_nothing_as_asked() {
    rounds(6, |random| {
        let mut story = Story::begin();
        for _ in 0..8 {
            let events = random_events(random, 30);
            story.record(random, &events);
            story.register(random);
            story.erase_someone(random);
            story.ask(random, 15);
        }
        story.ask_for_everything(random);
        story.check();
    });
}

#[test]
fn a_restart_in_the_middle_changes_no_figure() {
    rounds(2, |random| {
        let mut story = Story::begin();
        for _ in 0..4 {
            let events = random_events(random, 60);
            story.record(random, &events);
            story.register(random);
            story.erase_someone(random);
            story = story.restart();
            story.ask(random, 30);
        }
        story.check();
    });
}
