//! The administrator's exceptions, in memory as they stand in the database.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::error::Result;
use crate::model::Target;
use crate::store::{Overrides, Store};

/// Cheap to clone.
#[derive(Clone)]
pub struct Exceptions(Arc<Inner>);

struct Inner {
    store: Store,
    by_target: RwLock<Arc<HashMap<Target, Overrides>>>,
    /// One at a time reads the database anew, so that what was read last is what stays.
    reading: Mutex<()>,
}

impl Exceptions {
    /// Reads them from the database.
    pub fn load(store: Store) -> Result<Exceptions> {
        let exceptions = Inner { store, by_target: RwLock::default(), reading: Mutex::default() };
        exceptions.read()?;
        Ok(Exceptions(Arc::new(exceptions)))
    }

    /// What is set for the first of the targets that has it set.
    pub fn find(&self, targets: &[Target], field: impl Fn(&Overrides) -> Option<u32>) -> Option<u32> {
        let by_target = self.0.by_target.read();
        if by_target.is_empty() {
            return None;
        }
        targets.iter().find_map(|target| by_target.get(target).and_then(&field))
    }

    /// Durable, and obeyed, when it returns.
    pub async fn set(&self, target: Target, overrides: Overrides, now_unix_micros: i64) -> Result<()> {
        let store = self.0.store.clone();
        self.change(async move { store.set_override(target, overrides, now_unix_micros).await }).await
    }

    /// False if there was none.
    pub async fn clear(&self, target: Target) -> Result<bool> {
        let store = self.0.store.clone();
        self.change(async move { store.clear_override(target).await }).await
    }

    /// Commits first, then obeys. In a task of its own: whoever hangs up between the two must not part them.
    async fn change<T: Send + 'static>(&self, commit: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let changed = tokio::spawn(async move {
            let done = commit.await?;
            inner.read()?;
            Ok(done)
        });
        changed.await.map_err(|e| crate::error::Error::internal(format!("a change of limits: {e}")))?
    }
}

impl Inner {
    fn read(&self) -> Result<()> {
        let _alone = self.reading.lock();
        let by_target = self.store.snapshot()?.overrides()?.into_iter().collect();
        *self.by_target.write() = Arc::new(by_target);
        Ok(())
    }
}
