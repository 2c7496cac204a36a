//! The rows of one set of a snapshot, shared between the snapshots in which they are the same.
//!
//! In: rows.  Out: the same, read as a vector.  Owns: a share in them.
//! Absent on purpose: interior mutability: whoever changes rows that another snapshot shares gets a copy first, so a
//! snapshot in force never changes.
//! Why so: a moved fence makes a new snapshot beside the one in force; its people and shifts, by far the most of it, are
//! the same ones.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::reference::Site;

/// The rows of a set. Cloning shares them; writing to shared ones copies them first.
#[derive(Debug)]
pub struct Rows<T>(Arc<Vec<T>>);

impl<T> Rows<T> {
    /// Whether both are one and the same vector; `false` says nothing about what they hold.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Rows<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Rows<T> {
    type Target = Vec<T>;

    #[inline]
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T: Clone> DerefMut for Rows<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> From<Vec<T>> for Rows<T> {
    fn from(rows: Vec<T>) -> Self {
        Self(Arc::new(rows))
    }
}

impl<T> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Vec::from_iter(rows).into()
    }
}

impl<'a, T> IntoIterator for &'a Rows<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Site>> for Rows<Arc<Site>> {
    fn from(sites: Vec<Site>) -> Self {
        sites.into_iter().collect()
    }
}

impl FromIterator<Site> for Rows<Arc<Site>> {
    fn from_iter<I: IntoIterator<Item = Site>>(sites: I) -> Self {
        sites.into_iter().map(Arc::new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_to_shared_rows_leaves_the_others_alone() {
        let before = Rows::from(vec![1, 2, 3]);
        let mut after = before.clone();
        assert!(after.is_shared_with(&before));
        after[1] = 7;
        assert_eq!((before.as_slice(), after.as_slice()), (&[1, 2, 3][..], &[1, 7, 3][..]));
        assert!(!after.is_shared_with(&before));
    }
}
