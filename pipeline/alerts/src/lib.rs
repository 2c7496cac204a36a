//! Said state to differences to the alerts topic.
