//! Wait lists: who waits for what, first in, first out.
//!
//! A [`WaitNode`] lives on the stack of the task that waits, so waiting allocates nothing. Descriptors, joins and the
//! primitives above all keep their waiters in a [`WaitList`].
//!
//! Invariants:
//! W1  A node is linked in at most one list, and `list` says whether it is.
//! W2  A node is unlinked before the frame that holds it ends: the waiting code does so on every way out.
//! W3  A list is touched by its home thread only.

use std::cell::Cell;
use std::ptr;

/// What a waiter is told when it is woken through its node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// Nothing yet: still waiting.
    None,
    /// What it waited for has happened, or may have: try again.
    Ready,
    /// The thing it waited on was closed.
    Closed,
}

/// One waiter. Lives on the waiting task's stack.
pub struct WaitNode {
    next: Cell<*const WaitNode>,
    prev: Cell<*const WaitNode>,
    linked: Cell<bool>,
    /// What the waker said.
    pub note: Cell<Note>,
    /// The events the waker saw (poll(2) bits); meaning is the list owner's.
    pub seen: Cell<u32>,
    /// The events asked for (poll(2) bits); 0 where the list has no such notion.
    pub wants: u32,
    /// The waiting task, opaque to the lists: only the scheduler looks behind it.
    pub task: *const (),
}

impl WaitNode {
    /// A node for `task`, not linked anywhere.
    #[inline]
    pub fn new(task: *const (), wants: u32) -> WaitNode {
        WaitNode {
            next: Cell::new(ptr::null()),
            prev: Cell::new(ptr::null()),
            linked: Cell::new(false),
            note: Cell::new(Note::None),
            seen: Cell::new(0),
            wants,
            task,
        }
    }

    /// Whether the node stands in a list.
    #[inline]
    pub fn is_linked(&self) -> bool {
        self.linked.get()
    }

    /// The node behind this one in its list.
    ///
    /// # Safety
    /// The node is linked, and the list is not changed while the answer is used.
    pub unsafe fn next(&self) -> *const WaitNode {
        self.next.get()
    }
}

/// A queue of waiting nodes.
pub struct WaitList {
    head: Cell<*const WaitNode>,
    tail: Cell<*const WaitNode>,
}

impl Default for WaitList {
    fn default() -> WaitList {
        WaitList::new()
    }
}

impl WaitList {
    /// An empty list.
    pub const fn new() -> WaitList {
        WaitList { head: Cell::new(ptr::null()), tail: Cell::new(ptr::null()) }
    }

    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// The first waiter, or null.
    #[inline]
    pub fn first(&self) -> *const WaitNode {
        self.head.get()
    }

    /// Links a node at the end.
    ///
    /// # Safety
    /// The node is not linked and stays where it is until it is unlinked (W1, W2).
    #[inline]
    pub unsafe fn push_back(&self, node: &WaitNode) {
        debug_assert!(!node.linked.get());
        node.linked.set(true);
        node.next.set(ptr::null());
        node.prev.set(self.tail.get());
        if self.tail.get().is_null() {
            self.head.set(node);
        } else {
            // SAFETY: W2: linked nodes are alive.
            unsafe { (*self.tail.get()).next.set(node) };
        }
        self.tail.set(node);
    }

    /// Links a node at the front: a waiter that was woken in vain keeps its turn.
    ///
    /// # Safety
    /// As for [`WaitList::push_back`].
    pub unsafe fn push_front(&self, node: &WaitNode) {
        debug_assert!(!node.linked.get());
        node.linked.set(true);
        node.prev.set(ptr::null());
        node.next.set(self.head.get());
        if self.head.get().is_null() {
            self.tail.set(node);
        } else {
            // SAFETY: W2: linked nodes are alive.
            unsafe { (*self.head.get()).prev.set(node) };
        }
        self.head.set(node);
    }

    /// Unlinks a node if it is linked. It must be linked in this list, if at all.
    #[inline]
    pub fn remove(&self, node: &WaitNode) {
        if !node.linked.get() {
            return;
        }
        let (prev, next) = (node.prev.get(), node.next.get());
        if prev.is_null() {
            self.head.set(next);
        } else {
            // SAFETY: W2: linked nodes are alive.
            unsafe { (*prev).next.set(next) };
        }
        if next.is_null() {
            self.tail.set(prev);
        } else {
            // SAFETY: W2: linked nodes are alive.
            unsafe { (*next).prev.set(prev) };
        }
        node.linked.set(false);
    }

    /// Takes the first waiter off the list.
    #[inline]
    pub fn pop_front(&self) -> Option<&WaitNode> {
        let first = self.head.get();
        if first.is_null() {
            return None;
        }
        // SAFETY: W2: linked nodes are alive.
        let node = unsafe { &*first };
        self.remove(node);
        Some(node)
    }

    /// Forgets all waiters without touching them: for a forked child, where they will never run again.
    pub fn abandon(&self) {
        self.head.set(ptr::null());
        self.tail.set(ptr::null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_leave_in_the_order_they_came_and_from_the_middle() {
        let list = WaitList::new();
        let nodes: Vec<WaitNode> = (0..4).map(|i| WaitNode::new(i as *const (), 0)).collect();
        for node in &nodes {
            // SAFETY: the nodes outlive the list's use of them.
            unsafe { list.push_back(node) };
        }
        list.remove(&nodes[1]);
        list.remove(&nodes[1]);
        // SAFETY: node 1 was unlinked just now.
        unsafe { list.push_front(&nodes[1]) };
        let order: Vec<usize> = std::iter::from_fn(|| list.pop_front().map(|n| n.task as usize)).collect();
        assert_eq!(order, [1, 0, 2, 3]);
        assert!(list.is_empty() && nodes.iter().all(|n| !n.is_linked()));
    }
}
