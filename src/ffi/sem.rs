//! Section: semaphores.
