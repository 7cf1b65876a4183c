//! Rooms that know one host language each. The core never imports from here: a host reaches it through the hooks of
//! `gt_host_set` and through the C face, like any other user.

pub(crate) mod python;
