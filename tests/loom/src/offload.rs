#[path = "../../../src/offload/job.rs"]
pub mod job;
#[path = "../../../src/offload/seats.rs"]
pub mod seats;
