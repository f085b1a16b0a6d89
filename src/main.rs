//! The program: judges documents on the command line, or serves the REST API.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // SAFETY: frees nothing that is in use; the function has no other condition.
    #[allow(unsafe_code)]
    stance::memory::collect_by(|| unsafe { libmimalloc_sys::mi_collect(true) });
    stance::cli::main()
}
