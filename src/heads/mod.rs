//! Small trained heads that read topics and stances off token states.
