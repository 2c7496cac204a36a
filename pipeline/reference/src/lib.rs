//! Files of sites, people, shifts, leave, policies to one validated snapshot.
