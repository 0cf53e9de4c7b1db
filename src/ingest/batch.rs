use super::cells::Decoded;
use crate::model::Rejected;

/// What could be read of a request. `items[i]` stood at `origins[i]` of the request, counted from 0. (Where a batch is
/// read from a file, origins and indexes are the numbers of lines, from 1.)
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch<T> {
    pub items: Vec<T>,
    pub origins: Vec<usize>,
    /// Sorted by index.
    pub rejected: Vec<Rejected>,
}

/// What a batch came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub accepted: usize,
    /// Sorted by index in the request.
    pub rejected: Vec<Rejected>,
}

impl<T> Batch<T> {
    pub(super) fn new() -> Batch<T> {
        Batch { items: Vec::new(), origins: Vec::new(), rejected: Vec::new() }
    }

    /// Adds the item at `origin`, or why it cannot be taken. Origins come in ascending order.
    pub(super) fn add(&mut self, origin: usize, read: Decoded<T>) {
        match read {
            Ok(item) => {
                self.items.push(item);
                self.origins.push(origin);
            }
            Err(message) => self.rejected.push(Rejected { index: origin, message }),
        }
    }

    /// How many items were met, good or not.
    pub(super) fn len(&self) -> usize {
        self.items.len() + self.rejected.len()
    }

    /// Where the last item stood, good or not; None of an empty batch.
    pub fn last_origin(&self) -> Option<usize> {
        self.origins.last().copied().max(self.rejected.last().map(|rejected| rejected.index))
    }

    /// Adds what the store rejected (by index into `items`) to what could not be read.
    pub fn receipt(origins: Vec<usize>, unread: Vec<Rejected>, rejected_by_store: Vec<Rejected>) -> Receipt {
        let accepted = origins.len().saturating_sub(rejected_by_store.len());
        let at_origin = |rejected: Rejected| {
            let index = *origins.get(rejected.index).expect("the store rejects only what it was given");
            Rejected { index, message: rejected.message }
        };
        let mut rejected = unread;
        rejected.extend(rejected_by_store.into_iter().map(at_origin));
        rejected.sort_by_key(|rejected| rejected.index);
        Receipt { accepted, rejected }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(index: usize, message: &str) -> Rejected {
        Rejected { index, message: message.into() }
    }

    #[test]
    fn a_receipt_speaks_of_indexes_in_the_request() {
        let unread = vec![rejected(1, "unread"), rejected(4, "unread")];
        let by_store = vec![rejected(2, "too many teams"), rejected(0, "too many teams")];
        let receipt = Batch::<()>::receipt(vec![0, 2, 3], unread, by_store);
        assert_eq!(receipt.accepted, 1);
        let expected = [
            rejected(0, "too many teams"),
            rejected(1, "unread"),
            rejected(3, "too many teams"),
            rejected(4, "unread"),
        ];
        assert_eq!(receipt.rejected, expected);
    }
}
