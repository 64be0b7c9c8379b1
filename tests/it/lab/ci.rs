//! The differences in CI (`CI=true`): nothing is skipped there, and nothing is sampled.

/// Whether the tests run in CI.
pub(crate) fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Returns how many of `all` cases of one test are played: all of them in CI, a quarter elsewhere,
/// so that the whole suite takes less than four minutes on two processors.
pub(crate) fn share(all: u32) -> u32 {
    if is_ci() { all } else { all.div_ceil(4) }
}
